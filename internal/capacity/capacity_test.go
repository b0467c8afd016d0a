package capacity

import (
	"math/rand/v2"
	"testing"
)

// maxItem is the size of the largest item.
const maxItem = 400 << 10

// TestUnits has the units at the sizes where they change.
func TestUnits(t *testing.T) {
	for _, test := range []struct {
		size                              int
		strong, eventual, transact, write float64
	}{
		{0, 1, 0.5, 2, 1}, // there is no item
		{1, 1, 0.5, 2, 1},
		{1023, 1, 0.5, 2, 1},
		{1024, 1, 0.5, 2, 1},
		{1025, 1, 0.5, 2, 2},
		{2048, 1, 0.5, 2, 2},
		{2049, 1, 0.5, 2, 3},
		{4095, 1, 0.5, 2, 4},
		{4096, 1, 0.5, 2, 4},
		{4097, 2, 1, 4, 5},
		{8192, 2, 1, 4, 8},
		{8193, 3, 1.5, 6, 9},
		{maxItem - 1, 100, 50, 200, 400},
		{maxItem, 100, 50, 200, 400},
	} {
		for _, of := range []struct {
			name      string
			got, want float64
		}{
			{"ReadUnits(%d, true)", ReadUnits(test.size, true), test.strong},
			{"ReadUnits(%d, false)", ReadUnits(test.size, false), test.eventual},
			{"PageUnits(%d, true)", PageUnits(int64(test.size), true), test.strong},
			{"PageUnits(%d, false)", PageUnits(int64(test.size), false), test.eventual},
			{"TransactReadUnits(%d)", TransactReadUnits(test.size), test.transact},
			{"ReplayUnits(%d)", ReplayUnits(test.size), test.transact},
			{"WriteUnits(%d, 0)", WriteUnits(test.size, 0), test.write},
			{"WriteUnits(0, %d)", WriteUnits(0, test.size), test.write},
			{"FailedUnits(%d)", FailedUnits(test.size), test.write},
			{"CheckUnits(%d)", CheckUnits(test.size), test.write},
		} {
			if of.got != of.want {
				t.Errorf(of.name+" = %v, want %v", test.size, of.got, of.want)
			}
		}
	}
}

// TestPageUnits has pages longer than any item: those that the limit of 1 MB ends, with the item
// that crosses it.
func TestPageUnits(t *testing.T) {
	for _, test := range []struct {
		bytes            int64
		strong, eventual float64
	}{
		{1 << 20, 256, 128},
		{1<<20 + 1, 257, 128.5},
		{1<<20 + maxItem, 356, 178},
	} {
		if got := PageUnits(test.bytes, true); got != test.strong {
			t.Errorf("PageUnits(%d, true) = %v, want %v", test.bytes, got, test.strong)
		}
		if got := PageUnits(test.bytes, false); got != test.eventual {
			t.Errorf("PageUnits(%d, false) = %v, want %v", test.bytes, got, test.eventual)
		}
	}
}

// TestWriteUnits has writes with an item before and after, of which the larger counts.
func TestWriteUnits(t *testing.T) {
	for _, test := range []struct {
		old, new int
		want     float64
	}{
		{0, 0, 1}, {1, 1, 1}, {1024, 1024, 1}, {1024, 1025, 2}, {1025, 1024, 2}, {4097, 1, 5}, {1, 4097, 5},
		{maxItem, 1, 400}, {1, maxItem, 400}, {maxItem, maxItem, 400},
	} {
		if got := WriteUnits(test.old, test.new); got != test.want {
			t.Errorf("WriteUnits(%d, %d) = %v, want %v", test.old, test.new, got, test.want)
		}
	}
}

// TestIndexUnits has what can become of an index entry.
func TestIndexUnits(t *testing.T) {
	for _, test := range []struct {
		name          string
		old, new      int
		stayed, moved float64
	}{
		{"in the index neither before nor after", 0, 0, 0, 0},
		{"added", 0, 1, 1, 1},
		{"added, large", 0, 1025, 2, 2},
		{"removed", 1, 0, 1, 1},
		{"removed, large", 4097, 0, 5, 5},
		{"changed", 1024, 1024, 1, 2},
		{"grown", 1024, 1025, 2, 3},
		{"shrunk", 1025, 1, 2, 3},
		{"largest", maxItem, maxItem, 400, 800},
	} {
		if got := IndexUnits(test.old, test.new, false); got != test.stayed {
			t.Errorf("%s: IndexUnits(%d, %d, false) = %v, want %v", test.name, test.old, test.new, got, test.stayed)
		}
		if got := IndexUnits(test.old, test.new, true); got != test.moved {
			t.Errorf("%s: IndexUnits(%d, %d, true) = %v, want %v", test.name, test.old, test.new, got, test.moved)
		}
	}
}

