package api

// violations are Violations with checks that only some operations have.
type violations struct{ Violations }
