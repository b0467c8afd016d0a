// Package invariants says whether this build checks, while it runs, what must always hold, and
// lends bytes that their borrowers must not keep. The checks are on with the build tag "invariants"
// and under the race detector, and cost nothing otherwise: Enabled is a constant, so what stands
// behind it is left out.
package invariants
