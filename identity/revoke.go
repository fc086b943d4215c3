package identity

import (
	"context"
	"log/slog"

	"llmhub/secret"
)

// revokeAll revokes the tokens of sessions that have ended, as many as can be within the time for one.
func (s *SignIn) revokeAll(ctx context.Context, ended []Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	for _, v := range ended {
		token, err := s.Sessions.Token(v)
		if err != nil {
			s.Logger.Warn("the token of a session cannot be read to revoke it", slog.String("session", v.ID), slog.Any("error", err))
			continue
		}
		s.revokeToken(ctx, token)
	}
}

// revoke revokes a token that no session has. The end of the caller's patience does not end it.
func (s *SignIn) revoke(ctx context.Context, token secret.Text) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	s.revokeToken(ctx, token)
}

func (s *SignIn) revokeToken(ctx context.Context, token secret.Text) {
	if !token.IsSet() || s.Directory == nil {
		return
	}
	if err := s.Directory.Revoke(ctx, token); err != nil {
		s.Logger.Warn("a token could not be revoked; it ends by itself", slog.Any("error", err))
	}
}
