package api

// nothing is a request without members.
type nothing struct{}

func (nothing) names() []string                   { return nil }
func (nothing) member(c *call, name string) error { return c.skip() }

// describeLimits answers DescribeLimits with AWS's default quotas.
func (c *call) describeLimits() error {
	if err := c.decode(nothing{}); err != nil {
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
