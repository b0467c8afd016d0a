package api

// nothing is a request without members.
type nothing struct{}

// DescribeLimits answers DescribeLimits with AWS's default quotas.
func DescribeLimits(cl *call) error {
	c := op{cl}
	if err := decode(&c.reader, nothing{}, c, nil); err != nil {
		return err
	}
	if err := c.askAny("DescribeLimits"); err != nil {
		return err
	}
	c.beginObject()
	c.integerMember("AccountMaxReadCapacityUnits", maxAccountUnits)
	c.integerMember("AccountMaxWriteCapacityUnits", maxAccountUnits)
	c.integerMember("TableMaxReadCapacityUnits", maxTableUnits)
	c.integerMember("TableMaxWriteCapacityUnits", maxTableUnits)
	c.endObject()
	return nil
}
