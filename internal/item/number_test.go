package item

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// newRand returns a random source and prints its seed.
func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// randomNumber returns a number's text within the limits; most have few digits and small exponents,
// so that many meet.
func randomNumber(r *rand.Rand) string {
	digits := 1 + r.IntN(5)
	if r.IntN(4) == 0 {
		digits = 1 + r.IntN(maxDigits)
	}
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteByte('-')
	}
	for i := range digits {
		if i == 1 {
			b.WriteByte('.')
		}
		b.WriteByte("0123456789990001"[r.IntN(16)])
	}
	exponent := r.IntN(9) - 4
	if r.IntN(4) == 0 {
		exponent = minExponent + 40 + r.IntN(maxExponent-minExponent-40+1)
	}
	fmt.Fprintf(&b, "E%d", exponent)
	return b.String()
}

// rat returns the number that a text says.
func rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	x, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is not a number", text)
	}
	return x
}

// TestNumberOrder compares random numbers as bytes and as rationals, and prints them.
func TestNumberOrder(t *testing.T) {
	r := newRand(t)
	for range 5000 {
		x, y := randomNumber(r), randomNumber(r)
		a, b := mustNumber(t, x), mustNumber(t, y)
		if got, want := bytes.Compare(a.Bytes(), b.Bytes()), rat(t, x).Cmp(rat(t, y)); got != want {
			t.Fatalf("%s (%x) to %s (%x) compares as %d, want %d", x, a.Bytes(), y, b.Bytes(), got, want)
		}
		if !Equal(a, b) && (bytes.HasPrefix(a.Bytes(), b.Bytes()) || bytes.HasPrefix(b.Bytes(), a.Bytes())) {
			t.Fatalf("one of %s (%x) and %s (%x) begins with the other", x, a.Bytes(), y, b.Bytes())
		}
		text := string(appendNumberText(nil, a.Bytes()))
		if rat(t, text).Cmp(rat(t, x)) != 0 || strings.ContainsAny(text, "eE+") {
			t.Fatalf("%s prints as %s", x, text)
		}
		if again := mustNumber(t, text); !Equal(a, again) {
			t.Fatalf("%s is %x, but %s is %x", x, a.Bytes(), text, again.Bytes())
		}
		if got, want := a.Size(), wantNumberSize(text); got != want {
			t.Fatalf("size of %s = %d, want %d", text, got, want)
		}
	}
}

// wantNumberSize counts a plain decimal's size on its text.
func wantNumberSize(text string) int {
	size := 1
	if strings.HasPrefix(text, "-") {
		size++
	}
	left, right, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if right == "" {
		left = strings.TrimRight(left, "0")
	}
	if left = strings.TrimLeft(left, "0"); left == "" {
		right = strings.TrimLeft(right, "0")
	}
	return size + (len(left)+1)/2 + (len(right)+1)/2
}

// TestArithmeticAgainstRationals adds and subtracts random numbers here and in math/big.
func TestArithmeticAgainstRationals(t *testing.T) {
	r := newRand(t)
	exact, refused := 0, 0
	for range 3000 {
		x, y := randomNumber(r), randomNumber(r)
		a, b := mustNumber(t, x), mustNumber(t, y)
		for _, op := range []struct {
			name string
			got  func(a, b Value) (Value, error)
			want *big.Rat
		}{
			{"+", Add, new(big.Rat).Add(rat(t, x), rat(t, y))},
			{"-", Subtract, new(big.Rat).Sub(rat(t, x), rat(t, y))},
		} {
			v, err := op.got(a, b)
			want, problem := numberOf(op.want)
			if problem != 0 {
				refused++
				if err == nil || err.Error() != problem.fault("").Message {
					t.Fatalf("%s %s %s: %v, want %s", x, op.name, y, err, problem.fault("").Message)
				}
				continue
			}
			exact++
			if err != nil || !bytes.Equal(v.Bytes(), want) {
				t.Fatalf("%s %s %s = %x, %v, want %x", x, op.name, y, v.Raw(), err, want)
			}
		}
	}
	if exact == 0 || refused == 0 {
		t.Errorf("%d exact results and %d refused: the numbers are too much alike", exact, refused)
	}
}

// numberOf stores a rational that is a decimal of at most 400 places.
func numberOf(x *big.Rat) ([]byte, numberProblem) {
	return appendNumber(nil, []byte(x.FloatString(400)))
}

