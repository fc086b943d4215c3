package proxy

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"llmhub/limit"
	"llmhub/metering"
	"llmhub/proxy/openai"
	"llmhub/store"
)

// codeBudget and typeQuota are code and type of errors for budgets that are used up. The type is OpenAI's for the same.
const (
	codeBudget = "budget_exceeded"
	typeQuota  = "insufficient_quota"
)

// growth is how far a streamed answer has been counted closely: tokens up to so many bytes of each of its texts.
type growth struct {
	tokens, bytes int64
	unkept        int64 // bytes that were not kept, taken for a token each
	texts         []int
}

// reserve has the limits take the request in, or refuse it. It costs next to nothing where there are none.
func (x *exchange) reserve(ctx *fasthttp.RequestCtx) *openai.Error {
	if !x.limited() {
		return nil
	}
	body := ctx.Request.Body()
	a := &limit.Ask{
		InputTokens: int64(len(body)), Quantities: x.askedQuantities(), Growing: x.request.Stream,
		Exact: func() int64 { return x.countInput(body) }, Choices: min(x.request.N, maxCappedChoices),
	}
	if x.endpoint.multipart {
		a.InputTokens, a.Exact = (a.InputTokens+bytesOfMedia-1)/bytesOfMedia, nil
	}
	if x.request.MaxTokens > 0 {
		a.OutputTokens = x.request.MaxTokens * a.Choices
	}
	if about := x.model.About; about != nil {
		a.MostOutput = cmp.Or(about.MaxOutputTokens, about.ContextTokens)
	}
	return x.take(a)
}

// limited says whether the request falls into any scope with rules.
func (x *exchange) limited() bool {
	return x.p.Engine != nil && len(x.grant.Scopes(x.model.Name)) > 0
}

// take asks the limits of the exchange's scopes, if it falls into any.
func (x *exchange) take(a *limit.Ask) *openai.Error {
	if x.p.Engine == nil {
		return nil
	}
	a.Model, a.Scopes, a.Generates = x.model.Name, x.grant.Scopes(x.model.Name), x.endpoint.generates
	if len(a.Scopes) == 0 {
		return nil
	}
	r, refusal := x.p.Engine.Admit(x.arrived, a)
	if refusal != nil {
		x.p.Metrics.limitRefused.WithLabelValues(refusal.Rule).Inc()
		x.beyond = refusal
		return x.limitError(refusal)
	}
	x.reservation = r
	if would := r.WouldRefuse(); would != nil {
		x.p.Metrics.limitDryRun.WithLabelValues(would.Rule).Inc()
		if would.Fresh {
			x.p.Logger.Warn("request beyond a limit that is tried out", "key", x.grant.KeyID, "scope", would.Scope, "rule", would.Rule)
		}
	}
	return nil
}

// bytesOfMedia is the fewest that images and sound have for a token.
const bytesOfMedia = 100

// askedQuantities returns what the request may come to beside tokens, as far as it says so itself.
func (x *exchange) askedQuantities() store.Quantities {
	if x.endpoint.units == nil {
		return nil
	}
	return x.endpoint.units(x.request.Units, x.request.Units, false)
}

// templateTokens is what model servers may put around a prompt of their own accord.
const templateTokens = 32

// countInput counts the input with the embedded tokenizer, and half of it more: the model's own may take more tokens for
// the same text.
func (x *exchange) countInput(body []byte) int64 {
	var prompt openai.Prompt
	prompt.Gather(body)
	ctx, cancel := context.WithTimeout(context.Background(), estimateWait)
	defer cancel()
	n := x.p.Estimator.Count(ctx, slices.Collect(prompt.Texts())...)
	return n + n/2 + prompt.Framing() + templateTokens
}

// maxOutput is what the answer must be bounded to for the sake of a budget: in all, or for each of its choices; 0 if it
// need not.
func (x *exchange) maxOutput() int64 {
	if x.reservation == nil {
		return 0
	}
	return x.reservation.MaxOutput() / max(x.request.N, 1)
}