// TestRules draws items and compares what they cost together with what they cost alone.
func TestRules(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		sizes := randomSizes(rng)
		checkPage(t, sizes, rng.IntN(2) == 0)
		checkTransaction(t, sizes)
		checkIndex(t, sizes[0], sizes[len(sizes)-1])
		checkHalves(t, sizes)
		if t.Failed() {
			t.Fatalf("sizes %v", sizes)
		}
	}
}

// randomSizes are those of some items, many of them close to where the units change.
func randomSizes(rng *rand.Rand) []int {
	sizes := make([]int, 1+rng.IntN(30))
	for i := range sizes {
		switch rng.IntN(3) {
		case 0:
			sizes[i] = 1 + rng.IntN(maxItem)
		case 1:
			sizes[i] = max(1, writeBlock*(1+rng.IntN(20))+rng.IntN(3)-1)
		default: // missing ones
		}
	}
	return sizes
}

// checkPage: a page costs as much as one item of its bytes together, and never more than its
// items alone; an eventually consistent read costs half of a strongly consistent one.
func checkPage(t *testing.T, sizes []int, consistent bool) {
	bytes, alone := 0, 0.0
	for _, size := range sizes {
		bytes += size
		alone += ReadUnits(size, consistent)
		if strong, eventual := ReadUnits(size, true), ReadUnits(size, false); strong != 2*eventual {
			t.Errorf("an item of %d bytes costs %v units, and %v eventually", size, strong, eventual)
		}
	}
	page := PageUnits(int64(bytes), consistent)
	if as := ReadUnits(bytes, consistent); page != as {
		t.Errorf("a page of %d bytes costs %v, and an item as large %v", bytes, page, as)
	}
	least := 1.0
	if !consistent {
		least = 0.5
	}
	if page > alone || page < alone-float64(len(sizes))*least {
		t.Errorf("a page costs %v, and its %d items alone %v", page, len(sizes), alone)
	}
	if paid := page / least * readBlock; paid < float64(bytes) || paid >= float64(max(bytes, 1)+readBlock) {
		t.Errorf("a page of %d bytes pays for %v", bytes, paid)
	}
}

// checkTransaction: the units of a transaction are twice those of its operations one by one, each
// of which is rounded up before.
func checkTransaction(t *testing.T, sizes []int) {
	var reads, writes, transactReads, transactWrites, replay, single float64
	for i, old := range sizes {
		new := sizes[len(sizes)-1-i]
		reads += ReadUnits(old, true)
		transactReads += TransactReadUnits(old)
		writes += WriteUnits(old, new)
		transactWrites += InTransaction(WriteUnits(old, new))
		replay += ReplayUnits(max(old, new))
		single += ReadUnits(max(old, new), true)
		if check, same := CheckUnits(old), WriteUnits(old, old); check != same {
			t.Errorf("a condition check at %d bytes costs %v, and writing them %v", old, check, same)
		}
		if failed, same := FailedUnits(old), WriteUnits(old, old); failed != same {
			t.Errorf("a failed condition at %d bytes costs %v, and writing them %v", old, failed, same)
		}
	}
	if transactReads != 2*reads || InTransaction(reads) != transactReads {
		t.Errorf("a transaction reads for %v, its operations for %v", transactReads, reads)
	}
	if transactWrites != 2*writes || InTransaction(writes) != transactWrites {
		t.Errorf("a transaction writes for %v, its operations for %v", transactWrites, writes)
	}
	if replay != 2*single {
		t.Errorf("a replay costs %v, and reading its items %v", replay, single)
	}
}

// checkIndex: an entry that moves costs its removal and its addition, one that stays the more
// expensive of both, and it does not matter which is before and which after.
func checkIndex(t *testing.T, old, new int) {
	removed, added := IndexUnits(old, 0, false), IndexUnits(0, new, false)
	if moved := IndexUnits(old, new, true); moved != removed+added {
		t.Errorf("an entry of %d bytes that moves and has %d costs %v, want %v + %v", old, new, moved, removed, added)
	}
	if stays := IndexUnits(old, new, false); stays != max(removed, added) {
		t.Errorf("an entry of %d bytes that gets %d costs %v, want that of %v and %v", old, new, stays, removed, added)
	}
	if there, back := WriteUnits(old, new), WriteUnits(new, old); there != back {
		t.Errorf("from %d to %d bytes costs %v, and back %v", old, new, there, back)
	}
}

// checkHalves: sums of units are exact as halves.
func checkHalves(t *testing.T, sizes []int) {
	var halves int64
	sum := 0.0
	for _, size := range sizes {
		for _, u := range []float64{
			ReadUnits(size, false), ReadUnits(size, true), WriteUnits(size, 0), TransactReadUnits(size),
		} {
			halves += Halves(u)
			sum += u
		}
	}
	if got := OfHalves(halves); got != sum {
		t.Errorf("%d halves are %v, want %v", halves, got, sum)
	}
}
