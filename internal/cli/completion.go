package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/partita-db/partita/internal/bench"
)

// completion prints a script for a shell.
type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Help adds to the command's help.
func (*completion) Help() string {
	return `The script completes commands, flags, and the values of flags that name files, directories or one
of a few words.

Examples:

	source <(partita completion bash)
	partita completion bash > /etc/bash_completion.d/partita
	partita completion zsh > "${fpath[1]}/_partita"
	partita completion fish > ~/.config/fish/completions/partita.fish`
}

// Run implements the command.
func (c *completion) Run(s *streams, parser *kong.Kong) error {
	write := map[string]func([]completed) string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	_, err := fmt.Fprint(s.stdout, write(completions(parser.Model)))
	return err
}

// completed is what can stand on the command line after a command.
type completed struct {
	path     []string // of the command; empty: the program itself
	commands []candidate
	flags    []candidate
	args     values // that its arguments have
}

// candidate is a command or a flag that may complete the line.
type candidate struct {
	name, help string
	short      string // of a flag: another name, of one letter
	value      bool   // it takes one
	values     values
	repeated   bool
}

// values are what a flag or argument is for: files, directories, or one of some words. The zero is
// for anything else.
type values struct {
	files, dirs bool
	words       []string
}

// completions are what can stand after each command.
func completions(app *kong.Application) (all []completed) {
	var visit func(n *kong.Node, path []string)
	visit = func(n *kong.Node, path []string) {
		c := completed{path: path}
		for _, child := range n.Children {
			c.commands = append(c.commands, candidate{name: child.Name, help: firstSentence(child.Help)})
		}
		from := n
		if n.DefaultCmd != nil {
			from = n.DefaultCmd
		}
		for _, level := range from.AllFlags(true) {
			for _, flag := range level {
				if flag.Name != "version" || len(path) == 0 {
					c.flags = append(c.flags, flagCandidate(flag))
				}
			}
		}
		for _, arg := range from.Positional {
			c.args = valuesOf(arg)
		}
		if _, ok := n.Target.Interface().(helpCommand); ok {
			for _, child := range app.Children {
				c.args.words = append(c.args.words, child.Name)
			}
		}
		all = append(all, c)
		for _, child := range n.Children {
			visit(child, append(slices.Clone(path), child.Name))
		}
	}
	visit(app.Node, nil)
	return all
}

// flagCandidate is a flag as a candidate.
func flagCandidate(flag *kong.Flag) candidate {
	w := candidate{name: "--" + flag.Name, help: firstSentence(flag.Help)}
	w.value, w.repeated = !flag.IsBool(), flag.IsCumulative()
	if flag.Short != 0 {
		w.short = "-" + string(flag.Short)
	}
	if w.value {
		w.values = valuesOf(flag.Value)
	}
	return w
}

// valuesOf tells what a value is for, from its placeholder in the help and from its tags.
func valuesOf(v *kong.Value) (out values) {
	out.files, out.dirs = v.Tag.PlaceHolder == "FILE", v.Tag.PlaceHolder == "DIR"
	if v.Enum != "" {
		out.words = slices.DeleteFunc(v.EnumSlice(), func(word string) bool { return word == "" })
	}
	if v.Tag.Has("workloads") {
		for _, w := range bench.Workloads {
			out.words = append(out.words, w.Name)
		}
	}
	return out
}

// firstSentence is the first sentence of a help text, without its full stop.
func firstSentence(help string) string {
	sentence, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(sentence, ".")
}

// names are the words of a list; of flags both of their names.
func names(words []candidate) (all []string) {
	for _, w := range words {
		if all = append(all, w.name); w.short != "" {
			all = append(all, w.short)
		}
	}
	return all
}
