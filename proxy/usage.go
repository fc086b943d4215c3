package proxy

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"llmhub/metering"
	"llmhub/proxy/openai"
	"llmhub/store"
	"llmhub/subscription"
)

// usageRow is a row of what a key has used. What was not asked for is left out.
type usageRow struct {
	Model    string `json:"model,omitempty"`
	Day      string `json:"day,omitempty"`
	Requests int64  `json:"requests"`
	metering.TokenCounts
	metering.QuantityCounts
}

// usage answers with what the key has used in a month, for the application itself: GET /v1/usage?month=2026-11&by=day.
func (p *Proxy) usage(c *fiber.Ctx) error {
	return p.query(c, func(g *subscription.Grant) (any, *openai.Error) {
		month := store.DayOf(time.Now(), p.Location).Month()
		if s := c.Query("month"); s != "" {
			var err error
			if month, err = store.ParseMonth(s); err != nil {
				return nil, badParam("month", err.Error())
			}
		}
		q := store.UsageQuery{Keys: []string{g.KeyID}, From: month.First(), To: (month + 1).First(), ByModel: true}
		switch by := c.Query("by"); by {
		case "", "model":
		case "day":
			q.ByDay = true
		default:
			return nil, badParam("by", "by must be model or day.")
		}
		sums, err := p.Ledger.Usage(c.Context(), q)
		if err != nil {
			p.Logger.Error("usage of a key not read", "key", g.KeyID, "err", err)
			return nil, &openai.Error{Status: http.StatusInternalServerError, Type: "api_error", Message: "The usage could not be read."}
		}
		return usageAnswer(month, sums, q.ByDay), nil
	})
}

func badParam(name, message string) *openai.Error {
	return &openai.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: name, Message: message}
}

func usageAnswer(month store.Month, sums []store.Sum, byDay bool) any {
	var total store.Sum
	rows := make([]usageRow, 0, len(sums))
	slices.SortFunc(sums, func(a, b store.Sum) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), strings.Compare(a.Model, b.Model))
	})
	for _, s := range sums {
		row := usageRowOf(s)
		row.Model = s.Model
		if byDay {
			row.Day = s.Day.String()
		}
		total.Requests += s.Requests
		total.Tokens.Add(s.Tokens)
		total.Quantities = total.Quantities.PlusAll(s.Quantities)
		rows = append(rows, row)
	}
	return map[string]any{"object": "usage", "month": month.String(), "data": rows,
		"total": usageRowOf(total)}
}

func usageRowOf(s store.Sum) usageRow {
	return usageRow{Requests: s.Requests, TokenCounts: metering.CountTokens(s.Tokens), QuantityCounts: metering.CountQuantities(s.Quantities)}
}