// fits says whether budgets allow for what the answer has come to with the event just read, before it is delivered. Text
// has at least a byte for each token; only where so many do not fit, they are counted.
func (x *exchange) fits() bool {
	r := x.reservation
	if r == nil {
		return true
	}
	usage, _ := x.meter.Usage()
	ends := min(x.request.N, maxCappedChoices) // the end of a choice is a token without text
	least := max(x.meter.Deltas(), usage.Output)
	if r.Grow(max(least, x.grown.tokens+x.meter.TextBytes()-x.grown.bytes) + ends) {
		return true
	}
	x.recount()
	x.overBudget = !r.Recount(max(least, x.grown.tokens))
	return !x.overBudget
}

// recount counts the tokens of the texts that have come since the last count.
func (x *exchange) recount() {
	ctx, cancel := context.WithTimeout(context.Background(), estimateWait)
	defer cancel()
	g, i := &x.grown, 0
	for text := range x.meter.Texts() {
		if i == len(g.texts) {
			g.texts = append(g.texts, 0)
		}
		if from := g.texts[i]; from < len(text.Bytes) {
			g.tokens += x.p.Estimator.Count(ctx, text.Bytes[from:])
			g.texts[i] = len(text.Bytes)
		}
		i++
	}
	unkept := x.meter.Unkept()
	g.tokens += unkept - g.unkept
	g.unkept, g.bytes = unkept, x.meter.TextBytes()
}

// charge has the limits know what is about to be recorded. Of an answer that a budget ended, and of one that was counted
// here, no more is charged than the budgets agreed to: what came behind it was not delivered.
func (x *exchange) charge(s *metering.Settlement) {
	r := x.reservation
	if r == nil {
		return
	}
	_, reported := x.meter.Reported()
	if most := r.Approved(); x.request.Stream && (x.overBudget || !reported) && s.Tokens.Output > most {
		s.Tokens.Output = most
		s.Tokens.Reasoning = min(s.Tokens.Reasoning, most)
		s.Tokens.Estimated = min(s.Tokens.Estimated, s.Tokens.Total())
		if s.Provenance == store.FromUpstream || s.Provenance == store.FromDrained {
			s.Provenance = store.FromPartial
		}
	}
	r.Settled(x.id, s.Tokens, s.Quantities)
}

// limitHeaders says how near its limits the request is.
func (x *exchange) limitHeaders(h *fasthttp.ResponseHeader) {
	r := x.reservation
	if r == nil {
		return
	}
	if would := r.WouldRefuse(); would != nil {
		h.Set("X-Llmhub-Would-Refuse", would.Rule)
	}
	st := r.Status()
	var reset resetText
	requestHeaders.write(h, &st.Requests, &reset)
	inputHeaders.write(h, &st.InputTokens, &reset)
	outputHeaders.write(h, &st.OutputTokens, &reset)
	tokens := &st.InputTokens
	if out := &st.OutputTokens; tokens.Limit == 0 || out.Limit > 0 && out.Left < tokens.Left {
		tokens = out
	}
	tokenHeaders.write(h, tokens, &reset)
}

// beyondHeaders says the same of a request that was refused because of a rate: nothing is left of it.
func (x *exchange) beyondHeaders(h *fasthttp.ResponseHeader) {
	f := x.beyond
	if f == nil {
		return
	}
	of := map[string][]*windowHeaders{
		limit.RuleRequests: {&requestHeaders}, limit.RuleInputTokens: {&inputHeaders, &tokenHeaders}, limit.RuleOutputTokens: {&outputHeaders, &tokenHeaders},
	}
	most, err := strconv.ParseInt(f.Limit, 10, 64)
	for _, kind := range of[f.Rule] {
		if err == nil {
			kind.write(h, &limit.Window{Limit: most, Reset: f.RetryAfter}, &resetText{})
		}
	}
}

// windowHeaders are the names of the headers about one rate that OpenAI's clients know.
type windowHeaders struct{ limit, remaining, reset []byte }

func newWindowHeaders(kind string) windowHeaders {
	name := func(s string) []byte { return []byte("X-Ratelimit-" + s + "-" + kind) }
	return windowHeaders{name("Limit"), name("Remaining"), name("Reset")}
}

var (
	requestHeaders = newWindowHeaders("Requests")
	tokenHeaders   = newWindowHeaders("Tokens") // the tighter one of both kinds
	inputHeaders   = newWindowHeaders("Input-Tokens")
	outputHeaders  = newWindowHeaders("Output-Tokens")
)

// resetText keeps the text of a duration, which mostly is that of all windows.
type resetText struct {
	of time.Duration
	is string
}

