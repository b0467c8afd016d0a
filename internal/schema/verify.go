package schema

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/partita-db/partita/internal/item"
)

// This file is the one rule for what a descriptor, of a table or of a stream, may say. It looks at
// one row alone, and says all that is wrong with it: db.Open refuses such a row, check.Run reports
// it, and none is stored (db.store and db.putStream). Everything else trusts descriptors. A rule
// that a stored row of a released version does not keep would keep its server from starting.

// The limits that stored tables keep, which are DynamoDB's.
const (
	mostLocal    = 5
	mostGlobal   = 20
	mostKeyParts = 4       // hash attributes of a global index, and likewise range attributes
	mostNonKey   = 20      // of one index
	mostNonKeys  = 100     // of all indexes together
	mostTags     = 50      //
	mostTagKey   = 128     // characters
	mostTagValue = 256     // characters
	mostName     = 255     // characters of the name of an attribute, bytes of that of a table or an index
	mostPolicy   = 20_480  // bytes
	mostUnits    = 1 << 50 // no request names as many, and sums of a few do not overflow
)

// Faults are what is wrong with a row, in words.
type Faults []string

func (f *Faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func (f *Faults) unless(holds bool, format string, args ...any) {
	if !holds {
		f.add(format, args...)
	}
}

// oneOf notes a value that is none of those that there are.
func oneOf[T ~string](f *Faults, what string, value T, values ...T) {
	f.unless(slices.Contains(values, value), "%s is %q, which is none of %q", what, value, values)
}

// name notes a name that no table or index has. The shortest that requests may give have three
// characters, and those of the first rows two.
func (f *Faults) name(what, name string) {
	other := func(c rune) bool { return !asciiAlnum(c) && !strings.ContainsRune("_.-", c) }
	f.unless(name != "" && len(name) <= mostName && !strings.ContainsFunc(name, other), "%s is %q", what, name)
}

func asciiAlnum(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// attribute notes a name that no attribute has.
func (f *Faults) attribute(what, name string) {
	f.text(what, name, 1, mostName)
}

// text notes a text of too few or too many characters.
func (f *Faults) text(what, s string, least, most int) {
	n := utf8.RuneCountInString(s)
	f.unless(n >= least && n <= most, "%s has %d characters, and may have %d to %d", what, n, least, most)
}

// ascending notes names that are not in their order, or are there twice.
func (f *Faults) ascending(what string, names []string) {
	for i := 1; i < len(names); i++ {
		f.unless(names[i-1] < names[i], "%s %q comes behind %q", what, names[i], names[i-1])
	}
}

// Given notes the id of a table that is still to be given.
func (f *Faults) Given(id, next uint32) {
	f.unless(id < next, "its table id %d is not below the next one, %d", id, next)
}

// String has the faults one after the other, for a line of the log or of a report.
func (f Faults) String() string { return strings.Join(f, "; ") }

// Refuse is the error of a row that the faults are in, and says what to do.
func (f Faults) Refuse(row string, args ...any) error {
	return fmt.Errorf("%s: %s (\"partita check\" lists all that is wrong here; damage is mended by restoring a "+
		"backup, and what a newer version wrote is opened with that version)", fmt.Sprintf(row, args...), f)
}

// newer is the fault of a row that a newer version wrote.
func newer(format, known int) Faults {
	return Faults{fmt.Sprintf("a newer version wrote it: its format is %d, and this version reads %d", format, known)}
}

// ParseDescriptor reads the row of a table, and says all that is wrong with it. Where that is
// something, the descriptor has what could be read of its names.
func ParseDescriptor(key, value []byte) (*Descriptor, Faults) {
	d := new(Descriptor)
	if err := json.Unmarshal(value, d); err != nil {
		var of struct{ Name string }
		_ = json.Unmarshal(value, &of) // a name alone helps to find the table
		return &Descriptor{Name: of.Name}, Faults{"it cannot be read: " + err.Error()}
	}
	if d.Format > DescriptorFormat {
		return d, newer(d.Format, DescriptorFormat)
	}
	f := d.Verify()
	f.unless(string(DescriptorKey(d.ID)) == string(key), "it says that it is of id %d", d.ID)
	return d, f
}

// Verify says all that is wrong with a descriptor.
func (d *Descriptor) Verify() (f Faults) {
	f.unless(d.Format >= 1 && d.Format <= DescriptorFormat, "its format is %d", d.Format)
	f.unless(d.ID != 0, "its id is 0")
	f.unless(d.Epoch != 0, "its epoch is 0")
	f.unless(isUUID(d.UUID), "its UUID is %q", d.UUID)
	f.unless(d.Namespace.Account != "", "it is of no account")
	f.name("its name", d.Name)
	f.unless(!d.Created.IsZero(), "it has no time of its making")
	oneOf(&f, "its state", d.State, StatePublic, StateNoWrites, StateDropped)
	oneOf(&f, "what it is busy with", d.Busy, "", StatusCreating, StatusUpdating, StatusDeleting)
	d.verifyAttributes(&f)
	f.pair("its key", d.Keys)
	d.verifyIndexes(&f)
	d.verifyUnits(&f)
	d.verifyStream(&f)
	d.verifyExpiry(&f)
	d.verifySettings(&f)
	return f
}

// isUUID tells whether s is a UUID in lower case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}

// verifyAttributes looks at the definitions of attributes: all key attributes have one. One that no
// key has does no harm.
func (d *Descriptor) verifyAttributes(f *Faults) {
	seen := map[string]bool{}
	for _, name := range d.keyNames() {
		f.unless(seen[name] || d.AttributeType(name) != item.Missing, "the key attribute %q has no type", name)
		seen[name] = true
	}
	var names []string
	for _, a := range d.Attributes {
		names = append(names, a.Name)
		f.attribute("an attribute that is defined", a.Name)
		f.unless(a.Type == item.S || a.Type == item.N || a.Type == item.B || a.Type == item.Missing && seen[a.Name],
			"the key attribute %q has the type %d", a.Name, a.Type)
	}
	f.ascending("the definition of attribute", names)
}

// keyNames are the names of all key attributes, some of them more than once.
func (d *Descriptor) keyNames() (names []string) {
	for _, k := range d.Keys {
		names = append(names, k.Name)
	}
	for i := range d.Indexes {
		for _, k := range d.Indexes[i].Keys {
			names = append(names, k.Name)
		}
	}
	return names
}

// pair looks at the key of a table: a hash attribute, and perhaps a range attribute.
func (f *Faults) pair(what string, keys []KeyElement) {
	if hash, rng := f.key(what, keys); hash != 1 || rng > 1 {
		f.add("%s has %d hash attributes and %d range attributes", what, hash, rng)
	}
}

// key looks at what all keys have in common, and counts their attributes.
func (f *Faults) key(what string, keys []KeyElement) (hash, rng int) {
	for i, k := range keys {
		f.attribute("an attribute of "+what, k.Name)
		f.unless(!slices.ContainsFunc(keys[:i], func(e KeyElement) bool { return e.Name == k.Name }),
			"%s has the attribute %q twice", what, k.Name)
		if k.Range {
			rng++
		} else {
			f.unless(rng == 0, "%s has the hash attribute %q behind a range attribute", what, k.Name)
			hash++
		}
	}
	return hash, rng
}

// verifyIndexes looks at the indexes: each one alone, and how they go together.
func (d *Descriptor) verifyIndexes(f *Faults) {
	f.unless(d.NextIndex >= FirstIndexID, "its next index id is %d", d.NextIndex)
	local, global, nonKeys := 0, 0, 0
	for i := range d.Indexes {
		x, earlier := &d.Indexes[i], d.Indexes[:i]
		what := fmt.Sprintf("index %q", x.Name)
		f.name("the name of "+what, x.Name)
		f.unless(x.ID >= FirstIndexID && x.ID < d.NextIndex, "%s has the id %d, which was never given", what, x.ID)
		f.unless(!slices.ContainsFunc(earlier, func(e Index) bool { return e.ID == x.ID }),
			"%s has the id %d, which is another's", what, x.ID)
		f.unless(!slices.ContainsFunc(earlier, func(e Index) bool { return e.Name == x.Name }),
			"%s is there twice", what)
		f.unless(!x.Created.IsZero(), "%s has no time of its making", what)
		x.verifyProjection(f, what)
		nonKeys += len(x.NonKey)
		switch x.Kind {
		case LocalIndex:
			local++
			d.verifyLocal(f, x, what)
		case GlobalIndex:
			global++
			d.verifyGlobal(f, x, what)
		default:
			f.add("%s is of the kind %d, which there is not", what, x.Kind)
		}
	}
	f.unless(local <= mostLocal, "it has %d local indexes, and may have %d", local, mostLocal)
	f.unless(global <= mostGlobal, "it has %d global indexes, and may have %d", global, mostGlobal)
	f.unless(nonKeys <= mostNonKeys,
		"its indexes project %d attributes by name, and may project %d", nonKeys, mostNonKeys)
}

// verifyProjection looks at what an index holds of its items.
func (x *Index) verifyProjection(f *Faults, what string) {
	oneOf(f, "the projection of "+what, x.Projection, ProjectionAll, ProjectionKeysOnly, ProjectionInclude)
	for _, name := range x.NonKey {
		f.attribute("an attribute that "+what+" projects", name)
	}
	f.ascending("in the projection of "+what+" attribute", x.NonKey)
	f.unless(len(x.NonKey) <= mostNonKey,
		"%s projects %d attributes by name, and may project %d", what, len(x.NonKey), mostNonKey)
	f.unless(x.Projection == ProjectionInclude == (len(x.NonKey) > 0),
		"%s projects %s and %d attributes by name", what, x.Projection, len(x.NonKey))
}

// verifyLocal looks at a local index. It comes and goes with its table, and has no throughput of
// its own.
func (d *Descriptor) verifyLocal(f *Faults, x *Index, what string) {
	if hash, rng := f.key(what, x.Keys); hash != 1 || rng != 1 {
		f.add("%s is local, and has %d hash attributes and %d range attributes", what, hash, rng)
	}
	if len(d.Keys) > 0 && !d.Keys[0].Range && len(x.Keys) > 0 {
		f.unless(x.Keys[0].Name == d.Keys[0].Name,
			"%s is local, and begins with %q instead of %q", what, x.Keys[0].Name, d.Keys[0].Name)
	}
	f.unless(len(d.Keys) != 1, "%s is local, and the table has no range attribute", what)
	f.unless(x.Phase == PhasePublic, "%s is local, and is %s", what, progress(x.Phase))
	f.unless(x.Throughput == Throughput{} && x.OnDemand == nil && x.Warm == nil,
		"%s is local, and has throughput of its own", what)
}

// verifyGlobal looks at a global index.
func (d *Descriptor) verifyGlobal(f *Faults, x *Index, what string) {
	if hash, rng := f.key(what, x.Keys); hash < 1 || hash > mostKeyParts || rng > mostKeyParts {
		f.add("%s has %d hash attributes and %d range attributes", what, hash, rng)
	}
	f.unless(x.indexed(), "%s is %s", what, progress(x.Phase))
	d.verifyThroughput(f, what, &throughput{&x.Throughput, x.OnDemand, x.Warm, x.Dropping})
}

// progress words how far something is.
func progress(p Phase) string {
	if p.Dropping {
		return fmt.Sprintf("%q on its way out", p.State)
	}
	return fmt.Sprintf("%q and not on its way out", p.State)
}

// verifyUnits looks at the billing mode and the table's own throughput.
func (d *Descriptor) verifyUnits(f *Faults) {
	oneOf(f, "its billing mode", d.Billing, Provisioned, PayPerRequest)
	d.verifyThroughput(f, "the table", &throughput{Throughput: &d.Throughput, onDemand: d.OnDemand, warm: d.Warm})
}

// throughput is all that is stored of the throughput of a table or of an index.
type throughput struct {
	*Throughput
	onDemand *OnDemand
	warm     *Warm
	// mayBeNone allows none where units are provisioned: an index that goes when its table is
	// switched to them is given none.
	mayBeNone bool
}

// verifyThroughput looks at the throughput of the table or of an index.
func (d *Descriptor) verifyThroughput(f *Faults, what string, t *throughput) {
	least, most := int64(0), int64(0)
	if d.Billing != PayPerRequest {
		least, most = 1, mostUnits
	}
	if t.mayBeNone {
		least = 0
	}
	in := func(n, least, most int64) bool { return n >= least && n <= most }
	f.unless(in(t.Read, least, most) && in(t.Write, least, most), "%s has %d read units and %d write units, and is %s",
		what, t.Read, t.Write, d.Billing)
	f.unless(t.DecreasesToday >= 0, "the throughput of %s was decreased %d times", what, t.DecreasesToday)
	if o := t.onDemand; o != nil {
		f.unless(d.Billing != Provisioned, "%s has maxima of on-demand units, and is PROVISIONED", what)
		f.unless(in(o.MaxRead, -1, mostUnits) && in(o.MaxWrite, -1, mostUnits),
			"%s has maxima of %d and %d on-demand units", what, o.MaxRead, o.MaxWrite)
	}
	if w := t.warm; w != nil {
		f.unless(in(w.Read, 0, mostUnits) && in(w.Write, 0, mostUnits),
			"%s has %d and %d warm units", what, w.Read, w.Write)
	}
}

// viewTypes are what records of streams can have of items.
var viewTypes = []ViewType{ViewKeysOnly, ViewNewImage, ViewOldImage, ViewNewAndOldImages}

// verifyStream looks at what the table says of its streams. A table that was written before there
// were streams has a view type, and gets a stream as soon as it is opened.
func (d *Descriptor) verifyStream(f *Faults) {
	if d.StreamViewType != "" {
		oneOf(f, "its stream view type", d.StreamViewType, viewTypes...)
	}
	if d.StreamLabel != "" {
		f.label("its stream label", d.StreamLabel)
	}
	if d.StreamID == 0 {
		return
	}
	f.unless(streamOf(d.StreamID, d.ID) && uint32(d.StreamID) <= d.StreamCount,
		"it writes the log %x, which it never had", d.StreamID)
	f.unless(d.StreamLabel != "", "it writes a stream without a label")
	f.unless(d.StreamViewType != "", "it writes a stream, and has no stream view type")
	f.unless(d.State != StateNoWrites && d.State != StateDropped,
		"it writes a stream, and its state is %q", string(d.State))
}

// streamOf tells whether a stream with the id can be the table's.
func streamOf(id uint64, table uint32) bool { return uint32(id>>32) == table && uint32(id) != 0 }

// label notes what is no label of a stream.
func (f *Faults) label(what, label string) {
	_, err := time.Parse(labelLayout, label)
	f.unless(err == nil && len(label) == len(labelLayout), "%s is %q", what, label)
}

// verifyExpiry looks at what the table says of the expiry of its items.
func (d *Descriptor) verifyExpiry(f *Faults) {
	e := d.Expiry
	if e == nil {
		return
	}
	f.attribute("the attribute by which items expire", e.Attribute)
	f.unless(e.Since >= 1 && e.Since <= d.Epoch,
		"items expire since epoch %d, and the table has come to %d", e.Since, d.Epoch)
	f.unless(e.indexed() || e.Phase == PhaseCleared, "the index by expiry is %s", progress(e.Phase))
}

// verifySettings looks at what has nothing to do with what is stored of items.
func (d *Descriptor) verifySettings(f *Faults) {
	oneOf(f, "its encryption", d.SSEType, "", "KMS")
	f.unless(d.SSEKey == "" || d.SSEType != "", "it has a key, and no encryption")
	oneOf(f, "its class", d.TableClass, "", "STANDARD", "STANDARD_INFREQUENT_ACCESS")
	var keys []string
	for _, t := range d.Tags {
		keys = append(keys, t.Key)
		f.text("the key of a tag", t.Key, 1, mostTagKey)
		f.text("the value of a tag", t.Value, 0, mostTagValue)
	}
	f.ascending("tag", keys)
	f.unless(len(d.Tags) <= mostTags, "it has %d tags, and may have %d", len(d.Tags), mostTags)
	f.unless(len(d.ResourcePolicy) <= mostPolicy,
		"its resource policy has %d bytes, and may have %d", len(d.ResourcePolicy), mostPolicy)
}

// ParseStream reads the row of a stream, and says all that is wrong with it, as ParseDescriptor.
func ParseStream(key, value []byte) (*Stream, Faults) {
	s := new(Stream)
	if err := json.Unmarshal(value, s); err != nil {
		var of struct{ Table, Label string }
		_ = json.Unmarshal(value, &of)
		return &Stream{Table: of.Table, Label: of.Label}, Faults{"it cannot be read: " + err.Error()}
	}
	if s.Format > streamFormat {
		return s, newer(s.Format, streamFormat)
	}
	s.path = StreamPath(s.Table, s.Label)
	f := s.Verify()
	f.unless(string(StreamKey(s.ID)) == string(key), "it says that it is of log %x", s.ID)
	return s, f
}

// Verify says all that is wrong with the descriptor of a stream.
func (s *Stream) Verify() (f Faults) {
	f.unless(s.Format >= 1 && s.Format <= streamFormat, "its format is %d", s.Format)
	f.unless(s.TableID != 0 && streamOf(s.ID, s.TableID),
		"its id is %x, which is none that table id %d could have given", s.ID, s.TableID)
	f.unless(s.Namespace.Account != "", "it is of no account")
	f.name("the name of its table", s.Table)
	f.unless(isUUID(s.TableUUID), "the UUID of its table is %q", s.TableUUID)
	f.label("its label", s.Label)
	oneOf(&f, "its view type", s.ViewType, viewTypes...)
	f.pair("the key of its table", s.Keys)
	f.unless(!s.Created.IsZero(), "it has no time of its making")
	f.unless(s.Shards >= 1 && s.Shards <= maxShards, "it has %d shards, and may have 1 to %d", s.Shards, maxShards)
	if s.Ends != nil {
		f.unless(len(s.Ends) == s.Shards, "it has %d shards, and ends of %d", s.Shards, len(s.Ends))
		f.unless(!s.Ended.IsZero(), "it has ends of its shards, and has not ended")
	}
	return f
}
