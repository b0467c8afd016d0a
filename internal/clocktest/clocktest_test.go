package clocktest

import (
	"sync"
	"testing"
	"time"
)

func TestClock(t *testing.T) {
	c := New(Start)
	shows := func(now time.Time, elapsed time.Duration) {
		t.Helper()
		if got := c.Now(); got != now || c.Elapsed() != elapsed {
			t.Errorf("the clock shows %v after %v, want %v after %v", got, c.Elapsed(), now, elapsed)
		}
	}
	shows(Start, 0)
	c.Advance(time.Hour)
	shows(Start.Add(time.Hour), time.Hour)
	c.Set(Start.AddDate(-1, 0, 0))
	shows(Start.AddDate(-1, 0, 0), time.Hour)
	c.Advance(time.Nanosecond)
	shows(Start.AddDate(-1, 0, 0).Add(1), time.Hour+1)
	defer func() {
		if recover() == nil {
			t.Error("time goes back")
		}
	}()
	c.Advance(-1)
}

// TestConcurrentUse has many move the clock while others look: it goes by all of it.
func TestConcurrentUse(t *testing.T) {
	c := New(Start)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				before := c.Elapsed()
				c.Advance(time.Second)
				if passed := c.Elapsed() - before; passed < time.Second {
					t.Errorf("%v have passed in a second", passed)
				}
			}
		})
	}
	all.Wait()
	if want := Start.Add(800 * time.Second); c.Now() != want {
		t.Errorf("the clock shows %v, want %v", c.Now(), want)
	}
}
