// Package cli is the program partita: its commands, flags and environment variables, what it
// prints, and how it ends.
//
// Main is the whole program as a function. A main package can pass it further engines, which add
// their flags to serve: a module with another engine needs a program of three lines, and this
// module does not import it.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita/internal/kv"
)

// Engine is a storage engine beside the embedded one. Its type is a pointer to a struct whose
// fields are kong flags of serve.
type Engine interface {
	// Chosen tells whether the flags ask for this engine.
	Chosen() bool
	// Open opens it. where describes where the data is, for banner and log.
	Open(ctx context.Context, o EngineOptions) (engine kv.Engine, where string, err error)
}

// commands is the command line.
type commands struct {
	Serve  serve       `cmd:"" help:"Start the database."`
	Health healthCheck `cmd:"" help:"Ask a server whether it is ready."`

	Credentials credentialsCommand `cmd:"" help:"Make and list access keys."`

	Backup  backup         `cmd:"" help:"Write a copy of all data, of a running server or of a stopped one."`
	Restore restore        `cmd:"" help:"Make a data directory from a backup."`
	Check   checkCommand   `cmd:"" help:"Verify everything in a data directory or a backup."`
	Inspect inspectCommand `cmd:"" help:"Show what is in a data directory or a backup."`

	Bench benchCommand `cmd:"" help:"Measure a server."`

	Completion completion  `cmd:"" help:"Print a script with which a shell completes commands and flags."`
	Help       helpCommand `cmd:"" help:"Show the help of a command."`
	Version    version     `cmd:"" help:"Print the version."`

	ShowVersion versionFlag `name:"version" help:"Print the version."`
}

// streams are what a command reads its surroundings from and writes to.
type streams struct {
	ctx            context.Context // ends at SIGINT and SIGTERM
	args           []string        // without the program's name
	env            []string        // as os.Environ has it
	stdout, stderr io.Writer
	// misspelt are warnings about variables of the environment, which serve logs.
	misspelt []string
	// systemData is the constant of that name, except in tests.
	systemData string
}

// variable returns a variable of the environment, empty if it is not set.
func (s *streams) variable(name string) string {
	for _, e := range s.env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// Main runs the program with the arguments (without the program's name) and the environment (as
// os.Environ has it), and returns its exit status: 0, 1 for a failure, 2 for a command line that
// cannot be read. SIGINT and SIGTERM end it. The files that the process makes from then on are for
// its user only.
func Main(args, env []string, stdout, stderr io.Writer, engines ...Engine) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hideFiles()
	return run(&streams{ctx: ctx, args: args, env: env, stdout: stdout, stderr: stderr}, engines...)
}

// exited is the panic, with the status, in which kong's call of os.Exit for --help and --version
// ends, so that run can be called by tests.
type exited int

// run is Main without the process: signals, arguments and output are those of s. It sets what s has
// beside these.
func run(s *streams, engines ...Engine) (status int) {
	defer func() {
		if p := recover(); p != nil {
			code, ok := p.(exited)
			if !ok {
				panic(p)
			}
			status = int(code)
		}
	}()
	if len(s.args) == 0 {
		fmt.Fprint(s.stdout, overview)
		return 0
	}
	parser := newParser(new(commands), s.env, s.stdout, s.stderr, engines)
	command, err := parser.Parse(helpOf(s.args))
	if err != nil {
		fmt.Fprintf(s.stderr, "partita: %s\n", wordUsage(err, s.args, s.env))
		return 2
	}
	s.systemData = systemData
	s.warn(parser.Model.Node, command)
	if err := command.Run(s); err != nil {
		if known := (*reported)(nil); !errors.As(err, &known) {
			fmt.Fprintf(s.stderr, "partita: %s\n", oneLine(err))
		}
		return 1
	}
	return 0
}

// reported is an error that the command has printed itself, so that run does not print it again.
type reported struct{ error }

// Unwrap implements errors.Is and errors.As.
func (r *reported) Unwrap() error { return r.error }

// newParser returns the parser of the command line.
func newParser(c *commands, env []string, stdout, stderr io.Writer, engines []Engine) *kong.Kong {
	c.Serve.engines = engines
	for _, e := range engines {
		c.Serve.Plugins = append(c.Serve.Plugins, e)
	}
	parser, err := kong.New(c,
		kong.Name("partita"),
		kong.Description(description),
		kong.Vars{"admin_addr": defaultAdminAddr},
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Resolvers(environment(env)),
		kong.Help(printHelp),
		kong.ValueFormatter(withVariable),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpColumns}),
	)
	if err != nil {
		panic(fmt.Sprintf("cli: %v", err)) // a mistake in the structs of flags
	}
	parser.Model.HelpFlag.Help = "Show this help."
	return parser
}

// oneLine is the error's text with joined errors on one line. Advice keeps its lines.
func oneLine(err error) string {
	var a *advice
	if errors.As(err, &a) {
		return err.Error()
	}
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

// version prints what this program is.
type version struct{}

// Run implements the command.
func (version) Run(s *streams) error {
	printVersion(s.stdout)
	return nil
}

// versionFlag is --version, which does the same.
type versionFlag bool

// BeforeReset ends the parsing of the command line, as that of --help does.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	printVersion(k.Stdout)
	k.Exit(0)
	return nil
}

// printVersion prints what this program is.
func printVersion(w io.Writer) {
	fmt.Fprintf(w, "partita %s (%s, %s/%s)\n", Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// release is the version of the program; the linker may set it (-X …/internal/cli.release=v1.2.3).
var release = ""

// Version is the version of the program: that of the release, or what it was built from.
func Version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "development, " + s.Value[:12]
		}
	}
	return "development"
}
