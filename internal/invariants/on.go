//go:build invariants || race

package invariants

import "bytes"

// Enabled says whether the checks are made.
const Enabled = true

// mangled is what is in bytes that were lent and taken back.
const mangled = 0xDB

// Loan is bytes that somebody has for a time. The zero Loan is none.
type Loan struct{ b []byte }

// Lend returns a copy of b for the borrower, which TakeBack spoils. What was lent before is taken
// back.
func (l *Loan) Lend(b []byte) []byte {
	l.TakeBack()
	l.b = bytes.Clone(b)
	return l.b
}

// TakeBack overwrites what was lent, so that nobody who has kept it reads on unnoticed.
func (l *Loan) TakeBack() {
	for i := range l.b {
		l.b[i] = mangled
	}
	l.b = nil
}