func (r *resetText) text(d time.Duration) string {
	if r.is == "" || r.of != d {
		r.of, r.is = d, d.Round(time.Millisecond).String()
	}
	return r.is
}

// write writes the headers of a rate if there is one, durations in the form of OpenAI.
func (n *windowHeaders) write(h *fasthttp.ResponseHeader, w *limit.Window, reset *resetText) {
	if w.Limit == 0 {
		return
	}
	var b [32]byte
	h.SetCanonical(n.limit, strconv.AppendInt(b[:0], w.Limit, 10))
	h.SetCanonical(n.remaining, strconv.AppendInt(b[:0], w.Left, 10))
	h.SetCanonical(n.reset, append(b[:0], reset.text(w.Reset)...))
}

// limitError says in the customer's words which limit has been reached, and what can be done.
func (x *exchange) limitError(f *limit.Refusal) *openai.Error {
	e := &openai.Error{
		Status: http.StatusTooManyRequests, Type: openai.TypeRateLimit, Code: "rate_limit_exceeded", RetryAfter: f.RetryAfter,
	}
	who := x.scopeName(f.Scope)
	again := " Please try again in " + retryAfter(f.RetryAfter) + " s."
	switch f.Rule {
	case limit.RuleTokens, limit.RuleAmount:
		x.budgetError(e, f, who)
		return e
	case limit.RuleConcurrency:
		e.Message = who + " may have " + f.Limit + " " + requests(f.Limit) + " under way at once." + again
		return e
	case limit.RuleRequests:
		e.Message = who + " may make " + f.Limit + " " + requests(f.Limit) + " a minute."
	case limit.RuleInputTokens:
		e.Message = who + " may send " + f.Limit + " tokens of input a minute."
	case limit.RuleOutputTokens:
		e.Message = who + " may get " + f.Limit + " tokens of output a minute."
	}
	if f.RetryAfter > 0 {
		e.Message += again
	} else {
		e.Final = true
		e.Message += " The request asks for more than that; make it smaller, or lower the bound of its answer."
	}
	return e
}

func requests(n string) string {
	if n == "1" {
		return "request"
	}
	return "requests"
}

// budgetError fills in an error about a budget.
func (x *exchange) budgetError(e *openai.Error, f *limit.Refusal, who string) {
	budget := "The budget of " + f.Limit + " tokens a month"
	if f.Rule == limit.RuleAmount {
		budget = "The budget of " + f.Limit + " " + x.p.Currency + " a month"
	}
	budget += " for t" + who[1:]
	switch {
	case f.Cause == limit.NoPrice:
		e.Status, e.Type, e.Code = http.StatusForbidden, openai.TypePermission, "price_unknown"
		e.Message = budget + " is of money, and the model " + strconv.Quote(x.model.Name) + " has no price. Please contact the operator."
	case f.Cause == limit.NotRead:
		e.Status, e.Type, e.Code = http.StatusServiceUnavailable, openai.TypeAPI, "budget_unknown"
		e.Message = budget + " cannot be checked at the moment. Please try again later."
	case f.RetryAfter > 0:
		e.Message = budget + " is held by requests under way. Please try again when they have ended."
	default:
		e.Type, e.Code, e.Final = typeQuota, codeBudget, true
		e.Message = budget + " does not suffice for this request. It renews on " + x.renewal() + "."
	}
}

// budgetSpent is the error that ends an answer whose budget is spent.
func (x *exchange) budgetSpent() *openai.Error {
	return &openai.Error{
		Status: http.StatusTooManyRequests, Type: typeQuota, Code: codeBudget, Final: true,
		Message: "The budget of this month is spent, and the answer ends here. It renews on " + x.renewal() + ".",
	}
}

// isBudget says whether an error is budgetSpent's.
func isBudget(e *openai.Error) bool { return e.Type == typeQuota && e.Code == codeBudget }

// renewal is the first day of the next month in the billing time zone.
func (x *exchange) renewal() string {
	return (store.DayOf(x.arrived, x.p.Location).Month() + 1).First().String()
}

// scopeName is what a customer calls a scope of the request.
func (x *exchange) scopeName(id string) string {
	switch id {
	case x.grant.KeyID:
		return "This API key"
	case x.grant.SubscriptionID:
		return "The subscription of this API key"
	}
	return "The subscription of this API key, for the model " + strconv.Quote(x.model.Name) + ","
}
