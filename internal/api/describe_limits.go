package api

// nothing is a request without members.
type nothing struct{}

// describeLimits answers DescribeLimits with AWS's default quotas.
func (c *call) describeLimits() error {
	if err := decode(&c.reader, nothing{}, c, nil); err != nil {
		return err
	}
	if err := c.askAny("DescribeLimits"); err != nil {
		return err
	}
	c.open()
	c.intMember("AccountMaxReadCapacityUnits", maxAccountUnits)
	c.intMember("AccountMaxWriteCapacityUnits", maxAccountUnits)
	c.intMember("TableMaxReadCapacityUnits", maxTableUnits)
	c.intMember("TableMaxWriteCapacityUnits", maxTableUnits)
	c.close()
	return nil
}
