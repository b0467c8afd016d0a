package cli

import (
	"fmt"
	"io"
	"os"
	"time"
)

// progress prints how far a long run is to standard error, from its first second on: on a terminal
// each second over the same line, elsewhere each ten seconds on a line of its own.
type progress struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	began    time.Time
	next     time.Time
	stage    string
	since    time.Time // of the stage
	shown    int       // how long the line is that is to be written over
}

// newProgress begins a run.
func newProgress(w io.Writer) *progress {
	p := &progress{w: w, now: time.Now, began: time.Now()}
	p.terminal = isTerminal(w)
	p.next = p.began.Add(p.every())
	return p
}

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// every is the time between two lines.
func (p *progress) every() time.Duration {
	if p.terminal {
		return time.Second
	}
	return 10 * time.Second
}

// tell prints how far a stage is, if it is time to. total 0 means that it is not known. amount
// formats a number of what the stage counts.
func (p *progress) tell(stage string, done, total int64, amount func(int64) string) {
	now := p.now()
	if stage != p.stage {
		p.stage, p.since = stage, now
	}
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(p.every())
	line := stage + ": "
	if total > 0 {
		line += fmt.Sprintf("%d %%, ", 100*min(done, total)/total)
	}
	line += amount(done)
	if seconds := now.Sub(p.since).Seconds(); seconds > 0 {
		line += ", " + amount(int64(float64(done)/seconds)) + "/s"
	}
	if p.terminal {
		p.over(line)
		return
	}
	fmt.Fprintln(p.w, line)
}

// over writes a line over the last one.
func (p *progress) over(line string) {
	fmt.Fprintf(p.w, "\r%-*s", p.shown, line)
	p.shown = len(line)
}

// end leaves the line that is written over.
func (p *progress) end() {
	if p.shown > 0 {
		fmt.Fprintf(p.w, "\r%-*s\r", p.shown, "")
		p.shown = 0
	}
}

// took is the time since the run began.
func (p *progress) took() time.Duration { return p.now().Sub(p.began) }

// byteCount words a number of bytes.
func byteCount(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1000, 0
	for ; f >= 999.95; i++ {
		f /= 1000
	}
	return fmt.Sprintf("%.1f %cB", f, units[i])
}

// rowCount words a number of rows.
func rowCount(n int64) string { return fmt.Sprintf("%d rows", n) }
