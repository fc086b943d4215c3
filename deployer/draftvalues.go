package deployer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"llmhub/catalog"
	"llmhub/deployer/form"
	"llmhub/fault"
	"llmhub/identity"
	"llmhub/secret"
)

const (
	// maxInputBytes bounds what a draft keeps of an input as JSON: the workload that comes of it keeps it several times.
	maxInputBytes = 32 << 10
	// maxSecretBytes bounds all secrets of a draft together.
	maxSecretBytes = 64 << 10
)

// Form returns the configuration form of a draft's product.
func (s *Service) Form(ctx context.Context, by identity.Actor, id string) (*form.Form, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return nil, err
	}
	f, chart, err := s.currentForm(ctx, r.Value)
	if err == nil && r.Value.Digest == "" && r.Value.WorkloadMade == "" {
		_, err = s.pin(ctx, by, id, chart)
	}
	return f, err
}

// currentForm returns the form of the product of a draft as it is now, and its chart.
func (s *Service) currentForm(ctx context.Context, d Draft) (*form.Form, Chart, error) {
	p, err := s.productOf(d)
	if err != nil {
		return nil, Chart{}, err
	}
	chart, err := s.fetch(ctx, p, "")
	if err != nil {
		return nil, Chart{}, err
	}
	f, err := s.forms.compile(p, chart)
	return f, chart, err
}

// pin keeps which chart the draft has been shown.
func (s *Service) pin(ctx context.Context, by identity.Actor, id string, chart Chart) (Draft, error) {
	return s.changeDraft(ctx, by, id, func(d *Draft) error {
		if d.Digest == "" {
			d.Digest = chart.Digest
		}
		return nil
	})
}

// SetInput keeps what was entered, and then returns what is wrong with it as faults by path, with the draft. Secrets that are
// not entered again stay; clear names those that are to be forgotten. A draft whose product has changed goes on with the
// product as it is now.
func (s *Service) SetInput(ctx context.Context, by identity.Actor, id string, in form.Input, clear []string) (Draft, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return Draft{}, err
	}
	f, chart, err := s.currentForm(ctx, r.Value)
	if err != nil {
		return Draft{}, err
	}
	kept, secrets := f.Clean(in)
	if err := checkSize(kept); err != nil {
		return Draft{}, err
	}
	d, err := s.changeDraft(ctx, by, id, func(d *Draft) error {
		p, err := s.productOf(*d)
		if err != nil {
			return err
		}
		d.ProductVersion, d.Digest, d.Input = p.Version, chart.Digest, kept
		return s.setSecrets(d, f, secrets, clear)
	})
	if err != nil {
		return Draft{}, err
	}
	_, err = s.values(ctx, d, f)
	return d, err
}

// ClearSecrets leaves secrets that the workload of an upgrade has to the chart, in place of keeping them. What SetInput enters
// holds all the same, and says whether the product can do without the others.
func (s *Service) ClearSecrets(ctx context.Context, by identity.Actor, id string, paths []string) (Draft, error) {
	return s.changeDraft(ctx, by, id, func(d *Draft) error {
		if d.WorkloadID != "" {
			d.ClearedPaths = slices.Compact(slices.Sorted(slices.Values(paths)))
		}
		return nil
	})
}

func checkSize(in form.Input) error {
	text, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode an input: %w", err)
	}
	if len(text) > maxInputBytes {
		return fault.New(fault.Invalid, "", "the configuration has more than %d bytes", maxInputBytes)
	}
	return nil
}

