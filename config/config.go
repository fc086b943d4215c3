// Package config reads llmhub's configuration file.
//
// The file is YAML. Everything wrong with it is reported at once, each fault with its line: unknown and repeated keys,
// wrong types, missing settings, dangling references, secrets that cannot be had. Secrets are only taken by reference,
// {env: NAME} or {file: PATH}; a secret written into the file is refused. So are anchors, aliases, several documents
// and files above 1 MiB. Relative paths in the file start from the folder the file is in.
package config

import (
	"crypto/x509"
	"log/slog"
	"net/url"
	"reflect"
	"time"

	"llmhub/metering"
	"llmhub/secret"
)

// Config is a valid configuration. It is not changed once loaded.
type Config struct {
	// Listen is the address of the one port, host:port.
	Listen string
	// Data is the data folder, as an absolute path when read from a file. It is not used where Store names a database.
	Data  string
	Store Store
	// FreeSpaceFloorBytes is the free space on the data disk below which no new work is taken; 0 means no floor.
	FreeSpaceFloorBytes int64
	Billing             Billing
	Admin               Admin
	Keys                Keys
	Limits              Limits
	Stream              Stream
	Shutdown            Shutdown
	Log                 Log
	// Catalog is the folder of the products' files, as an absolute path; empty means the products that are built in.
	Catalog  string
	Portal   Portal
	IAM      IAM
	CCE      CCE
	Webhooks Webhooks
	// Clusters are what tenants can deploy to beside those of CCE.
	Clusters  []Cluster
	Upstreams []Upstream
	Models    []Model
}

// Webhooks says where customers' webhooks may lead.
type Webhooks struct {
	// AllowPrivate lets them lead to addresses that are not public, and without TLS.
	AllowPrivate bool
}

// Billing says where a day begins and what prices are in.
type Billing struct {
	TimeZone *time.Location
	// Currency is a code of three capital letters, such as EUR.
	Currency string
	// RequestRetentionDays is for how many days single requests are kept; 0 means for ever. Sums always are.
	RequestRetentionDays int
}

// Admin guards the management API.
type Admin struct {
	Token secret.Text
}

// Keys says how API keys are hashed.
type Keys struct {
	// Pepper asks for HMAC-SHA-256 with a pepper kept in the data folder instead of a bare SHA-256.
	Pepper bool
}

// Limits bound what one request may take.
type Limits struct {
	// BodyBytes is the largest request body, HeaderBytes the largest request header.
	BodyBytes   int64
	HeaderBytes int64
	// EventBytes is the largest single event of a stream, AnswerBytes the largest answer that is not a stream.
	EventBytes  int64
	AnswerBytes int64
	// Requests is how many may be in flight at once; 0 means no limit.
	Requests int
	// IdempotencyBytes is the memory for answers that are remembered by their Idempotency-Key, for a day at most. One may
	// take a quarter of it.
	IdempotencyBytes int64
}

// Stream bounds streams in time.
type Stream struct {
	// Heartbeat is the silence after which a comment is sent to the client.
	Heartbeat time.Duration
	// IdleTimeout is the silence after which a model server is given up. Upstreams may set their own.
	IdleTimeout time.Duration
	// WriteTimeout is how long a client may take to accept one chunk.
	WriteTimeout time.Duration
	// DrainTimeout and DrainTokens bound how far an answer is read on after its client has left. An event is taken for a
	// token, which is what most model servers send in each.
	DrainTimeout time.Duration
	DrainTokens  int64
}

// Shutdown says how llmhub ends.
type Shutdown struct {
	// Grace is how long running answers may go on after the signal to end.
	Grace time.Duration
}

// Log says what is logged.
type Log struct {
	Level slog.Level
}

// OnDisconnect says what becomes of an answer whose client has left.
type OnDisconnect string

// The choices of OnDisconnect.
const (
	// Cancel breaks the answer off at the model server and counts what was delivered.
	Cancel OnDisconnect = "cancel"
	// Drain reads on, within the bounds of Stream, to the usage the model server reports.
	Drain OnDisconnect = "drain"
)

