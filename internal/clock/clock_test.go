package clock

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/partita-db/partita/internal/clocktest"
)

// machine is a machine whose clock a test turns.
type machine struct {
	*clocktest.Clock
	log     bytes.Buffer
	trusted *Clock // on the machine
}

// newMachine returns a machine and a clock on it.
func newMachine() *machine {
	m := &machine{Clock: clocktest.New(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC).Add(-5 * time.Hour))}
	m.Advance(5 * time.Hour)
	m.trusted = NewFrom(m.Now, m.Elapsed, slog.New(slog.NewTextHandler(&m.log, nil)))
	return m
}

// jump sets the machine's clock on, or back.
func (m *machine) jump(d time.Duration) { m.Set(m.Now().Add(d)) }

// years is so many years.
func years(n time.Duration) time.Duration { return n * 365 * 24 * time.Hour }

// step is what happens to the machine's clock, and then time passes. Then the clock is ahead of the
// time that has passed by ahead.
type step struct {
	set, pass, ahead time.Duration
}

// TestNow sets the machine's clock in many ways.
func TestNow(t *testing.T) {
	const minute = time.Minute
	for _, c := range []struct {
		name  string
		steps []step
		lines string // of the log: j a jump, g it has gone back, b it is believed
	}{
		{"nothing happens", []step{{0, 3 * time.Hour, 0}, {0, minute, 0}, {0, years(1), 0}}, ""},
		{"small steps are taken at once", []step{{time.Hour, 1, time.Hour}, {-minute, 1, time.Hour - minute}}, ""},
		{"a jump that lasts", []step{
			{years(20), 1, 0}, {0, minute - 2, 0}, {0, 1, years(20)}, {0, minute, years(20)},
		}, "jb"},
		{"a jump that does not", []step{
			{years(20), 1, 0}, {0, 30 * time.Second, 0}, {-years(20), 1, 0}, {0, 2 * minute, 0},
		}, "jg"},
		{"it ends a little elsewhere", []step{
			{years(20), 1, 0}, {-years(20) + 5*minute, 1, 5 * minute}, {0, minute, 5 * minute},
		}, "jg"},
		{"just over an hour", []step{{time.Hour + 1000, 1, 0}, {0, minute, time.Hour + 1000}}, "jb"},
		{"steps that add up to more than an hour", []step{
			{40 * minute, time.Second, 40 * minute}, {40 * minute, time.Second, 40 * minute}, {0, minute, 80 * minute},
		}, "jb"},
		{"steps that take a day to do so", []step{
			{40 * minute, 12 * time.Hour, 40 * minute}, {0, minute, 40 * minute},
			{40 * minute, 12 * time.Hour, 80 * minute},
		}, ""},
		{"back is believed at once", []step{{-years(20), 1, -years(20)}, {0, minute, -years(20)}}, ""},
		{"back, and right again", []step{
			{-5 * time.Hour, time.Second, -5 * time.Hour}, {5 * time.Hour, time.Second, -5 * time.Hour}, {0, minute, 0},
		}, "jb"},
		{"wrong from the first, right, and wrong again", []step{
			{-years(20), 5 * time.Second, -years(20)}, {years(20), 30 * time.Second, -years(20)},
			{-years(20), minute, -years(20)},
		}, "jg"},
		{"back for long, and right again", []step{
			{-5 * time.Hour, 2 * minute, -5 * time.Hour}, {5 * time.Hour, time.Second, -5 * time.Hour}, {0, minute, 0},
		}, "jb"},
		{"it jumps about", []step{
			{years(20), 50 * time.Second, 0}, {years(-10), 50 * time.Second, 0}, {years(5), 50 * time.Second, 0},
			{0, 10 * time.Second, years(15)},
		}, "jjjb"},
		{"further on when it was believed", []step{
			{years(1), 1, 0}, {0, minute, years(1)}, {years(1), 1, years(1)}, {0, minute, years(2)},
		}, "jbjb"},
		{"jumps that are longer than a Duration", []step{
			{years(200), 1, 0}, {0, minute, years(200)}, {years(200), 1, years(200)},
		}, "jbj"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine()
			want := m.Now()
			for i, s := range c.steps {
				m.jump(s.set)
				m.trusted.Now() // somebody looks at all times
				m.Advance(s.pass)
				want = want.Add(s.pass)
				got := m.trusted.Now()
				if ahead := got.Sub(want); (ahead - s.ahead).Abs() > time.Microsecond {
					t.Errorf("after step %d the clock shows %v, %v ahead; want %v", i, got, ahead, s.ahead)
				}
			}
			if got := m.lines(); got != c.lines {
				t.Errorf("logged %q, want %q:\n%s", got, c.lines, m.log.String())
			}
		})
	}
}

