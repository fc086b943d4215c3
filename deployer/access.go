package deployer

import (
	"time"

	"llmhub/secret"
)

// Access is what a cluster is reached with. It is kept in memory only.
type Access struct {
	// Server is such as https://10.0.0.5:5443, with a path perhaps.
	Server string
	// ServerName is what the certificate is checked for where it is not Server's host.
	ServerName string
	// CA is what the certificate is checked against, in PEM; empty means the system's.
	CA []byte
	// Insecure does not check the certificate at all: CCE asks for it in the kubeconfigs of public addresses.
	Insecure bool
	// Either Token or both of ClientCert and ClientKey, in PEM, say who comes.
	Token      secret.Text
	ClientCert []byte
	ClientKey  secret.Text
	// ExpiresAt is when it ends; zero if that is not known.
	ExpiresAt time.Time
}

// Credential is what somebody has shown to be a user of the directory: its token. Without one, only the clusters that the
// operator has configured can be used.
type Credential struct {
	Token secret.Text
}