func TestInt(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 9, 10, 99, 100, -100, 1 << 40, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1} {
		v := Int(n)
		if want := mustNumber(t, fmt.Sprint(n)); !Equal(v, want) {
			t.Errorf("Int(%d) = %x, want %x", n, v.Raw(), want.Raw())
		}
		if got, ok := v.Int64(); !ok || got != n {
			t.Errorf("Int64 of %d = %d, %v", n, got, ok)
		}
	}
	for _, text := range []string{"0.5", "1.5", "9223372036854775808", "-9223372036854775809", "1E19", "1E125", "1E-130", "99999999999999999999"} {
		if n, ok := mustNumber(t, text).Int64(); ok {
			t.Errorf("Int64 of %s = %d", text, n)
		}
	}
	if _, ok := String("1").Int64(); ok {
		t.Error("Int64 of a string is ok")
	}
}

// TestFloor compares Floor with arithmetic on rationals.
func TestFloor(t *testing.T) {
	for _, text := range []string{
		"0", "1.5", "-1.5", "0.5", "-0.5", "1E-130", "-1E-130", "1700000000", "1700000000.999999999", "-7", "9223372036854775807.9", "9223372036854775807",
		"9223372036854775808", "-9223372036854775808", "-9223372036854775807.5", "-9223372036854775808.1", "9999999999999999999.9", "1E19", "1E125", "-1E125",
	} {
		x, _ := new(big.Rat).SetString(text)
		want := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean: with a positive divisor, down
		n, ok := mustNumber(t, text).Floor()
		if ok != want.IsInt64() || ok && n != want.Int64() {
			t.Errorf("Floor of %s = %d, %v, want %v", text, n, ok, want)
		}
	}
	if _, ok := String("1").Floor(); ok {
		t.Error("Floor of a string is ok")
	}
}

// TestLongNumbers parses texts of a megabyte, which must cost neither time nor memory.
func TestLongNumbers(t *testing.T) {
	zeros := strings.Repeat("0", 1<<20)
	for _, test := range []struct{ name, text, want string }{
		{"leading zeros", zeros + "7", "7"},
		{"trailing zeros", "7." + zeros, "7"},
		{"undone by the exponent", "0." + zeros + "7E1048577", "7"},
		{"undone the other way", "7" + zeros + "E-1048576", "7"},
		{"exponent with leading zeros", "7E" + zeros + "1", "70"},
		{"all zeros", zeros + "." + zeros, "0"},
	} {
		text := []byte(test.text)
		var payload []byte
		allocs := testing.AllocsPerRun(1, func() {
			buf := make([]byte, 0, maxNumberBytes)
			payload, _ = appendNumber(buf, text)
		})
		if got := string(appendNumberText(nil, payload)); got != test.want || allocs > 1 {
			t.Errorf("%s: %s with %v allocations, want %s", test.name, got, allocs, test.want)
		}
	}
	for _, text := range []string{zeros + "x", "1" + zeros, "0." + zeros + "1", "1E" + strings.Repeat("9", 1<<20)} {
		if _, problem := appendNumber(nil, []byte(text)); problem == 0 {
			t.Errorf("a number of %d characters is taken", len(text))
		}
	}
}

// FuzzNumber holds parsing against math/big, and the stored form against itself.
func FuzzNumber(f *testing.F) {
	for _, text := range []string{"0", "-1.50", "1E125", "1E-130", ".5", "5.", "1e999999999999", "123456789012345678901234567890123456789", "--1", "+.e"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Number(text)
		if err != nil {
			if _, ok := err.(*Fault); !ok {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if err := v.Verify(); err != nil {
			t.Fatal(err)
		}
		plain := string(appendNumberText(nil, v.Bytes()))
		if again := mustNumber(t, plain); !Equal(v, again) {
			t.Fatalf("%q is %x, but %q is %x", text, v.Raw(), plain, again.Raw())
		}
		// math/big would compute enormous powers of ten, and what the exponent undoes is tested
		// elsewhere.
		if len(text) < 60 && !strings.ContainsAny(text, "eE") && rat(t, text).Cmp(rat(t, plain)) != 0 {
			t.Fatalf("%q prints as %q", text, plain)
		}
		if got, want := v.Size(), wantNumberSize(plain); got != want {
			t.Fatalf("size of %q = %d, want %d", plain, got, want)
		}
		if zero, err := Subtract(v, v); err != nil || !Equal(zero, Int(0)) {
			t.Fatalf("%q minus itself is %x, %v", text, zero.Raw(), err)
		}
	})
}
