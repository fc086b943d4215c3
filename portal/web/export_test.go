package web

// RouteInfo is a route as tests see it.
type RouteInfo struct {
	Method, Path string
	// For is anyone, signed-in, customers or operators.
	For string
}

// RouteInfos returns all routes, so that tests can go through every one.
func (w *Web) RouteInfos() []RouteInfo {
	var all []RouteInfo
	for _, r := range w.routes() {
		all = append(all, RouteInfo{r.method, r.path, [...]string{"anyone", "signed-in", "customers", "operators"}[r.audience]})
	}
	return all
}
