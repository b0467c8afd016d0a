// Package word finds the known word that is most similar to a misspelt one, and quotes words for a
// shell. It depends on no other package of Partita.
package word

import "strings"

// Similar returns the name that is most similar to one that does not exist, or "" if none is.
// Names that differ in case or separators only come before those with one or two letters wrong, and
// these before those that have more at the beginning or end. If the name is one of names the result
// is "".
func Similar(name string, names []string) string {
	best, distance := "", unlike
	plain := simplified(name)
	for _, n := range names {
		if n == name {
			return ""
		}
		if d := difference(plain, n); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// Differences beyond those of letters.
const (
	longer = 3 // in a part before or behind
	unlike = 5 // in more than that
)

// difference is how much a name differs from the one looked for, whose simplified form is plain: 0
// for case or separators only, 1 or 2 for as many letters, longer, or unlike.
func difference(plain, other string) int {
	simple := simplified(other)
	if plain == simple && plain != "" {
		return 0
	}
	if d := Distance(plain, simple, 2); d <= 2 && 3*d <= len(plain) { // a third of a short name is another name
		return d
	}
	if short, long := plain, simple; min(len(short), len(long)) >= 3 {
		if len(short) > len(long) {
			short, long = long, short
		}
		if strings.HasPrefix(long, short) || strings.HasSuffix(long, short) {
			return longer
		}
	}
	return unlike
}

// simplified is a name in lower case without the separators - _ and dot.
func simplified(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// Distance is the number of bytes to insert, delete, replace or swap with their neighbour, each at
// most once, that makes b of a: the optimal string alignment distance. Of words that are further
// apart than most it is most+1.
func Distance(a, b string, most int) int {
	if max(len(a), len(b))-min(len(a), len(b)) > most {
		return most + 1
	}
	var room [3][256]int // of a name's length, so that nothing is allocated
	before, last, row := room[0][:], room[1][:], room[2][:]
	if len(b) >= len(row) {
		before, last, row = make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	}
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
			least = min(least, row[j+1])
		}
		if least > most { // and so are all that follow
			return most + 1
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], most+1)
}
