package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"llmhub/proxy/conform"
	"llmhub/proxy/proxytest"
)

// oneKey is a key that all cases share.
type oneKey string

// Key returns it.
func (k oneKey) Key(context.Context, string) (conform.Key, error) {
	return conform.Key{Secret: string(k)}, nil
}

// conformHub is an llmhub by its management API: it makes keys, and knows each entry.
type conformHub struct {
	*client
	subscription string
	timeout      time.Duration
}

// hub opens the management API beside the target, with a tenant and a subscription made for the purpose.
func (f *conformFlags) hub(ctx context.Context) (*conformHub, error) {
	u, err := url.Parse(f.target)
	if err != nil {
		return nil, err
	}
	u.Path = "/api/v1"
	h := &conformHub{client: &client{base: u.String(), token: f.token, http: &http.Client{Timeout: f.timeout}}, timeout: f.timeout}
	var made struct {
		ID string `json:"id"`
	}
	name := "Conformance " + time.Now().UTC().Format("2006-01-02 15:04:05")
	if err := h.make(ctx, "/tenants", map[string]any{"name": name}, &made); err != nil {
		return nil, err
	}
	if err := h.make(ctx, "/subscriptions", map[string]any{"tenant_id": made.ID, "product_id": "llm-hub"}, &made); err != nil {
		return nil, err
	}
	h.subscription = made.ID
	return h, nil
}

func (h *conformHub) make(ctx context.Context, path string, body, answer any) error {
	text, err := h.post(ctx, path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// close cancels the subscription, and with it all keys.
func (h *conformHub) close() error {
	ctx, stop := context.WithTimeout(context.Background(), h.timeout)
	defer stop()
	_, err := h.post(ctx, "/subscriptions/"+h.subscription+"/cancel", nil)
	return err
}

// Key makes a key.
func (h *conformHub) Key(ctx context.Context, name string) (conform.Key, error) {
	var made struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	}
	err := h.make(ctx, "/keys", map[string]any{"subscription_id": h.subscription, "name": name}, &made)
	return conform.Key{ID: made.ID, Secret: made.Key, Revoke: func(ctx context.Context) error {
		_, err := h.post(ctx, "/keys/"+made.ID+"/deactivate", nil)
		return err
	}}, err
}

// recordView is how every API gives what was counted.
type recordView struct {
	Requests   int64  `json:"requests"`
	Provenance string `json:"provenance"`
	Input      int64  `json:"input_tokens"`
	Cached     int64  `json:"cached_input_tokens"`
	Output     int64  `json:"output_tokens"`
	Reasoning  int64  `json:"reasoning_tokens"`
	Quantities []struct {
		Unit     string `json:"unit"`
		Quantity int64  `json:"quantity"`
	} `json:"quantities"`
}

func (v *recordView) usage() proxytest.Usage {
	u := proxytest.Usage{Prompt: v.Input, Cached: v.Cached, Output: v.Output, Reasoning: v.Reasoning}
	for _, q := range v.Quantities {
		switch {
		case strings.HasPrefix(q.Unit, "image"):
			u.Images += q.Quantity
		case q.Unit == "audio_millisecond":
			u.AudioMilliseconds += q.Quantity
		case q.Unit == "character":
			u.Characters += q.Quantity
		case q.Unit == "search":
			u.Searches += q.Quantity
		}
	}
	return u
}

// Read adds up the entries of a key.
func (h *conformHub) Read(ctx context.Context, key conform.Key) (conform.Record, error) {
	text, err := h.get(ctx, "/keys/"+url.PathEscape(key.ID)+"/events", nil)
	if err != nil {
		return conform.Record{}, err
	}
	var list struct{ Data []recordView }
	if err := json.Unmarshal(text, &list); err != nil {
		return conform.Record{}, err
	}
	r := conform.Record{Requests: int64(len(list.Data)), Units: true}
	for i, e := range list.Data {
		if i == 0 {
			r.Provenance = e.Provenance
		}
		r.Usage = r.Usage.Plus(e.usage())
	}
	return r, nil
}

// usageLedger is what an llmhub tells the holder of a key.
type usageLedger struct {
	base    string
	timeout time.Duration
}

// Read returns the sums of the month.
func (l usageLedger) Read(ctx context.Context, key conform.Key) (conform.Record, error) {
	c := &client{base: l.base, token: key.Secret, http: &http.Client{Timeout: l.timeout}}
	text, err := c.get(ctx, "/usage", nil)
	if err != nil {
		return conform.Record{}, fmt.Errorf("GET /usage: %w", err)
	}
	var answer struct{ Total recordView }
	if err := json.Unmarshal(text, &answer); err != nil {
		return conform.Record{}, err
	}
	return conform.Record{Requests: answer.Total.Requests, Usage: answer.Total.usage(), Units: true}, nil
}
