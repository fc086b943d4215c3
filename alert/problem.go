package alert

import "llmhub/fault"

// Problem is why a call of a webhook failed. It tells nothing of what is behind the address but the status. The zero value is
// none.
type Problem struct {
	Code problemCode `json:"code"`
	// Status is what the receiver answered with, where that is the problem.
	Status int `json:"status,omitempty"`
}

type problemCode string

const (
	badAddress  problemCode = "address"
	private     problemCode = "private"
	timeout     problemCode = "timeout"
	unreachable problemCode = "unreachable"
	badStatus   problemCode = "status"
	noSecret    problemCode = "secret"
	badMessage  problemCode = "message"
)

// Fault returns the problem in words; nil where there is none.
func (p Problem) Fault() *fault.Error {
	switch p.Code {
	case "":
		return nil
	case badAddress:
		return fault.New(fault.State, "", "the address cannot be used")
	case private:
		return fault.New(fault.State, "", "the address is not on the public internet")
	case timeout:
		return fault.New(fault.State, "", "the receiver did not answer in time")
	case badStatus:
		return fault.New(fault.State, "", "the receiver answered with status %d", p.Status)
	case badMessage:
		return fault.New(fault.State, "", "the message cannot be written")
	case noSecret:
		return fault.New(fault.State, "", "the webhook's secret cannot be opened any more: set the webhook again")
	}
	return fault.New(fault.State, "", "the receiver cannot be reached")
}

// String returns the problem in English, empty where there is none.
func (p Problem) String() string {
	if f := p.Fault(); f != nil {
		return f.Message
	}
	return ""
}
