package wire

import "testing"

// TestTimestamps: a timestamp begins with the millisecond that it lies in.
func TestTimestamps(t *testing.T) {
	for _, c := range []struct {
		text string
		ms   int64
		ok   bool
	}{
		{"1791316726", 1791316726000, true}, {"1791316726.48", 1791316726480, true}, {"1791316726.4809", 1791316726480, true},
		{"1.79131672648E9", 1791316726480, true}, {"0", 0, true}, {"5e9", 0, false}, {"1e999", 0, false},
	} {
		var o OptTime
		var r Reader
		r.Begin([]byte(c.text))
		if err := r.ReadTime(&o); err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if got, ok := o.Time(); ok != c.ok || ok && got.UnixMilli() != c.ms {
			t.Errorf("time of %s = %d, %v, want %d, %v", c.text, got.UnixMilli(), ok, c.ms, c.ok)
		}
	}
}
