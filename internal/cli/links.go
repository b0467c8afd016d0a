package cli

import "strings"

// serviceLink tells whether a variable of the environment is none of ours. Beside a service that is
// named partita, Kubernetes (and Docker, with links) sets PARTITA_PORT to an address in every
// container, as tcp://10.0.0.1:8000; that is not meant for --port.
func serviceLink(name, value string) bool {
	return name == variable("port") && strings.HasPrefix(value, "tcp://")
}
