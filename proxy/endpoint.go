package proxy

// endpoint is one path that is forwarded: what is the same for all requests to it.
type endpoint struct {
	// path is relative to the version prefix, here and at the model server.
	path string
	// name is its label in metrics.
	name string
	// streams says whether an answer can be streamed.
	streams bool
	// generates says whether answers have output tokens.
	generates bool
}

var endpoints = []endpoint{
	{path: "/chat/completions", name: "chat_completions", streams: true, generates: true},
	{path: "/completions", name: "completions", streams: true, generates: true},
	{path: "/embeddings", name: "embeddings"},
}
