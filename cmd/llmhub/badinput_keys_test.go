package main

import (
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"llmhub/identity"
	"llmhub/secret"
	"llmhub/subscription"
)

// limitedKey makes a key for some of the subscription's models.
func (h *hub) limitedKey(name string, models ...string) (text, id string) {
	h.t.Helper()
	key, secret, err := h.server.service.CreateKey(h.t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: h.sub.ID, Name: name, Models: models})
	if err != nil {
		h.t.Fatal(err)
	}
	return secret.Reveal(), key.ID
}

// expiredKey makes a key, in the past, that has expired since.
func (h *hub) expiredKey(name string) string {
	h.t.Helper()
	pepper, err := secret.LoadKey(h.server.cfg.Data, "pepper")
	if err != nil {
		h.t.Fatal(err)
	}
	past := time.Now().Add(-2 * time.Hour)
	service := subscription.NewService(subscription.Options{
		Documents: h.server.store, Hasher: subscription.NewHasher(pepper), Gate: h.server.gate, Now: func() time.Time { return past },
	})
	expires := past.Add(time.Hour)
	_, secret, err := service.CreateKey(h.t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: h.sub.ID, Name: name, ExpiresAt: &expires})
	if err != nil {
		h.t.Fatal(err)
	}
	return secret.Reveal()
}

// cancelledKey makes a key of another subscription of the tenant and cancels that.
func (h *hub) cancelledKey(name string) string {
	h.t.Helper()
	sub, err := h.server.service.CreateSubscription(h.t.Context(), identity.Administrator(), subscription.CreateSubscription{TenantID: h.sub.TenantID, ProductID: "llm-hub"})
	if err != nil {
		h.t.Fatal(err)
	}
	_, secret, err := h.server.service.CreateKey(h.t.Context(), identity.Administrator(), subscription.CreateKey{SubscriptionID: sub.ID, Name: name})
	if err == nil {
		_, err = h.server.service.CancelSubscription(h.t.Context(), identity.Administrator(), sub.ID, "")
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return secret.Reveal()
}

// wrongSecret changes the secret of a key and mends its checksum, so that only the hash tells it from a good one.
func wrongSecret(t *testing.T, key string) string {
	t.Helper()
	const digits, checksumDigits = "abcdefghijklmnopqrstuvwxyz234567", 7
	body := func(k string) string { return k[:len(k)-checksumDigits] }
	checksum := func(k string) string {
		sum, text := crc32.ChecksumIEEE([]byte(body(k))), ""
		for range checksumDigits {
			text, sum = string(digits[sum&31])+text, sum>>5
		}
		return text
	}
	if !strings.HasSuffix(key, checksum(key)) {
		t.Fatal("the checksum of keys is made in another way now")
	}
	changed := swap(key, len(key)-checksumDigits-1)
	return body(changed) + checksum(changed)
}

// swap replaces the character at i by another digit.
func swap(key string, i int) string {
	b := []byte(key)
	b[i] = 'a' + (b[i]+1)&7
	if b[i] == key[i] {
		b[i]++
	}
	return string(b)
}

func TestBadKeys(t *testing.T) {
	h, a := badHub(t)
	gone, goneID := h.key("deactivated")
	if _, err := h.server.service.DeactivateKey(t.Context(), identity.Administrator(), goneID); err != nil {
		t.Fatal(err)
	}
	const bad = "invalid_api_key"
	for _, c := range []struct {
		name, header string
		status       int
		code         string
	}{
		{"none", "", 401, bad},
		{"empty header", "Authorization:\r\n", 401, bad},
		{"scheme only", "Authorization: Bearer\r\n", 401, bad},
		{"empty key", "Authorization: Bearer   \r\n", 401, bad},
		{"no scheme", "Authorization: " + a.text + "\r\n", 401, bad},
		{"Basic", "Authorization: Basic " + a.text + "\r\n", 401, bad},
		{"two schemes", "Authorization: Bearer Bearer " + a.text + "\r\n", 401, bad},
		{"in another header", "X-Api-Key: " + a.text + "\r\n", 401, bad},
		{"second header", "Authorization: Bearer none\r\n" + authorization(a.text), 401, bad},
		{"truncated", authorization(a.text[:len(a.text)-1]), 401, bad},
		{"too long", authorization(a.text + "a"), 401, bad},
		{"capitals", authorization(strings.ToUpper(a.text)), 401, bad},
		{"wrong checksum", authorization(swap(a.text, len(a.text)-1)), 401, bad},
		{"wrong character", authorization(swap(a.text, 30)), 401, bad},
		{"wrong secret", authorization(wrongSecret(t, a.text)), 401, bad},
		{"other prefix", authorization("sk-proj-" + a.text[len("sk-lh-"):]), 401, bad},
		{"very long", authorization(strings.Repeat("k", 12<<10)), 401, bad},
		{"not ASCII", authorization("sk-lh-schl\u00fcssel\xff"), 401, bad},
		{"two keys", authorization(a.text + ", " + a.text), 401, bad},
		{"admin token", authorization(h.server.cfg.Admin.Token.Reveal()), 401, bad},
		{"deactivated", authorization(gone), 401, "key_deactivated"},
		{"expired", authorization(h.expiredKey("expired")), 401, "key_expired"},
		{"cancelled", authorization(h.cancelledKey("cancelled")), 403, "subscription_cancelled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, request := range []string{
				post("/v1/chat/completions", c.header+jsonType, `{"model":"m"}`),
				post("/v2/embeddings", c.header+jsonType, `{"model":"m","input":"x"}`),
				"GET /v1/models HTTP/1.1\r\nHost: hub\r\n" + c.header + "\r\n",
				"GET /v1/usage HTTP/1.1\r\nHost: hub\r\n" + c.header + "\r\n",
				"GET /v1/nothing HTTP/1.1\r\nHost: hub\r\n" + c.header + "\r\n",
			} {
				got := h.exchange(t, 1, request)[0]
				wantRefusal(t, got, c.status, c.code)
				if challenge := got.header.Get("WWW-Authenticate"); (challenge != "") != (c.status == 401) {
					t.Errorf("status %d with WWW-Authenticate %q", c.status, challenge)
				}
			}
		})
	}
	h.wantUntouched(t, a)
}