// The kinds of model server.
const (
	// KindOpenAI speaks the OpenAI API.
	KindOpenAI = "openai"
	// KindAzure is a resource of Azure OpenAI.
	KindAzure = "azure"
	// KindAnthropic speaks Anthropic's Messages API.
	KindAnthropic = "anthropic"
)

// Auth says how an API key is sent.
type Auth string

// The choices of Auth.
const (
	// AuthKey is the kind's own header: api-key for azure, x-api-key for anthropic.
	AuthKey Auth = "key"
	// AuthBearer is Authorization: Bearer, which is that of openai.
	AuthBearer Auth = "bearer"
)

// Thinking says how a model of Anthropic's is asked to reason.
type Thinking string

// The choices of Thinking.
const (
	// ThinkingBudget gives it tokens to think with: models up to Claude 4.5.
	ThinkingBudget Thinking = "budget"
	// ThinkingAdaptive tells it how much effort to make: later models.
	ThinkingAdaptive Thinking = "adaptive"
)

// Header is one line that is sent along with requests to a model server.
type Header struct {
	Name  string
	Value secret.Text
}

// Upstream is a model server.
type Upstream struct {
	// Name is unique, of lower-case letters, digits, dots, hyphens and underscores.
	Name string
	Kind string
	// BaseURL is http or https, without user, query and fragment, and without a slash at the end. For azure it is the
	// resource, without the path of an API.
	BaseURL *url.URL
	// APIKey is sent to the model server; not set means that none is sent.
	APIKey secret.Text
	// Auth says how APIKey is sent.
	Auth Auth
	// APIVersion is for azure that of the classic API, empty for the v1 API; for anthropic what callers get who name none.
	APIVersion string
	// Headers are sent along with each request, in the order of their names.
	Headers      []Header
	OnDisconnect OnDisconnect
	// StreamUsage asks the model server for usage at the end of streams whose client did not ask.
	StreamUsage      bool
	ConnectTimeout   time.Duration
	FirstByteTimeout time.Duration
	IdleTimeout      time.Duration
	// MaxConnections bounds connections to the model server; 0 means no limit.
	MaxConnections int
	// RootCAs is what the model server's certificate is checked against; nil means the system's.
	RootCAs *x509.CertPool
}

// Equal says whether u and o are the same in every setting and secret. reflect.DeepEqual does not: two pools of the
// same certificates differ for it.
func (u Upstream) Equal(o Upstream) bool {
	roots := u.RootCAs.Equal(o.RootCAs)
	u.RootCAs, o.RootCAs = nil, nil
	return roots && reflect.DeepEqual(u, o)
}

// Model is a model as clients name it.
type Model struct {
	Name string
	// OwnedBy is shown in the list of models.
	OwnedBy string
	// Created is shown in the list of models; zero when the file does not say.
	Created time.Time
	// Deployments are where it is served: the order is that of lists, weights and tiers say which are tried first.
	Deployments []Deployment
	// Balance says how the deployments of a tier share the requests.
	Balance Balance
	Retries Retries
	// Fallbacks are the Names of the models whose deployments are tried when none of these could serve a request.
	Fallbacks []string
	// Idempotent has answers remembered, so that a request which is sent again under its Idempotency-Key is charged once.
	Idempotent bool
	// Prices are in ascending order of From.
	Prices []metering.Price
	// About describes the model to those who choose one; nil when the file says nothing.
	About *About
}

// Deployment is a place a model is served at.
type Deployment struct {
	// Upstream is the Name of one of the Upstreams.
	Upstream string
	// Model is the name the model server knows the model by; for azure that of the deployment there.
	Model string
	// Thinking is for upstreams of kind anthropic.
	Thinking Thinking
	// Weight is its share of the requests of its tier; 0 means only those that the others of the tier cannot take.
	Weight int
	// Priority is its tier; the lowest is tried first.
	Priority int
	Bounds
}

// Bounds are what holds for a deployment whatever models it serves.
type Bounds struct {
	// MaxConcurrency bounds the requests in flight; 0 means no limit.
	MaxConcurrency int
	// Queue is how many requests may wait for others to end, each for QueueTimeout at most.
	Queue        int
	QueueTimeout time.Duration
	// Drain has it take no new requests.
	Drain   bool
	Breaker Breaker
}

