package api

// describeEndpoints answers DescribeEndpoints as AWS does. SDKs ask only if endpoint discovery is switched on, and
// never where an endpoint was given.
func (c *call) describeEndpoints() error {
	if err := c.decode(nothing{}); err != nil {
		return err
	}
	c.open()
	c.key("Endpoints")
	c.out = append(c.out, "[{"...)
	c.stringMember("Address", "dynamodb."+c.region+".amazonaws.com")
	c.intMember("CachePeriodInMinutes", 1440)
	c.out = append(c.out, "}]"...)
	c.close()
	return nil
}
