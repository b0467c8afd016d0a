package item

// FaultKind says which of DynamoDB's rules a value breaks. Some operations word the families differently.
type FaultKind int

// The kinds of Fault.
const (
	FaultEmpty    FaultKind = iota + 1 // an AttributeValue without a member
	FaultMultiple                      // an AttributeValue with more than one member
	FaultNumber                        // not a number, out of range, too many digits
	FaultNull                          // NULL with false
	FaultSet                           // an empty set or a repeated member
	FaultNesting                       // more than 32 levels
	FaultName                          // an empty attribute name or map key, or one over 65535 bytes
)

// Fault is content that is well-formed JSON of the right types but that DynamoDB refuses with a ValidationException.
// Message is DynamoDB's own text.
type Fault struct {
	Kind    FaultKind
	Message string
}

func (f *Fault) Error() string { return f.Message }

// Faults are what DynamoDB would find in one value or item, in the order in which it looks: depth first, each
// AttributeValue as reference validation.md §2.3 orders it. Null is the first NULL:false; First is the first fault of any
// other kind. PutItem reports Null before First; elsewhere the earlier one counts, which Earliest returns.
type Faults struct {
	Null, First *Fault
	nullEarlier bool
}

// Earliest returns the fault that comes first in the walk, or nil.
func (f *Faults) Earliest() *Fault { panic("unbuilt") }

// Decoder turns DynamoDB's JSON into canonical values. It owns a buffer in which the decoded bytes lie: they are valid until
// Reset. The zero Decoder is ready; reuse saves allocations.
type Decoder struct {
	buf []byte
	// (more scratch)
}

// Reset makes the decoder's buffer free for reuse. Values decoded before are no longer valid.
func (d *Decoder) Reset() { panic("unbuilt") }

// Item decodes the JSON object at s into an item: a map of attribute names to AttributeValues. The error is a
// *TypeError or ErrSyntax of s. Faults do not stop it: with any fault the returned Item is the zero Item.
// Repeated names: the last one counts. null members are dropped as if absent; unknown members are ignored.
func (d *Decoder) Item(s *Scanner) (Item, Faults, error) { panic("unbuilt") }

// Value decodes the AttributeValue at s.
func (d *Decoder) Value(s *Scanner) (Value, Faults, error) { panic("unbuilt") }
