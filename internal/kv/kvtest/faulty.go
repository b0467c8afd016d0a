package kvtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/partita-db/partita/internal/kv"
)

// errInjected is an error of Faulty's, of an operation that did nothing.
var errInjected = errors.New("kvtest: injected fault")

// Faulty wraps an engine with one that makes use of all that the contract allows: it conflicts,
// fails, runs functions twice, does not know what became of a commit, and returns short pages, each
// in one of oneIn calls. What is written on top of the contract must bear it.
func Faulty(e kv.Engine, seed uint64, oneIn int) kv.Engine {
	return &faulty{Engine: e, oneIn: oneIn, rng: rand.New(rand.NewPCG(seed, 1))}
}

type faulty struct {
	kv.Engine
	oneIn int

	mu  sync.Mutex
	rng *rand.Rand
}

// fault draws whether a fault happens.
func (f *faulty) fault() bool { return f.draw(f.oneIn) == 0 }

// draw returns a random number below n.
func (f *faulty) draw(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.IntN(n)
}

// refuse returns an error of an operation that does nothing.
func (f *faulty) refuse(errs ...error) error {
	if !f.fault() {
		return nil
	}
	return fmt.Errorf("%w (at random)", errs[f.draw(len(errs))])
}

// View implements kv.Engine. The function may run before the view turns out to be too old.
func (f *faulty) View(ctx context.Context, o kv.ReadOptions, fn func(kv.Reader) error) error {
	if err := f.refuse(kv.ErrSnapshotTooOld, errInjected); err != nil {
		return err
	}
	if err := f.Engine.View(ctx, o, fn); err != nil {
		return err
	}
	return f.refuse(kv.ErrSnapshotTooOld, errInjected)
}

// Update implements kv.Engine. A fault before it did nothing, one after it hides a commit.
func (f *faulty) Update(ctx context.Context, o kv.WriteOptions, fn func(kv.Txn) error) error {
	if err := f.refuse(kv.ErrConflict, errInjected, kv.ErrCommitUnknown); err != nil {
		return err
	}
	if err := f.Engine.Update(ctx, o, f.twice(fn)); err != nil {
		return err
	}
	return f.refuse(kv.ErrCommitUnknown)
}

// twice sometimes runs fn in vain before it runs it for good.
func (f *faulty) twice(fn func(kv.Txn) error) func(kv.Txn) error {
	if !f.fault() {
		return fn
	}
	return func(tx kv.Txn) error {
		_ = fn(inVain{tx})
		return fn(tx)
	}
}

// inVain is a Txn whose writes go nowhere, as if it were not committed.
type inVain struct{ kv.Txn }

func (inVain) Set(_, _ []byte) {}

func (inVain) Delete([]byte) {}

func (inVain) AppendLog(uint64, uint32, []byte) {}

func (inVain) Add(uint64, ...kv.Count) {}

func (inVain) DropCounter(uint64) {}

// UpdateEach implements kv.Engine. Each write fares on its own.
func (f *faulty) UpdateEach(ctx context.Context, o kv.WriteOptions, writes []kv.Write) []error {
	errs := make([]error, len(writes))
	var kept []kv.Write
	var index []int
	for i, w := range writes {
		if errs[i] = f.refuse(kv.ErrConflict, errInjected, kv.ErrCommitUnknown); errs[i] == nil {
			kept = append(kept, kv.Write{Lock: w.Lock, Do: f.twice(w.Do)})
			index = append(index, i)
		}
	}
	for i, err := range f.Engine.UpdateEach(ctx, o, kept) {
		if err == nil {
			err = f.refuse(kv.ErrCommitUnknown)
		}
		errs[index[i]] = err
	}
	return errs
}

// ReadLog implements kv.Engine. It may return fewer records than there are.
func (f *faulty) ReadLog(
	ctx context.Context, log uint64, shard uint32, after kv.Position, page kv.Page,
) ([]kv.Record, kv.Position, error) {
	if err := f.refuse(errInjected); err != nil {
		return nil, kv.Position{}, err
	}
	records, end, err := f.Engine.ReadLog(ctx, log, shard, after, page)
	if len(records) > 1 && f.fault() {
		records = records[:1+f.draw(len(records))]
	}
	return records, end, err
}

// TrimLog implements kv.Engine. It may fail before or after the deed.
func (f *faulty) TrimLog(ctx context.Context, log uint64, shard uint32, upTo kv.Position) error {
	if err := f.refuse(errInjected); err != nil {
		return err
	}
	if err := f.Engine.TrimLog(ctx, log, shard, upTo); err != nil {
		return err
	}
	return f.refuse(errInjected)
}

// DropLog implements kv.Engine. It may fail before or after the deed.
func (f *faulty) DropLog(ctx context.Context, log uint64) error {
	if err := f.refuse(errInjected); err != nil {
		return err
	}
	if err := f.Engine.DropLog(ctx, log); err != nil {
		return err
	}
	return f.refuse(errInjected)
}

// DropRange implements kv.Engine. It may fail before or after the deed.
func (f *faulty) DropRange(ctx context.Context, r kv.Range) error {
	if err := f.refuse(errInjected); err != nil {
		return err
	}
	if err := f.Engine.DropRange(ctx, r); err != nil {
		return err
	}
	return f.refuse(errInjected)
}
