package identity

import (
	"net/mail"
	"net/url"
	"regexp"
	"strings"

	"llmhub/fault"
)

// Limits of a profile's fields, in characters.
const (
	maxWebsite = 200
	maxEmail   = 254 // the longest that can be delivered to
	maxPhone   = 40
)

// checked returns the data without space around it, or fault.Faults.
func (d ProfileData) checked() (ProfileData, error) {
	var out ProfileData
	var errs [5]error
	out.Company, errs[0] = fault.Name("company", d.Company)
	out.Website, errs[1] = website("website", d.Website)
	out.SellerEmail, errs[2] = email("seller_email", d.SellerEmail)
	out.MarketplaceEmail, errs[3] = email("marketplace_email", d.MarketplaceEmail)
	out.Phone, errs[4] = phone("phone", d.Phone)
	if err := fault.Join(errs[:]...); err != nil {
		return ProfileData{}, err
	}
	return out, nil
}

// line checks what has to be one line of limited length.
func line(field, s string, maxRunes int) (string, error) {
	s, err := fault.Text(field, s, maxRunes)
	if err == nil && strings.Contains(s, "\n") {
		return "", fault.New(fault.Invalid, field, "must be one line")
	}
	return s, err
}

func website(field, s string) (string, error) {
	s, err := line(field, s, maxWebsite)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, " \"<>") {
		return "", fault.New(fault.Invalid, field, "must be an address such as https://www.example.com")
	}
	return s, nil
}

func email(field, s string) (string, error) {
	s, err := line(field, s, maxEmail)
	if err != nil {
		return "", err
	}
	// Bare: without a name or comments, which would be shown as if they were the address.
	if a, err := mail.ParseAddress(s); err != nil || a.Address != s {
		return "", fault.New(fault.Invalid, field, "must be an e-mail address such as team@example.com")
	}
	return s, nil
}

var phoneForm = regexp.MustCompile(`^[+(]?[0-9][0-9 ()/.-]{2,}$`)

// phone may be empty.
func phone(field, s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", nil
	}
	s, err := line(field, s, maxPhone)
	if err != nil {
		return "", err
	}
	if !phoneForm.MatchString(s) {
		return "", fault.New(fault.Invalid, field, "must be a telephone number such as +49 30 123456")
	}
	return s, nil
}
