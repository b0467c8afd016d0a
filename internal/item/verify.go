package item

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Verify walks all of a parsed item and returns an error if it is damaged, not canonical, or has a
// wrong size. (Parse checks the row's head only.) A missing item is valid.
func (it Item) Verify() error {
	if !it.Exists() {
		return nil
	}
	if err := verifyEntries(it.attrs, maxLevels); err != nil {
		return fmt.Errorf("item: %w", err)
	}
	size := 0
	for name, v := range it.Attributes() {
		size += len(name) + v.Size()
	}
	if size != it.size {
		return fmt.Errorf("item: size is %d, but the attributes make %d", it.size, size)
	}
	return nil
}

// Verify returns an error if the value is damaged or not canonical. A missing value is valid.
func (v Value) Verify() error {
	if !v.Exists() {
		return nil
	}
	if valueEnd(v.b, 0) != len(v.b) {
		return errors.New("item: value is damaged")
	}
	if err := v.verify(maxLevels); err != nil {
		return fmt.Errorf("item: %w", err)
	}
	return nil
}

// ParseValue returns the value whose Raw bytes b are, after verifying them. The Value is a view of
// b.
func ParseValue(b []byte) (Value, error) {
	v := Value{b[:len(b):len(b)]}
	if len(b) == 0 {
		return Value{}, errors.New("item: no value")
	}
	if err := v.Verify(); err != nil {
		return Value{}, err
	}
	return v, nil
}

// errDamaged says that lengths or counts do not match the bytes.
var errDamaged = errors.New("lengths do not match")

// verifyEntries checks a map's payload, in which levels more lists and maps may lie within each
// other.
func verifyEntries(b []byte, levels int) error {
	n, i, err := verifyCount(b)
	if err != nil {
		return err
	}
	last := ""
	for at := 0; at < n; at++ {
		name, v, next, ok := entryAt(b, i)
		if !ok {
			return fmt.Errorf("attribute %d after %q: %w", at, last, errDamaged)
		}
		switch {
		case len(name) == 0 || len(name) > maxNameBytes:
			return fmt.Errorf("attribute %d after %q has a name of %d bytes", at, last, len(name))
		case !utf8.Valid(name):
			return fmt.Errorf("attribute name %q is not UTF-8", name)
		case at > 0 && string(name) <= last:
			return fmt.Errorf("attribute %q does not come after %q", name, last)
		}
		last = view(name)
		if err := v.verify(levels); err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
		i = next
	}
	if i != len(b) {
		return errDamaged
	}
	return nil
}

// verifyCount is readCount with an error for damage.
func verifyCount(b []byte) (n, next int, err error) {
	v, next, ok := readUvarint(b, 0)
	if !ok || v > uint64(len(b)-next) {
		return 0, 0, errDamaged
	}
	return int(v), next, nil
}

// verify checks a value whose length is known to fit.
func (v Value) verify(levels int) error {
	p := v.payload()
	switch t := v.Type(); t {
	case NULL, BOOL, B:
		return nil
	case S:
		if !utf8.Valid(p) {
			return errors.New("string is not UTF-8")
		}
		return nil
	case N:
		return verifyNumber(p)
	case SS, NS, BS:
		return verifySet(t, p)
	case L, M:
		if levels == 0 {
			return fmt.Errorf("more than %d levels", maxLevels)
		}
		if t == M {
			return verifyEntries(p, levels-1)
		}
		return verifyList(p, levels-1)
	}
	return errors.New("unknown type")
}

func verifyNumber(b []byte) error {
	var d decimal
	if !d.load(b) {
		return errors.New("number is not canonical")
	}
	return nil
}

func verifySet(t Type, b []byte) error {
	n, i, err := verifyCount(b)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("set is empty")
	}
	var last []byte
	for at := 0; at < n; at++ {
		start, end, ok := span(b, i)
		if !ok {
			return errDamaged
		}
		m := b[start:end]
		if at > 0 && string(m) <= string(last) {
			return fmt.Errorf("set member %d does not come after the one before it", at)
		}
		if err := (Value{appendValue(nil, memberType(t), m)}).verify(0); err != nil {
			return fmt.Errorf("set member %d: %w", at, err)
		}
		last, i = m, end
	}
	if i != len(b) {
		return errDamaged
	}
	return nil
}

func verifyList(b []byte, levels int) error {
	n, i, err := verifyCount(b)
	if err != nil {
		return err
	}
	for at := 0; at < n; at++ {
		end := valueEnd(b, i)
		if end < 0 {
			return fmt.Errorf("element %d: %w", at, errDamaged)
		}
		if err := (Value{b[i:end]}).verify(levels); err != nil {
			return fmt.Errorf("element %d: %w", at, err)
		}
		i = end
	}
	if i != len(b) {
		return errDamaged
	}
	return nil
}
