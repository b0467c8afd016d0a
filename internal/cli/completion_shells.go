package cli

import (
	"fmt"
	"strings"
)

// bashHead finds out which command the line is for (path), and what word is to be completed (cur),
// as the value of a flag (flag) or not. Bash splits --flag=value into three words. It is written
// for bash 3.2, which macOS has.
const bashHead = `# Completion of partita in bash, written by "partita completion bash".

_partita_words() { COMPREPLY=($(compgen -W "$1" -- "$cur")); }

_partita_paths() {
    local path quote=%%q
    compopt -o filenames 2>/dev/null && quote=%%s # which quotes them; bash 3.2 lacks it
    COMPREPLY=()
    while IFS= read -r path; do
        COMPREPLY+=("$(printf "$quote" "$path")")
    done < <(compgen "$1" -- "$cur")
}

_partita() {
    local cur="${COMP_WORDS[COMP_CWORD]}" flag="" path="" i=1
    COMPREPLY=()
    while ((i < COMP_CWORD)); do
        case "$path ${COMP_WORDS[i]}" in
%s        esac
        i=$((i + 1))
    done
    if [[ $cur == "=" ]]; then
        cur="" flag="${COMP_WORDS[COMP_CWORD - 1]}"
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == "=" ]]; then
        flag="${COMP_WORDS[COMP_CWORD - 2]}"
    else
        flag="${COMP_WORDS[COMP_CWORD - 1]}"
    fi
    case "$path $flag" in
%s    esac
    case "$path" in
%s    esac
}

complete -F _partita partita
`

// bashScript is the script for bash.
func bashScript(all []completed) string {
	var paths, flags, rest strings.Builder
	for _, c := range all {
		at := spaced(c.path)
		if at != "" {
			fmt.Fprintf(&paths, "        %q) path=%q ;;\n", at, at)
		}
		for _, f := range c.flags {
			if f.value {
				fmt.Fprintf(&flags, "    %q) %sreturn ;;\n", at+" "+f.name, f.values.bash())
			}
		}
		words := append(names(c.commands), c.args.words...)
		fmt.Fprintf(&rest, "    %q)\n        if [[ $cur == -* ]]; then\n            _partita_words %q\n",
			at, strings.Join(names(c.flags), " "))
		other := values{files: c.args.files, dirs: c.args.dirs, words: words}.bash()
		if other != "" {
			fmt.Fprintf(&rest, "        else\n            %s\n", strings.TrimSuffix(other, "; "))
		}
		rest.WriteString("        fi\n        ;;\n")
	}
	return fmt.Sprintf(bashHead, &paths, &flags, &rest)
}

// spaced are words, each after a space.
func spaced(path []string) (all string) {
	for _, name := range path {
		all += " " + name
	}
	return all
}

// bash is the command that completes values, empty for none.
func (v values) bash() string {
	switch {
	case v.dirs:
		return "_partita_paths -d; "
	case v.files:
		return "_partita_paths -f; "
	case len(v.words) > 0:
		return fmt.Sprintf("_partita_words %q; ", strings.Join(v.words, " "))
	}
	return ""
}

// zshHead finds out which command the line is for, and hands what comes after it to _arguments.
const zshHead = `#compdef partita
# Completion of partita in zsh, written by "partita completion zsh".

_partita() {
    local curcontext="$curcontext" at="" i=2 n=1 ret=1
    local -a commands state line
    typeset -A opt_args
    while (( i < CURRENT )); do
        case "$at ${words[i]}" in
%s        esac
        (( i++ ))
    done
    words=("${(@)words[n,-1]}")
    (( CURRENT -= n - 1 ))
    case "$at" in
%s    esac
    return ret
}

if [[ $funcstack[1] == _partita ]]; then
    _partita "$@"
elif (( $+functions[compdef] )); then
    compdef _partita partita
fi
`

