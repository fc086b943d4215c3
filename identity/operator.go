package identity

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	"llmhub/fault"
	"llmhub/secret"
	"llmhub/store"
)

const (
	kindOperator     = "operator"
	kindOperatorName = "operator_name"
)

// OperatorAccount is an account of the Marketplace's team.
type OperatorAccount struct {
	ID string `json:"id"`
	// Name is unique, in lower case, and stays taken when the account is disabled.
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
	// PasswordHash is a PHC text, PasswordAt when the password was set: sessions begun before do not hold.
	PasswordHash string    `json:"password_hash,omitempty"`
	PasswordAt   time.Time `json:"password_at"`
}

// Actor returns who acts when the account's operator does.
func (a OperatorAccount) Actor() Actor { return Actor{Kind: Operator, ID: a.ID, Name: a.Name} }

// Holds says whether a session of the account is still good: it is not once the account is disabled or has another password.
func (a OperatorAccount) Holds(s Session) bool {
	return s.Kind == Operator && s.UserID == a.ID && a.DisabledAt == nil && !s.CreatedAt.Before(a.PasswordAt)
}

// operatorName makes sure that a name is one account's; its ID is the name.
type operatorName struct {
	AccountID string `json:"account_id"`
}

// Operators keeps the accounts of operators. It may be used concurrently; passwords are hashed two at a time.
type Operators struct {
	changer
	accounts store.Collection[OperatorAccount]
	names    store.Collection[operatorName]
	hashing  hashing
	// dummy returns the hash that passwords of unknown accounts are compared with, so that they take the same time.
	dummy func() (string, error)
}

// NewOperators returns the accounts kept in d.
func NewOperators(d store.Documents, a *Audit, now func() time.Time) *Operators {
	o := &Operators{
		changer:  changer{d, a, now},
		accounts: store.NewCollection[OperatorAccount](d, kindOperator, nil),
		names:    store.NewCollection[operatorName](d, kindOperatorName, nil),
		hashing:  make(hashing, maxHashing),
	}
	o.dummy = sync.OnceValues(func() (string, error) {
		return o.hashing.hash(context.Background(), secret.New(NewID("")))
	})
	return o
}

var operatorNameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@+-]{0,63}$`)

func foldOperatorName(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// Create makes an account; only operators may, and the administrator. What is wrong with name and password comes at once.
func (o *Operators) Create(ctx context.Context, by Actor, name string, password secret.Text) (OperatorAccount, error) {
	if err := by.RequireOperator(); err != nil {
		return OperatorAccount{}, err
	}
	name = foldOperatorName(name)
	var bad error
	if !operatorNameForm.MatchString(name) {
		bad = fault.New(fault.Invalid, "name", "must have 1 to 64 letters, digits and . _ @ + - and start with a letter or digit")
	}
	if err := fault.Join(bad, checkPassword(password)); err != nil {
		return OperatorAccount{}, err
	}
	hash, err := o.hashing.hash(ctx, password)
	if err != nil {
		return OperatorAccount{}, err
	}
	at := o.stamp()
	account := OperatorAccount{ID: NewID("opr_"), Name: name, CreatedAt: at, PasswordHash: hash, PasswordAt: at}
	return account, o.change(ctx, func() ([]store.Write, error) {
		switch _, err := o.names.Get(ctx, name); {
		case err == nil:
			return nil, fault.New(fault.Conflict, "name", "there is an operator of this name already")
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		guard, err := o.names.Write(name, 0, operatorName{account.ID})
		if err != nil {
			return nil, err
		}
		w, err := o.write(by, "operator.create", nil, store.Record[OperatorAccount]{Value: account})
		return append(w, guard), err
	})
}

// write returns the writes of an account and of the audit entry, which has no hashes.
func (o *Operators) write(by Actor, action string, before *OperatorAccount, r store.Record[OperatorAccount]) ([]store.Write, error) {
	v := r.Value
	var w writes
	w.add(o.accounts.Write(v.ID, r.Version, v))
	var from any
	if before != nil {
		b := *before
		b.PasswordHash = ""
		from = b
	}
	v.PasswordHash = ""
	w.add(o.entry(by, Change{Action: action, ObjectID: v.ID, ObjectName: v.Name}, from, v))
	return w.all()
}

// Verify returns the account of a name and its password, or an error that wraps ErrCredentials. It takes the same time
// whether there is such an account or not.
func (o *Operators) Verify(ctx context.Context, name string, password secret.Text) (OperatorAccount, error) {
	name = foldOperatorName(name)
	if !operatorNameForm.MatchString(name) || len(password.Reveal()) > maxPasswordBytes {
		return OperatorAccount{}, ErrCredentials
	}
	hash, err := o.dummy()
	if err != nil {
		return OperatorAccount{}, err
	}
	account, err := o.named(ctx, name)
	known := err == nil
	switch {
	case known:
		hash = account.PasswordHash
	case !errors.Is(err, store.ErrNotFound):
		return OperatorAccount{}, err
	}
	same, err := o.hashing.matches(ctx, password, hash)
	switch {
	case err != nil:
		return OperatorAccount{}, err
	case !same || !known || account.DisabledAt != nil:
		return OperatorAccount{}, ErrCredentials
	}
	return account, nil
}

// named returns the account of a name, or an error that wraps store.ErrNotFound.
func (o *Operators) named(ctx context.Context, name string) (OperatorAccount, error) {
	n, err := o.names.Get(ctx, name)
	if err != nil {
		return OperatorAccount{}, err
	}
	r, err := o.accounts.Get(ctx, n.Value.AccountID)
	return r.Value, err
}

// Get returns an account, or a fault of kind NotFound.
func (o *Operators) Get(ctx context.Context, id string) (OperatorAccount, error) {
	r, err := o.get(ctx, id)
	return r.Value, err
}

func (o *Operators) get(ctx context.Context, id string) (store.Record[OperatorAccount], error) {
	r, err := o.accounts.Get(ctx, id)
	if missing(err) {
		err = fault.New(fault.NotFound, "", "there is no such operator")
	}
	return r, err
}

// List returns a page of the accounts in order of ID, and the cursor of the next, empty behind the last. Only operators
// may.
func (o *Operators) List(ctx context.Context, by Actor, after string, limit int) ([]OperatorAccount, string, error) {
	if err := by.RequireOperator(); err != nil {
		return nil, "", err
	}
	page, next, err := o.accounts.List(ctx, "", "", after, limit)
	return values(page), next, err
}

// SetPassword sets the password of an account, whose sessions do not hold any more. Only operators may.
func (o *Operators) SetPassword(ctx context.Context, by Actor, id string, password secret.Text) (OperatorAccount, error) {
	if err := by.RequireOperator(); err != nil {
		return OperatorAccount{}, err
	}
	if err := checkPassword(password); err != nil {
		return OperatorAccount{}, err
	}
	hash, err := o.hashing.hash(ctx, password)
	if err != nil {
		return OperatorAccount{}, err
	}
	return o.update(ctx, by, "operator.password", id, func(a *OperatorAccount) error {
		a.PasswordHash, a.PasswordAt = hash, o.stamp()
		return nil
	})
}

// Disable ends an account for ever: nobody can sign in with it, and its sessions do not hold any more. Only operators may.
func (o *Operators) Disable(ctx context.Context, by Actor, id string) (OperatorAccount, error) {
	if err := by.RequireOperator(); err != nil {
		return OperatorAccount{}, err
	}
	return o.update(ctx, by, "operator.disable", id, func(a *OperatorAccount) error {
		if a.DisabledAt != nil {
			return fault.New(fault.State, "", "the account is disabled already")
		}
		at := o.stamp()
		a.DisabledAt = &at
		return nil
	})
}

func (o *Operators) update(ctx context.Context, by Actor, action, id string, set func(*OperatorAccount) error) (OperatorAccount, error) {
	var account OperatorAccount
	err := o.change(ctx, func() ([]store.Write, error) {
		r, err := o.get(ctx, id)
		if err != nil {
			return nil, err
		}
		before := r.Value
		if err := set(&r.Value); err != nil {
			return nil, err
		}
		account = r.Value
		return o.write(by, action, &before, r)
	})
	return account, err
}
