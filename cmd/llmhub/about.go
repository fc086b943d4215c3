package main

import (
	"cmp"

	"llmhub/config"
	"llmhub/proxy"
)

// aboutModel returns what applications are told of a model, nil if the configuration says nothing.
func aboutModel(a *config.About) *proxy.About {
	if a == nil {
		return nil
	}
	about := &proxy.About{
		DisplayName: a.DisplayName, Kind: proxy.Kind(a.Kind), ContextTokens: a.ContextTokens, MaxOutputTokens: a.MaxOutputTokens,
		Location: a.Location, Country: a.Country, Licence: cmp.Or(a.LicenceURL, a.Licence), External: a.HostedBy == config.ThirdParty,
	}
	if a.EndOfLife != nil {
		about.EndOfLife = a.EndOfLife.Date()
	}
	return about
}
