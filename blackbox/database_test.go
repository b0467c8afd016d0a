package blackbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"

	"github.com/partita-db/partita"
	"github.com/partita-db/partita/internal/clocktest"
	"github.com/partita-db/partita/internal/historytest"
	"github.com/partita-db/partita/internal/servertest"
)

// database is a database of a test's own, for what depends on its options or on which tables there
// are. It tells the time that the test sets.
type database struct {
	*dynamodb.Client
	url       string
	transport historytest.Transport
	clock     *clocktest.Clock
	shut      func() error
}

// open opens a database and serves it. It is closed when the test ends, or by close.
func open(t testing.TB, o partita.Options) *database {
	t.Helper()
	d := &database{clock: clocktest.New(clocktest.Start)}
	o.Clock, o.Logger = d.clock.Now, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	o.InMemory = o.Dir == "" && o.Engine == nil
	db := must(partita.Open(o))(t)
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	stop := servertest.Serve(l, db.Handler(), o.Logger)
	d.url, d.transport = "http://"+l.Addr().String()+"/", historytest.Transport{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	d.Client = d.as("someone", "eu-west-1")
	d.shut = sync.OnceValue(func() error {
		d.transport.CloseIdleConnections()
		return errors.Join(stop(), db.Close())
	})
	t.Cleanup(func() { d.close(t) })
	return d
}

// close ends the server and closes the database.
func (d *database) close(t testing.TB) {
	t.Helper()
	if err := d.shut(); err != nil {
		t.Error(err)
	}
}

// as is a client with another access key or region.
func (d *database) as(key, region string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &d.url,
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(key, "secret", ""),
		HTTPClient:   &http.Client{Transport: d.transport},
		Retryer:      aws.NopRetryer{},
	})
}

// call calls an operation by its name with the input in the JSON of strict, and dumps the answer or
// the error. Of an answer that is one structure its members are dumped, and of those only the named
// ones if any are.
func (d *database) call(operation, input string, members ...string) string {
	method := reflect.ValueOf(d.Client).MethodByName(operation)
	in := reflect.New(method.Type().In(1).Elem())
	if err := json.Unmarshal([]byte(strict(input)), in.Interface()); err != nil {
		return err.Error()
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	if err, _ := out[1].Interface().(error); err != nil {
		var e smithy.APIError
		if !errors.As(err, &e) {
			return err.Error()
		}
		return e.ErrorCode() + ": " + e.ErrorMessage()
	}
	answer := out[0].Elem()
	if f := answer.FieldByName("TableDescription"); f.IsValid() {
		answer = f.Elem()
	} else if f := answer.FieldByName("Table"); f.IsValid() {
		answer = f.Elem()
	}
	return dump(answer, members)
}

var (
	repeatRE = regexp.MustCompile(`«(.)\*(\d+)»`)
	seriesRE = regexp.MustCompile(`«1\.\.(\d+) ([^»]*)»`)
	keysRE   = regexp.MustCompile(`<[^>]*>`)
	wordRE   = regexp.MustCompile(`"[^"]*"|\pL[\pL\w.-]*`)
)

// strict writes JSON out in which words need no quotes, <a:S n:N> stands for a list of attribute
// definitions and <a n> for a key schema: one HASH attribute, further ones with a + before them,
// and RANGE attributes. «x*1000» stands for a thousand x, and «1..100 {…#…}» for a hundred copies
// with the number for each #.
func strict(text string) string {
	text = repeatRE.ReplaceAllStringFunc(text, func(m string) string {
		p := repeatRE.FindStringSubmatch(m)
		n, _ := strconv.Atoi(p[2])
		return strings.Repeat(p[1], n)
	})
	text = seriesRE.ReplaceAllStringFunc(text, func(m string) string {
		p := seriesRE.FindStringSubmatch(m)
		n, _ := strconv.Atoi(p[1])
		var copies []string
		for i := range n {
			copies = append(copies, strings.ReplaceAll(p[2], "#", strconv.Itoa(i+1)))
		}
		return strings.Join(copies, ", ")
	})
	text = keysRE.ReplaceAllStringFunc(text, func(keys string) string {
		var list []string
		for i, word := range strings.Fields(strings.Trim(keys, "<>")) {
			name, kind, _ := strings.Cut(word, ":")
			member, role := "AttributeType", kind
			if kind == "" {
				member, role = "KeyType", "RANGE"
				if i == 0 || word[0] == '+' {
					role = "HASH"
				}
			}
			list = append(list, fmt.Sprintf("{AttributeName: %q, %s: %s}", strings.TrimPrefix(name, "+"), member, role))
		}
		return "[" + strings.Join(list, ",") + "]"
	})
	return wordRE.ReplaceAllStringFunc(text, func(word string) string {
		if word[0] == '"' || word == "true" || word == "false" {
			return word
		}
		return strconv.Quote(word)
	})
}

// shorten prints runs of more than 80 of one character as strict reads them.
func shorten(text string) string {
	var b strings.Builder
	characters := []rune(text)
	for i := 0; i < len(characters); {
		n := 1
		for i+n < len(characters) && characters[i+n] == characters[i] {
			n++
		}
		if n > 80 {
			fmt.Fprintf(&b, "«%c*%d»", characters[i], n)
		} else {
			b.WriteString(string(characters[i : i+n]))
		}
		i += n
	}
	return b.String()
}

// dump prints a structure of the SDK, one member of it a line, or only the named ones: what is
// absent is left out, times count from the start, and the id of a table is <id>. If nothing is
// left, none.
func dump(v reflect.Value, members []string) string {
	var lines []string
	each(v, func(name, text string) {
		if len(members) == 0 || slices.Contains(members, name) {
			lines = append(lines, name+": "+text)
		}
	})
	if lines == nil {
		return "none"
	}
	return strings.Join(lines, "\n")
}

// each calls fn for the members of a structure that are there.
func each(v reflect.Value, fn func(name, text string)) {
	v = reflect.Indirect(v)
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		switch {
		case name == "noSmithyDocumentSerde" || name == "ResultMetadata" || field.IsZero() && !field.CanInt():
		case name == "TableId":
			fn(name, "<id>")
		default:
			fn(name, text(field))
		}
	}
}

// text prints a value below the first level.
func text(v reflect.Value) string {
	v = reflect.Indirect(v)
	if at, ok := v.Interface().(time.Time); ok {
		return "start+" + at.Sub(clocktest.Start).String()
	}
	var parts []string
	switch v.Kind() {
	case reflect.Struct:
		each(v, func(name, text string) { parts = append(parts, name+" "+text) })
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, text(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return fmt.Sprint(v.Interface())
}
