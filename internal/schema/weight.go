package schema

// What descriptors take in memory, with what is derived from them and with figures of each, in
// bytes.
//
// The weights were measured on tables with 0, 1 and 20 indexes and with 0 and 50 tags, with short
// names and with the longest; they are above what such tables take, by up to a third.
const (
	tableWeight     = 2000
	indexWeight     = 1200
	tagWeight       = 64
	attributeWeight = 48
	streamWeight    = 800
)

// textWeight is what strings of so many bytes together take: they stand in the descriptor and, in
// part, in what is derived from it.
func textWeight(bytes int) int64 { return int64(bytes + bytes/4) }

// Weight is what a table of the descriptor takes in memory, in bytes, without its stream.
func (d *Descriptor) Weight() int64 {
	text := 2*len(d.Name) + len(d.ResourcePolicy) + len(d.SSEKey)
	for _, a := range d.Attributes {
		text += len(a.Name)
	}
	for _, t := range d.Tags {
		text += len(t.Key) + len(t.Value)
	}
	for i := range d.Indexes {
		x := &d.Indexes[i]
		text += len(x.Name)
		for _, k := range x.Keys {
			text += len(k.Name)
		}
		for _, name := range x.NonKey {
			text += len(name)
		}
	}
	return tableWeight + indexWeight*int64(len(d.Indexes)) + tagWeight*int64(len(d.Tags)) +
		attributeWeight*int64(len(d.Attributes)) + textWeight(text)
}

// Weight is what the stream takes in memory, in bytes.
func (s *Stream) Weight() int64 {
	return streamWeight + int64(16*len(s.Ends)) + textWeight(2*len(s.Table))
}

// NewStreamWeight is the weight of a stream that a table of the descriptor gets.
func (d *Descriptor) NewStreamWeight() int64 { return streamWeight + textWeight(2*len(d.Name)) }
