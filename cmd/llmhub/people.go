package main

import (
	"context"
	"errors"
	"time"

	"llmhub/identity"
	"llmhub/identity/iam"
	"llmhub/metering"
	"llmhub/portal/access"
	"llmhub/secret"
	"llmhub/store"
)

// sweepEvery is how often sessions that are over are removed.
const sweepEvery = 10 * time.Minute

// people is what the server knows of those who sign in.
type people struct {
	audit     *identity.Audit
	tenants   *identity.Tenants
	users     *identity.Users
	profiles  *identity.Profiles
	sessions  *identity.Sessions
	operators *identity.Operators
	tokens    *identity.PersonalTokens
	signIn    *identity.SignIn
	guard     *access.Guard
	// directory is nil if there is none.
	directory identity.Directory
	// customersSignIn says that there is a directory that customers can sign in with.
	customersSignIn bool
}

// peopleOn makes the services of package identity on documents, with a clock.
func (s *server) peopleOn(d store.Documents, now func() time.Time) (p people, err error) {
	key, err := s.key(sealKey)
	if err != nil {
		return p, err
	}
	sealer, err := secret.NewSealer(key, "session")
	if err != nil {
		return p, err
	}
	p.audit = identity.NewAudit(d)
	p.tenants = identity.NewTenants(d, p.audit, now)
	p.users = identity.NewUsers(d, p.audit, p.tenants, now)
	p.profiles = identity.NewProfiles(d, p.audit, p.tenants, now)
	p.operators = identity.NewOperators(d, p.audit, now)
	p.tokens = identity.NewPersonalTokens(d, p.audit, p.users, p.tenants, now)
	p.sessions = identity.NewSessions(d, sealer, identity.SessionOptions{
		Idle: s.cfg.Portal.Session.Idle, Absolute: s.cfg.Portal.Session.Absolute,
	}, now)
	if s.cfg.IAM.URL != nil {
		if p.directory, err = iam.New(iam.Config{URL: s.cfg.IAM.URL, Timeout: s.cfg.IAM.Timeout, RootCAs: s.cfg.IAM.RootCAs}); err != nil {
			return p, err
		}
		p.customersSignIn = true
	}
	p.signIn = identity.NewSignIn(identity.SignInOptions{
		Directory: p.directory, Tenants: p.tenants, Users: p.users, Sessions: p.sessions, Operators: p.operators,
		Throttle: identity.NewThrottle(now), Audit: p.audit, CustomerRole: s.cfg.IAM.CustomerRole, Now: now, Logger: s.log,
	})
	p.guard = access.New(access.Options{
		Sessions: p.sessions, SignIn: p.signIn,
		PublicURL: s.publicURL(), TrustedProxies: s.cfg.Portal.TrustedProxies, Key: key,
	})
	return p, nil
}

// startBackground starts what goes on by itself until close.
func (s *server) startBackground(ctx context.Context) {
	ctx, s.stopBackground = context.WithCancel(context.WithoutCancel(ctx))
	s.background.Go(func() { s.sweepSessions(ctx) })
	s.background.Go(func() { s.deploy(ctx) })
	s.background.Go(func() { s.raiseAlerts(ctx) })
	s.background.Go(func() { s.readBudgets(ctx) })
	s.background.Go(func() { s.renewShares(ctx) })
	s.background.Go(func() { s.alerts.Run(ctx) })
	s.background.Go(func() {
		today := func() store.Day { return store.DayOf(time.Now(), s.cfg.Billing.TimeZone) }
		s.tenantUsage.KeepRecent(ctx, today, func() metering.PriceList { return *s.prices.Load() })
	})
}

// sweepSessions removes sessions that are over from time to time, until ctx ends.
func (s *server) sweepSessions(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.people.signIn.Sweep(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.log.Warn("removing sessions that are over", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
