package control

import (
	"slices"
	"strings"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/item"
	"github.com/partita-db/partita/internal/schema"
)

// Limits on the indexes of a table.
const (
	maxLocalIndexes   = 5
	maxGlobalIndexes  = 20
	maxKeyParts       = 4   // hash attributes of a global index, and likewise range attributes
	maxNonKeyInIndex  = 20  // NonKeyAttributes of one index
	maxNonKeyInTable  = 100 // NonKeyAttributes of all indexes together
	maxKeyName        = 255 // characters
	minIndexNameBytes = 3
	maxIndexNameBytes = 255
)

// maxStructs is how many elements of a list of structures are kept. No such list may have as many:
// those that follow cannot make a difference but for memory, as a structure can take hundreds of
// bytes for the two that the body has ("{}").
const maxStructs = 1000

// The parts of a schema as they are sent.
type (
	attributeDefinition struct{ name, kind wire.OptString }
	keyElement          struct{ name, kind wire.OptString }
	projection          struct {
		Set    bool
		kind   wire.OptString
		nonKey wire.OptStrings
	}
	// indexSpec is a LocalSecondaryIndex, a GlobalSecondaryIndex, or an action on an index of
	// UpdateTable. None of them has all the members; one that the model does not have for it is
	// decoded like the others, and ignored.
	indexSpec struct {
		Set        bool
		name       wire.OptString
		keys       optList[keyElement]
		projection projection
		throughput unitPair
		onDemand   unitPair
		warm       unitPair
	}
)

func (c op) attributeDefinitions(dst *optList[attributeDefinition]) error {
	return structs(c, dst, "AttributeDefinition", func(a *attributeDefinition, name string) error {
		switch name {
		case "AttributeName":
			return c.ReadString(&a.name)
		case "AttributeType":
			return c.ReadString(&a.kind)
		}
		return c.Skip()
	})
}

func (c op) keySchema(dst *optList[keyElement]) error {
	return structs(c, dst, "KeySchemaElement", func(k *keyElement, name string) error {
		switch name {
		case "AttributeName":
			return c.ReadString(&k.name)
		case "KeyType":
			return c.ReadString(&k.kind)
		}
		return c.Skip()
	})
}

func (c op) projection(dst *projection) error {
	*dst = projection{Set: true}
	return c.ReadObject(wire.InField, "Projection", func(name string) error {
		switch name {
		case "ProjectionType":
			return c.ReadString(&dst.kind)
		case "NonKeyAttributes":
			return c.ReadStrings(&dst.nonKey)
		}
		return c.Skip()
	})
}

func (c op) indexSpecs(dst *optList[indexSpec], shape string) error {
	return structs(c, dst, shape, func(x *indexSpec, name string) error { return x.member(c, name) })
}

func (x *indexSpec) member(c op, name string) error {
	switch name {
	case "IndexName":
		return c.ReadString(&x.name)
	case "KeySchema":
		return c.keySchema(&x.keys)
	case "Projection":
		return c.projection(&x.projection)
	case "ProvisionedThroughput":
		return c.provisionedThroughput(&x.throughput)
	case "OnDemandThroughput":
		return c.onDemandThroughput(&x.onDemand)
	case "WarmThroughput":
		return c.warmThroughput(&x.warm)
	}
	return c.Skip()
}

// ---- constraints of the service model

// requiredEnum checks a required value of an enum.
func (v *violations) requiredEnum(o wire.OptString, path string, set wire.Enum) {
	if !o.Set {
		v.Null(path)
		return
	}
	v.Enum(o, path, set)
}

// controlName checks a name of the control plane: its length first, then its pattern, which an
// empty name violates too (the order is AWS's, captured in October 2026). The data plane checks
// them the other way round.
func (v *violations) controlName(s, path string) {
	v.Length(len(s), s, path, minIndexNameBytes, maxIndexNameBytes)
	if !wire.IsName(s) {
		v.Add(s, path, wire.NamePattern)
	}
}

// controlTable checks the TableName of a control-plane operation, which tableRequired has passed.
func (v *violations) controlTable(o wire.OptString) {
	if strings.HasPrefix(o.V, "arn:") {
		v.TableName(o, minIndexNameBytes)
		return
	}
	v.controlName(o.V, "tableName")
}

