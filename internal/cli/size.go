package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes as users write it: 512MB, 1GiB, 1.5G, 67108864. M is a million and Mi
// is 2²⁰; the B and upper case are optional.
type size int64

// units are the factors of the letters.
var units = map[string]float64{
	"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12,
	"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40,
}

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	word := strings.ToLower(strings.TrimSpace(string(text)))
	end := strings.IndexFunc(word, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(word)
	}
	n, err := strconv.ParseFloat(word[:end], 64)
	factor, known := units[strings.TrimSuffix(strings.TrimSpace(word[end:]), "b")]
	if err != nil || !known || n*factor >= math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 512MB or 1GiB", text)
	}
	*s = size(n * factor)
	return nil
}

// String writes the size with the largest unit that divides it.
func (s size) String() string {
	for _, u := range []string{"Ti", "T", "Gi", "G", "Mi", "M", "Ki", "k"} {
		if f := size(units[strings.ToLower(u)]); s != 0 && s%f == 0 {
			return strconv.FormatInt(int64(s/f), 10) + u + "B"
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