// lines are the lines of the log, a letter each.
func (m *machine) lines() (all string) {
	for line := range strings.Lines(m.log.String()) {
		switch {
		case strings.Contains(line, "level=WARN") && strings.Contains(line, "has jumped ahead: it is believed when"):
			all += "j"
		case strings.Contains(line, "level=WARN") && strings.Contains(line, "is believed from now on"):
			all += "b"
		case strings.Contains(line, "has gone back"):
			all += "g"
		default:
			all += "?"
		}
	}
	return all
}

// TestSleep has a machine sleep for a night: the quick reading leaves that out, and it is no jump.
func TestSleep(t *testing.T) {
	m := newMachine()
	var slept time.Duration
	m.trusted.passed = func(time.Time) time.Duration { return m.Elapsed() - slept }
	m.Advance(time.Second)
	m.trusted.Now()
	slept = 8 * time.Hour
	m.Advance(slept)
	if got := m.trusted.Now(); !got.Equal(m.Now()) {
		t.Errorf("after a night the clock shows %v, the machine's %v", got, m.Now())
	}
	m.jump(2 * time.Hour)
	if got := m.trusted.Now(); !got.Equal(m.Now().Add(-2 * time.Hour)) {
		t.Errorf("after a jump in the morning the clock shows %v, the machine's %v", got, m.Now())
	}
	if got := m.lines(); got != "j" {
		t.Errorf("logged %q:\n%s", got, m.log.String())
	}
}

// TestMachine reads the clock of this machine from several goroutines.
func TestMachine(t *testing.T) {
	c := New(slog.Default())
	if e := c.boot(); e < 0 {
		t.Errorf("%v have passed", e)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			elapsed := c.Elapsed()
			for range 1000 {
				before := time.Now()
				got := c.Now()
				if got.Before(before) || got.After(time.Now()) {
					t.Errorf("the clock shows %v, the machine's %v", got, before)
				}
				if e := c.Elapsed(); e < elapsed {
					t.Errorf("%v have passed, after %v", e, elapsed)
				} else {
					elapsed = e
				}
			}
		})
	}
	all.Wait()
}

// TestTogether has many goroutines read a clock while the machine's jumps, and jumps back: nobody
// sees the jump.
func TestTogether(t *testing.T) {
	m := newMachine()
	from, to := m.Now(), m.Now().Add(time.Hour)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2000 {
				if got := m.trusted.Now(); got.Before(from) || got.After(to) {
					t.Errorf("the clock shows %v", got)
				}
			}
		})
	}
	for range 100 {
		m.jump(years(1))
		m.Advance(100 * time.Millisecond)
		m.jump(-years(1))
	}
	all.Wait()
}

func BenchmarkNow(b *testing.B) {
	c := New(slog.Default())
	b.Run("time.Now", func(b *testing.B) {
		for b.Loop() {
			_ = time.Now()
		}
	})
	b.Run("Now", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = c.Now()
		}
	})
	b.Run("Elapsed", func(b *testing.B) {
		for b.Loop() {
			_ = c.Elapsed()
		}
	})
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			_ = c.look()
		}
	})
}