// zshScript is the script for zsh.
func zshScript(all []completed) string {
	var paths, rest strings.Builder
	for _, c := range all {
		at := spaced(c.path)
		if at != "" {
			fmt.Fprintf(&paths, "        %q) at=%q n=$i ;;\n", at, at)
		}
		fmt.Fprintf(&rest, "    %q)\n", at)
		fmt.Fprint(&rest, "        _arguments -s")
		for _, f := range c.flags {
			for _, name := range names([]candidate{f}) {
				fmt.Fprintf(&rest, " \\\n            %s", singleQuoted(f.zsh(name)))
			}
		}
		switch {
		case len(c.commands) > 0:
			fmt.Fprint(&rest, " \\\n            '*:command:->commands' && ret=0\n")
			fmt.Fprint(&rest, "        if [[ $state == commands ]]; then\n            commands=(\n")
			for _, w := range c.commands {
				fmt.Fprintf(&rest, "                %s\n", singleQuoted(w.name+":"+w.help))
			}
			for _, w := range c.args.words {
				fmt.Fprintf(&rest, "                %s\n", singleQuoted(w))
			}
			fmt.Fprint(&rest, "            )\n            _describe command commands && ret=0\n        fi\n")
		default:
			if action := c.args.zsh(); action != "" {
				fmt.Fprintf(&rest, " \\\n            %s", singleQuoted("*:argument:"+action))
			}
			fmt.Fprint(&rest, " && ret=0\n")
		}
		fmt.Fprint(&rest, "        ;;\n")
	}
	return fmt.Sprintf(zshHead, &paths, &rest)
}

// zsh is the flag, under one of its names, as _arguments takes it.
func (w candidate) zsh(name string) string {
	spec := name
	if w.value {
		spec += "="
	}
	spec += "[" + strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(w.help) + "]"
	if w.repeated {
		spec = "*" + spec
	}
	if w.value {
		spec += ":value:" + w.values.zsh()
	}
	return spec
}

// zsh is what completes values for _arguments, empty for none.
func (v values) zsh() string {
	switch {
	case v.dirs:
		return "_files -/"
	case v.files:
		return "_files"
	case len(v.words) > 0:
		return "(" + strings.Join(v.words, " ") + ")"
	}
	return ""
}

// singleQuoted is a word for any shell.
func singleQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// fishHead has the function that tells whether the line is for a command, which it finds out as
// bashHead does.
const fishHead = `# Completion of partita in fish, written by "partita completion fish".

function __partita_at
    set -l path
    set -l words (commandline -opc)
    for word in $words[2..-1]
        switch "$path $word"
%s        end
    end
    test "$path" = "$argv[1]"
end

complete -c partita -f
`

// fishScript is the script for fish.
func fishScript(all []completed) string {
	var paths, rest strings.Builder
	for _, c := range all {
		at := spaced(c.path)
		if at != "" {
			fmt.Fprintf(&paths, "            case %s\n                set path %s\n",
				singleQuoted(at), singleQuoted(at))
		}
		line := "complete -c partita -n " + singleQuoted(`__partita_at "`+at+`"`)
		for _, w := range c.commands {
			fmt.Fprintf(&rest, "%s -a %s -d %s\n", line, w.name, fishQuoted(w.help))
		}
		if action := c.args.fish("", ""); action != "" {
			fmt.Fprintf(&rest, "%s%s\n", line, action)
		}
		for _, f := range c.flags {
			fmt.Fprintf(&rest, "%s -l %s", line, strings.TrimPrefix(f.name, "--"))
			if f.short != "" {
				fmt.Fprintf(&rest, " -s %s", strings.TrimPrefix(f.short, "-"))
			}
			if f.value {
				rest.WriteString(f.values.fish(" -r", " -x"))
			}
			fmt.Fprintf(&rest, " -d %s\n", fishQuoted(f.help))
		}
	}
	return fmt.Sprintf(fishHead, &paths) + rest.String()
}

// fish are the options of complete for values, after one that stands before files and one that
// keeps them away.
func (v values) fish(files, noFiles string) string {
	switch {
	case v.dirs:
		return noFiles + " -a '(__fish_complete_directories)'"
	case v.files:
		return files + " -F"
	case len(v.words) > 0:
		return noFiles + " -a " + singleQuoted(strings.Join(v.words, " "))
	}
	return noFiles
}

// fishQuoted is a word for fish, in whose single quotes a backslash can stand before a quote.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