// tableRequired is the first check of the control plane: a missing TableName is reported alone, and
// not among the violations.
func tableRequired(o wire.OptString) error {
	if o.Set {
		return nil
	}
	return wire.Validation("The parameter 'TableName' is required but was not present in the request")
}

// attributeDefinitions checks the elements of AttributeDefinitions, the type before the name as AWS
// does.
func (v *violations) attributeDefinitions(ds optList[attributeDefinition]) {
	for i, d := range ds.V {
		at := element("attributeDefinitions", i)
		v.requiredEnum(d.kind, at+".attributeType", enumAttributeType)
		v.Required(d.name, at+".attributeName", 1, maxKeyName)
	}
}

// keySchema checks a key schema of at most max elements; 0 is no maximum.
func (v *violations) keySchema(ks optList[keyElement], path string, max int) {
	if !ks.Set {
		v.Null(path)
		return
	}
	v.Length(len(ks.V), dumpKeys(ks.V), path, 1, max)
	for i, k := range ks.V {
		at := element(path, i)
		v.Required(k.name, at+".attributeName", 1, maxKeyName)
		v.requiredEnum(k.kind, at+".keyType", enumKeyType)
	}
}

// dumpKeys prints a key schema as Java does.
func dumpKeys(ks []keyElement) string {
	dumps := make([]string, len(ks))
	for i, k := range ks {
		dumps[i] = "KeySchemaElement(attributeName=" + orNull(k.name) + ", keyType=" + orNull(k.kind) + ")"
	}
	return wire.JavaList(dumps)
}

// projection checks a required projection.
func (v *violations) projection(p projection, path string) {
	if !p.Set {
		v.Null(path)
		return
	}
	v.Enum(p.kind, path+".projectionType", enumProjection)
	if !p.nonKey.Set {
		return
	}
	at := path + ".nonKeyAttributes"
	v.Length(len(p.nonKey.V), wire.JavaList(p.nonKey.V), at, 1, maxNonKeyInIndex)
	v.Elements(p.nonKey.V, at, 1, maxKeyName)
}

// indexName checks a required IndexName.
func (v *violations) indexName(o wire.OptString, path string) {
	if !o.Set {
		v.Null(path)
		return
	}
	v.controlName(o.V, path)
}

// Indexes at a path, in AWS's order of members, which differs.

func (v *violations) localIndex(x *indexSpec, at string) {
	v.indexName(x.name, at+".indexName")
	v.keySchema(x.keys, at+".keySchema", 2)
	v.projection(x.projection, at+".projection")
}

func (v *violations) globalIndex(x *indexSpec, at string) {
	v.keySchema(x.keys, at+".keySchema", 0)
	v.projection(x.projection, at+".projection")
	v.indexName(x.name, at+".indexName")
	v.provisioned(x.throughput, at+".provisionedThroughput")
}

// ---- rules between members

// definedNames are the names in AttributeDefinitions, sorted.
func definedNames(ds []attributeDefinition) []string {
	names := make([]string, len(ds))
	for i, d := range ds {
		names[i] = d.name.V
	}
	slices.Sort(names)
	return names
}

// keyNames are the names in a key schema, sorted.
func keyNames(ks []keyElement) []string {
	names := make([]string, len(ks))
	for i, k := range ks {
		names[i] = k.name.V
	}
	slices.Sort(names)
	return names
}

// checkDefined requires a definition of each key attribute.
func checkDefined(ks []keyElement, ds []attributeDefinition) error {
	names := definedNames(ds)
	for _, k := range ks {
		if _, ok := slices.BinarySearch(names, k.name.V); !ok {
			return wire.Validation(wire.Invalid + "Some index key attributes are not defined in AttributeDefinitions. Keys: " +
				wire.JavaList(keyNames(ks)) + ", AttributeDefinitions: " + wire.JavaList(names))
		}
	}
	return nil
}

