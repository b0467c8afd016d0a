package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita/internal/word"
)

// prefix is what all variables of this program begin with.
const prefix = "PARTITA_"

// variable is the environment variable of a flag: PARTITA_TABLE_DELAY for --table-delay.
func variable(flag string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// hasVariable tells whether a flag can be given by its variable.
func hasVariable(flag *kong.Flag) bool { return flag.Name != "help" && flag.Name != "version" }

// environment resolves flags that are not on the command line from env. Kong's own support reads
// the process's environment, which parallel tests share.
func environment(env []string) kong.Resolver {
	set := make(map[string]string, len(env))
	for _, e := range env {
		if name, value, ok := strings.Cut(e, "="); ok && !ofKubernetes(name, value) {
			set[name] = value
		}
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := set[variable(flag.Name)]; value != "" && hasVariable(flag) {
			return value, nil
		}
		return nil, nil
	})
}

// kubernetes are the variables that Kubernetes, and Docker for links, set in each container for a
// service whose name begins with partita; link is the form of the addresses among their values.
var (
	kubernetes = regexp.MustCompile(`^PARTITA_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	link       = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// ofKubernetes tells whether a variable is one of those. PARTITA_PORT, as tcp://10.0.0.1:8000, is
// not a port to listen on.
func ofKubernetes(name, value string) bool {
	return kubernetes.MatchString(name) ||
		strings.HasPrefix(name, prefix) && strings.HasSuffix(name, "PORT") && link.MatchString(value)
}

// warn warns of misspelt variables: serve in its log, and other commands on standard error, if they
// have flags with variables.
func (s *streams) warn(root *kong.Node, command *kong.Context) {
	selected := command.Selected()
	if selected == nil || !slices.ContainsFunc(selected.Flags, hasVariable) {
		return
	}
	s.misspelt = misspelt(s.env, variables(root))
	if selected.Name == "serve" {
		return // it has a log
	}
	for _, warning := range s.misspelt {
		fmt.Fprintf(s.stderr, "partita: warning: %s\n", warning)
	}
}

// variables are those of all flags of all commands, in order.
func variables(n *kong.Node) (names []string) {
	for _, flag := range n.Flags {
		if hasVariable(flag) {
			names = append(names, variable(flag.Name))
		}
	}
	for _, child := range n.Children {
		names = append(names, variables(child)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// misspelt returns a warning for each variable that begins with the prefix and is not one of known,
// except those that tests, builds and Kubernetes set.
func misspelt(env, known []string) (warnings []string) {
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		_, found := slices.BinarySearch(known, name)
		switch {
		case found || !strings.HasPrefix(name, prefix) || name == prefix:
		case name == variable("version") || strings.HasPrefix(name, variable("test-")) || ofKubernetes(name, value):
		default:
			warnings = append(warnings, name+" is not a variable of partita"+didYouMean(name, known))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// didYouMean asks whether the known variable that is most like a name is meant, if any is like it.
func didYouMean(name string, known []string) string {
	most := 2
	if len(name) > len(prefix)+10 {
		most = 3
	}
	distance := func(k string) int { return word.Distance(name, k, most) }
	likely := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(likely) > most {
		likely = ""
		for _, k := range known { // PARTITA_DATA_DIR for PARTITA_DATA, PARTITA_MEMORY for PARTITA_MEMORY_LIMIT
			if (strings.HasPrefix(name, k+"_") || strings.HasPrefix(k, name+"_")) && len(k) > len(likely) {
				likely = k
			}
		}
	}
	if likely == "" {
		return ""
	}
	return "; did you mean " + likely + "?"
}