// Breaker says when a deployment that fails is left alone.
type Breaker struct {
	// Failures in a row, none longer than Window after the one before, are enough; 0 means never.
	Failures int
	// Window is also the time in which half of at least 20 requests must fail.
	Window time.Duration
	// Open is how long it is left alone, until one request is let through that decides.
	Open time.Duration
}

// Retries say how often a request is tried while nothing of an answer has been sent on.
type Retries struct {
	// Attempts bounds them; each deployment is tried once in any case.
	Attempts int
	// Backoff is the first wait before a deployment is asked again; later ones are longer, up to 5 s.
	Backoff time.Duration
	// MaxElapsed is how long after the first attempt a wait may end.
	MaxElapsed time.Duration
	// Timeouts has requests tried again whose model server did not begin to answer in time.
	Timeouts bool
}

// Balance says how deployments share requests.
type Balance string

// The balances.
const (
	LeastBusy Balance = "least_busy"
	Weighted  Balance = "weighted"
)

const defaultIdleTimeout = 5 * time.Minute

// Default returns the settings that hold where the file says nothing. It is not valid by itself: data, an admin token,
// an upstream and a model have no default.
func Default() Config {
	return Config{
		Listen:              "127.0.0.1:8080",
		FreeSpaceFloorBytes: 512 << 20,
		Billing:             Billing{TimeZone: defaultZone(), Currency: "EUR"},
		Keys:                Keys{Pepper: true},
		Limits:              Limits{BodyBytes: 32 << 20, HeaderBytes: 16 << 10, EventBytes: 32 << 20, AnswerBytes: 64 << 20, IdempotencyBytes: 64 << 20},
		Stream: Stream{
			Heartbeat:    15 * time.Second,
			IdleTimeout:  defaultIdleTimeout,
			WriteTimeout: time.Minute,
			DrainTimeout: 2 * time.Minute,
			DrainTokens:  32768,
		},
		Shutdown: Shutdown{Grace: 30 * time.Second},
		Log:      Log{Level: slog.LevelInfo},
		Portal: Portal{
			Name:    "Cloud Marketplace",
			Session: Session{Idle: time.Hour, Absolute: 12 * time.Hour},
		},
		IAM: IAM{CustomerRole: "te_admin", Timeout: 10 * time.Second},
	}
}

// DefaultUpstream returns the settings of an upstream that hold where the file says nothing.
func DefaultUpstream() Upstream {
	return Upstream{
		Kind:             KindOpenAI,
		Auth:             AuthBearer,
		OnDisconnect:     Cancel,
		StreamUsage:      true,
		ConnectTimeout:   10 * time.Second,
		FirstByteTimeout: 5 * time.Minute,
		IdleTimeout:      defaultIdleTimeout,
	}
}

// DefaultModel returns the settings of a model that hold where the file says nothing.
func DefaultModel() Model {
	return Model{
		OwnedBy: "llmhub", Balance: LeastBusy,
		Retries: Retries{Attempts: 3, Backoff: 250 * time.Millisecond, MaxElapsed: 30 * time.Second},
	}
}

// DefaultDeployment returns the settings of a deployment that hold where the file says nothing.
func DefaultDeployment() Deployment {
	return Deployment{Weight: 1, Thinking: ThinkingBudget, Bounds: Bounds{
		QueueTimeout: 10 * time.Second,
		Breaker:      Breaker{Failures: 5, Window: 30 * time.Second, Open: 10 * time.Second},
	}}
}

// defaultZone is Europe/Berlin, or UTC in a program that carries no time zones on a system without them.
func defaultZone() *time.Location {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return time.UTC
	}
	return loc
}

// PriceList returns the prices of all models that have some.
func (c *Config) PriceList() metering.PriceList {
	list := metering.PriceList{}
	for _, m := range c.Models {
		if len(m.Prices) > 0 {
			list[m.Name] = m.Prices
		}
	}
	return list
}