// Errors of the keys of tables and of indexes.
var (
	errSameKeyName = wire.Validation("Both the Hash Key and the Range Key element in the KeySchema have the same name")
	errFirstKey    = wire.Validation("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	errSecondKey   = wire.Validation("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
)

// checkPair checks the key of a table or a local index: a hash attribute and perhaps a range
// attribute.
func checkPair(ks []keyElement) error {
	switch {
	case len(ks) > 1 && ks[0].name.V == ks[1].name.V:
		return errSameKeyName
	case ks[0].kind.V != "HASH":
		return errFirstKey
	case len(ks) > 1 && ks[1].kind.V != "RANGE":
		return errSecondKey
	}
	return nil
}

// checkParts checks the key of a global index: up to four hash attributes, then up to four range
// attributes.
func checkParts(ks []keyElement) error {
	names := keyNames(ks)
	if len(slices.Compact(names)) < len(ks) {
		if len(ks) == 2 && ks[0].kind.V == "HASH" && ks[1].kind.V == "RANGE" {
			return errSameKeyName
		}
		return wire.Validation("The KeySchema contains multiple key attributes with the same name")
	}
	if ks[0].kind.V != "HASH" {
		return errFirstKey
	}
	var hashes, ranges int
	for _, k := range ks {
		switch {
		case k.kind.V == "RANGE":
			ranges++
		case ranges > 0:
			return wire.Validation(wire.Invalid + "All HASH key attributes must precede RANGE key attributes in the KeySchema")
		default:
			hashes++
		}
	}
	switch {
	case hashes > maxKeyParts:
		return wire.Validation(wire.Invalid + "The KeySchema exceeds the maximum allowed number of HASH key attributes")
	case ranges > maxKeyParts:
		return wire.Validation(wire.Invalid + "The KeySchema exceeds the maximum allowed number of RANGE key attributes")
	}
	return nil
}

// check checks a projection that keeps the constraints.
func (p *projection) check() error {
	switch include := schema.Projection(p.kind.V) == schema.ProjectionInclude; {
	case !p.kind.Set:
		return wire.Validation(wire.Invalid + "Unknown ProjectionType: null")
	case include && !p.nonKey.Set:
		return wire.Validation(wire.Invalid + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case !include && p.nonKey.Set:
		return wire.Validation(wire.Invalid + "ProjectionType is " + p.kind.V + ", but NonKeyAttributes is specified")
	}
	for i, name := range p.nonKey.V {
		if slices.Contains(p.nonKey.V[:i], name) {
			return wire.Validation(wire.Invalid + "Duplicate element in NonKeyAttributes: " + name)
		}
	}
	return nil
}

// checkProjected limits the named attributes that the indexes project together; one that several
// project counts each time. AWS documents the limit; the text is ours, since no answer is recorded.
func checkProjected(xs []schema.Index) error {
	n := 0
	for i := range xs {
		n += len(xs[i].NonKey)
	}
	if n > maxNonKeyInTable {
		return wire.Validationf("%sNumber of NonKeyAttributes in all indexes exceeds the per-table limit of %d", wire.Invalid, maxNonKeyInTable)
	}
	return nil
}

// ---- checked parts as the database holds them. Their strings are still views of the request:
// package db clones the descriptor.

// index is a checked index without its throughput. Its NonKey are sorted, in a copy.
func (x *indexSpec) index(kind schema.IndexKind) schema.Index {
	nonKey := slices.Clone(x.projection.nonKey.V)
	slices.Sort(nonKey)
	return schema.Index{
		Name: x.name.V, Kind: kind, Keys: keyElements(x.keys.V),
		Projection: schema.Projection(x.projection.kind.V), NonKey: nonKey,
	}
}

func keyElements(ks []keyElement) []schema.KeyElement {
	es := make([]schema.KeyElement, len(ks))
	for i, k := range ks {
		es[i] = schema.KeyElement{Name: k.name.V, Range: k.kind.V == "RANGE"}
	}
	return es
}

// attributes are checked definitions, sorted by name.
func attributes(ds []attributeDefinition) []schema.AttributeDefinition {
	as := make([]schema.AttributeDefinition, len(ds))
	for i, d := range ds {
		as[i] = schema.AttributeDefinition{Name: d.name.V, Type: item.ParseType(d.kind.V)}
	}
	slices.SortFunc(as, func(a, b schema.AttributeDefinition) int { return strings.Compare(a.Name, b.Name) })
	return as
}

// usedAttributes are the definitions that a key of the table or of an index uses: DynamoDB drops
// those that only a removed index used.
func usedAttributes(d *schema.Descriptor) []schema.AttributeDefinition {
	used := map[string]bool{}
	for _, k := range d.Keys {
		used[k.Name] = true
	}
	for i := range d.Indexes {
		for _, k := range d.Indexes[i].Keys {
			used[k.Name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(d.Attributes), func(a schema.AttributeDefinition) bool {
		return !used[a.Name]
	})
}
