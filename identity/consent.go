package identity

import (
	"time"

	"llmhub/fault"
)

// Document is one that has to be accepted before something is bought, in the version that the digest tells.
type Document struct {
	ID, Title, Version, Digest string
}

// Consent says that somebody has accepted a document, as the digest tells it: who, when, what.
type Consent struct {
	DocumentID string    `json:"document_id"`
	Title      string    `json:"title"`
	Version    string    `json:"version"`
	Digest     string    `json:"digest"`
	AcceptedAt time.Time `json:"accepted_at"`
	ByID       string    `json:"by_id"`
	ByName     string    `json:"by_name"`
}

// Accept returns the evidence that the actor has accepted every document at a time, or which one has not been. Of
// accepted, DocumentID and Digest count.
func (a Actor) Accept(documents []Document, accepted []Consent, at time.Time) ([]Consent, error) {
	shown := make(map[string]string, len(accepted))
	for _, c := range accepted {
		shown[c.DocumentID] = c.Digest
	}
	consents := make([]Consent, len(documents))
	for i, d := range documents {
		digest, ok := shown[d.ID]
		switch {
		case !ok:
			return nil, fault.New(fault.Invalid, "accepted", "the document %q must be accepted", d.Title)
		case digest != d.Digest:
			return nil, fault.New(fault.Conflict, "accepted", "the document %q has changed; read it again", d.Title)
		}
		consents[i] = Consent{
			DocumentID: d.ID, Title: d.Title, Version: d.Version, Digest: d.Digest,
			AcceptedAt: at, ByID: a.ID, ByName: a.Name,
		}
	}
	return consents, nil
}
