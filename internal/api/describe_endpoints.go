package api

// DescribeEndpoints answers DescribeEndpoints with the address that it was asked at, as an endpoint of AWS does: an SDK that has
// endpoint discovery switched on sends what follows there, some of them even where an endpoint was given.
func DescribeEndpoints(cl *call) error {
	c := op{cl}
	if err := decode(&c.reader, nothing{}, c, nil); err != nil {
		return err
	}
	if err := c.askAny("DescribeEndpoints"); err != nil {
		return err
	}
	c.beginObject()
	c.name("Endpoints")
	c.raw("[{")
	address := c.endpoint
	if address == "" {
		address = "dynamodb." + c.region + ".amazonaws.com"
	}
	c.stringMember("Address", address)
	c.integerMember("CachePeriodInMinutes", 1440)
	c.raw("}]")
	c.endObject()
	return nil
}