// setSecrets adds secrets to those of a draft and forgets those in clear, and those that the form does not ask for.
func (s *Service) setSecrets(d *Draft, f *form.Form, entered map[string]secret.Text, clear []string) error {
	c, err := s.open(d.ID, d.Sealed)
	if err != nil {
		return err
	}
	asked := map[string]bool{}
	for _, field := range f.Fields {
		asked[field.Path] = field.Kind == form.Secret
	}
	maps.DeleteFunc(c.Secrets, func(path string, _ secret.Text) bool { return !asked[path] || slices.Contains(clear, path) })
	size := 0
	for path, text := range entered {
		if text.IsSet() {
			c.Secrets[path] = text
		}
	}
	for path, text := range c.Secrets {
		size += len(path) + len(text.Reveal())
	}
	if size > maxSecretBytes {
		return fault.New(fault.Invalid, "", "the configuration has more than %d bytes", maxSecretBytes)
	}
	d.SecretPaths = slices.Sorted(maps.Keys(c.Secrets))
	d.Sealed, err = s.seal(d.ID, c)
	return err
}

// values returns the values that a draft gives, with its secrets, or what is wrong with them as faults by path.
func (s *Service) values(ctx context.Context, d Draft, f *form.Form) (form.Values, error) {
	c, err := s.open(d.ID, d.Sealed)
	if err != nil {
		return form.Values{}, err
	}
	in := maps.Clone(d.Input)
	if in == nil {
		in = form.Input{}
	}
	for path, text := range c.Secrets {
		in[path] = []string{text.Reveal()}
	}
	v, err := f.Check(in, d.WorkloadID != "")
	if err != nil || d.WorkloadID == "" {
		return v, err
	}
	return s.keptOnly(ctx, d, f, v)
}

// keptOnly leaves of the secrets that an upgrade keeps those that the workload has and that are not cleared: a new field has
// none to keep.
func (s *Service) keptOnly(ctx context.Context, d Draft, f *form.Form, v form.Values) (form.Values, error) {
	w, err := s.getWorkload(ctx, d.WorkloadID)
	if err != nil {
		return v, err
	}
	var faults []error
	v.Kept = slices.DeleteFunc(slices.Clone(v.Kept), func(path string) bool {
		if slices.Contains(w.Value.SecretPaths, path) && !slices.Contains(d.ClearedPaths, path) {
			return false
		}
		if slices.ContainsFunc(f.Fields, func(field form.Field) bool { return field.Path == path && field.Required }) {
			faults = append(faults, fault.New(fault.Invalid, path, "must not be empty"))
		}
		return true
	})
	return v, fault.Join(faults...)
}

// YAML returns the values that the draft gives, secrets masked.
func (s *Service) YAML(ctx context.Context, by identity.Actor, id string) (string, error) {
	r, err := s.ownDraft(ctx, by, id)
	if err != nil {
		return "", err
	}
	f, _, err := s.currentForm(ctx, r.Value)
	if err != nil {
		return "", err
	}
	v, err := s.values(ctx, r.Value, f)
	if err != nil {
		return "", err
	}
	return v.YAML(), nil
}

// Missing returns the first step that has to be done before the review, StepReview if none. A draft whose product has changed
// has to be configured again.
func (s *Service) Missing(ctx context.Context, d Draft) (Step, error) {
	p, err := s.productOf(d)
	switch {
	case err != nil:
		return "", err
	case d.Target.ClusterID == "":
		return StepTarget, nil
	case !d.licensed(p.CCE.BYOL):
		return StepLicence, nil
	case d.changed(p):
		return StepConfiguration, nil
	}
	f, _, err := s.currentForm(ctx, d)
	if err != nil {
		return "", err
	}
	var wrong *fault.Error
	_, err = s.values(ctx, d, f)
	if errors.As(err, &wrong) {
		return StepConfiguration, nil
	}
	return StepReview, err
}

// Documents returns what has to be accepted to deploy a product, its titles in a language.
func (s *Service) Documents(productID, lang string) ([]identity.Document, error) {
	p, err := s.product(productID)
	if err != nil {
		return nil, err
	}
	return documentsOf(p, lang), nil
}

func documentsOf(p catalog.Product, lang string) []identity.Document {
	var all []identity.Document
	for _, d := range p.Consents() {
		all = append(all, identity.Document{ID: d.ID, Title: d.Title.In(lang), Version: d.Version, Digest: d.Digest})
	}
	return all
}
