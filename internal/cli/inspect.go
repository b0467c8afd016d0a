package cli

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/partita-db/partita/internal/inspect"
	"github.com/partita-db/partita/internal/kv/pebblekv"
)

// inspectCommand shows what is in a data directory, or in a backup.
type inspectCommand struct {
	Catalog inspectCatalog `cmd:"" default:"withargs" help:"Show the tables, their indexes and streams."`
	Table   inspectTable   `cmd:"" help:"Show the descriptor of a table, its sections and counters."`
	Rows    inspectRows    `cmd:"" help:"Show rows of a table or of an index, with their keys."`
	Streams inspectStreams `cmd:"" help:"Show streams and their shards."`
	Records inspectRecords `cmd:"" help:"Show the records of a stream."`
	Tokens  inspectTokens  `cmd:"" help:"Show the tokens of transactions."`
	Sizes   inspectSizes   `cmd:"" help:"Show how large each part of the data is."`
}

// inspectRules is in the help of each of the commands.
const inspectRules = `No server may have the directory open: stop it, or take a backup and look into that.
Nothing in the directory is changed. A row that cannot be read is shown in hexadecimal, and the exit status is 1 then.
"partita check" verifies the data; this command only shows it, and prints keys and values of items.`

// Help adds to the command's help.
func (*inspectCommand) Help() string {
	return `Shows what is in the data directory of a stopped server, or in a backup. The word catalog can be left
out. ` + inspectRules + `

Examples:

	partita inspect --data /backups/monday
	partita inspect rows orders --data /backups/monday --key '{"id":{"S":"17"}}'`
}

// inspectFlags are the flags of all commands that look into a directory.
type inspectFlags struct {
	Data string `placeholder:"DIR" help:"Data directory of a stopped server, or a backup. Default: ./partita-data, or /var/lib/partita/data or /var/lib/partita if only that exists."`
	JSON bool   `name:"json" help:"Print JSON."`

	now func() time.Time // nil: time.Now
}

// inspection is a look into a directory.
type inspection struct {
	*inspect.View
	dir     string
	asJSON  bool
	out     *bufio.Writer
	damaged int64 // what could not be read
}

// run opens the directory for reading, and calls fn. What the engine has to say, as of what a crash
// has left, goes to standard error.
func (f *inspectFlags) run(s *streams, fn func(*inspection) error) error {
	data := findData(f.Data, s.systemData)
	dir, err := filepath.Abs(data.path)
	if err != nil {
		return err
	}
	now := time.Now()
	if f.now != nil {
		now = f.now()
	}
	log := slog.New(slog.NewTextHandler(s.stderr, nil))
	engine, err := pebblekv.Open(pebblekv.Options{Dir: dir, ReadOnly: true, Logger: log})
	if errors.Is(err, pebblekv.ErrLocked) {
		err = fmt.Errorf("%w (a server has it open: stop it, or take a backup with \"partita backup\" "+
			"and look into that)", err)
	}
	if err != nil {
		return data.explain(err)
	}
	x := &inspection{dir: dir, asJSON: f.JSON, out: bufio.NewWriter(s.stdout)}
	err = inspect.Run(s.ctx, engine, now, func(v *inspect.View) error {
		x.View = v
		return fn(x)
	})
	_ = x.out.Flush() // whoever closed standard output does not want it
	if err = errors.Join(err, engine.Close()); err == nil && x.damaged > 0 {
		err = fmt.Errorf("%d of what is shown cannot be read (\"partita check\" verifies all of %s)", x.damaged, dir)
	}
	return err
}

// encode prints a JSON object, on one line or, as a document, on several.
func (x *inspection) encode(v any, document bool) error {
	e := json.NewEncoder(x.out)
	e.SetEscapeHTML(false)
	if document {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

// columns calls fn with a writer whose columns are separated by tabs.
func (x *inspection) columns(fn func(w *tabwriter.Writer)) {
	w := tabwriter.NewWriter(x.out, 0, 0, 2, ' ', 0)
	fn(w)
	_ = w.Flush() // into a bufio.Writer, which keeps the error
}

// table finds the table that an argument names.
func (x *inspection) table(name string) (*inspect.Table, error) {
	t, err := x.Table(name)
	if err != nil {
		return nil, fmt.Errorf("%w in %s", err, x.dir)
	}
	return t, nil
}

// printedBytes are the bytes of a row, for which --raw asks, or that cannot be read.
type printedBytes struct {
	Key   string `json:"rawKey,omitempty"`
	Value string `json:"rawValue,omitempty"`
}

// bytesOf are the bytes of a row, in hexadecimal.
func bytesOf(key, value []byte) printedBytes {
	return printedBytes{hex.EncodeToString(key), hex.EncodeToString(value)}
}

// print prints the bytes as text.
func (b printedBytes) print(w *bufio.Writer) {
	if b.Key != "" {
		fmt.Fprintf(w, "    key    %s\n", b.Key)
	}
	if b.Value != "" {
		fmt.Fprintf(w, "    value  %s\n", b.Value)
	}
}

// timeText is a time for people and programs; empty for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// dash is the text, or a dash for none.
func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// numberText is a number for people, a dash for one that is not known.
func numberText(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

// readFormatFile reads the file FORMAT, whose lines have a name and a value. The engine has opened
// the directory, so that there is nothing wrong with it.
func readFormatFile(dir string) map[string]string {
	fields := map[string]string{}
	text, _ := os.ReadFile(filepath.Join(dir, "FORMAT"))
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			fields[name] = value
		}
	}
	return fields
}
