package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// helpColumns is how wide the help is at most.
const helpColumns = 100

// description stands on top of the help.
const description = "Partita is a DynamoDB-compatible database: point any AWS SDK, the AWS CLI or Terraform at it."

// overview is printed if there are no arguments.
const overview = description + `

  partita serve              start the database on localhost:8000, with its data in ./partita-data
  partita health             ask a server whether it is ready
  partita credentials new    make an access key, for access from other machines

"partita --help" lists all commands, "partita serve --help" the flags of serve.
Documentation: https://github.com/partita-db/partita#readme
`

// printHelp prints the help of the selected command. --version is a flag of all commands, and
// listed with the program's only.
func printHelp(o kong.HelpOptions, ctx *kong.Context) error {
	for _, flag := range ctx.Model.Flags {
		flag.Hidden = flag.Name == "version" && ctx.Selected() != nil
	}
	return kong.DefaultHelpPrinter(o, ctx)
}

// withVariable adds its environment variable to the help of a flag.
func withVariable(value *kong.Value) string {
	if value.Flag == nil || !hasVariable(value.Flag) {
		return value.Help
	}
	return value.Help + " ($" + variable(value.Name) + ")"
}

// helpCommand is the word help before a command, for the parser. helpOf has turned it into --help
// before, except where no command follows.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command, such as serve or credentials new."`
}

// Help adds to the command's help.
func (*helpCommand) Help() string {
	return "\"partita help serve\" is the same as \"partita serve --help\"."
}

// Run implements the command, for what helpOf has left.
func (*helpCommand) Run(s *streams) error {
	fmt.Fprint(s.stdout, overview)
	return nil
}

// helpOf makes "help serve" into "serve --help", and leaves all other arguments as they are.
func helpOf(args []string) []string {
	if args[0] != "help" || slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") }) {
		return args
	}
	return append(slices.Clone(args[1:]), "--help")
}

// wordUsage words an error in the command line, on one line, and says where the help is.
func wordUsage(err error, args, env []string) string {
	var n *kong.Node
	if parse := (*kong.ParseError)(nil); errors.As(err, &parse) && parse.Context != nil {
		if n = parse.Context.Selected(); n == nil {
			n = parse.Context.Model.Node
		} else if n.DefaultCmd != nil {
			n = n.DefaultCmd
		}
	}
	problem := oneLine(err)
	if better, at, ok := wordUnknownFlag(problem, args, n); ok {
		problem, n = better, at
	}
	for _, r := range rewordings {
		problem = r.kong.ReplaceAllString(problem, r.ours)
	}
	at, lists := "partita", "commands"
	if n != nil && n.Type != kong.ApplicationNode {
		if at = n.FullPath(); n.Leaf() {
			lists = "flags"
		}
	}
	return fmt.Sprintf("%s%s (\"%s --help\" lists the %s)", fromVariable(problem, args, env), problem, at, lists)
}

// rewordings are plainer words for some of kong's.
var rewordings = []struct {
	kong *regexp.Regexp
	ours string
}{
	{regexp.MustCompile(`^(--\S+): (expected .*) but got "EOL" \(<EOL>\)$`), "$1 requires a value"},
	{
		regexp.MustCompile(`expected duration but got ("(?:[^"\\]|\\.)*").*$`),
		"expected a duration such as 30s or 5m, but got $1",
	},
	{
		regexp.MustCompile(`expected a valid 16 bit uint but got (".*")$`),
		"expected a port number up to 65535, but got $1",
	},
	{regexp.MustCompile(`^expected ("<.*>.*")$`), "missing argument $1"},
	{regexp.MustCompile(`^expected (one of )?("[^<].*)$`), "missing command: ${1}$2"},
}

// fromVariable adds, to a problem with a flag that is not on the command line, the variable that
// its value came from.
func fromVariable(problem string, args, env []string) string {
	end := strings.IndexAny(problem, ": ")
	if end < 0 || !strings.HasPrefix(problem, "--") {
		return ""
	}
	flag := problem[:end]
	for _, arg := range args {
		if arg == flag || strings.HasPrefix(arg, flag+"=") {
			return ""
		}
	}
	name := variable(strings.TrimPrefix(flag, "--"))
	if !slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") }) {
		return ""
	}
	return name + ": "
}
