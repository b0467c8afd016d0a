package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// DescribeEndpoints answers DescribeEndpoints with the address that the request was sent to. An SDK
// that has endpoint discovery switched on sends its requests to the address answered, some SDKs
// even if an endpoint is configured: any other address would lead them away from here.
func DescribeEndpoints(cl *call.Call) error {
	c := op{cl}
	if err := wire.Decode(&c.Reader, nothing{}, c, nil); err != nil {
		return err
	}
	if err := c.AskAny("DescribeEndpoints"); err != nil {
		return err
	}
	c.BeginObject()
	c.Name("Endpoints")
	c.Raw("[{")
	address := c.Endpoint
	if address == "" {
		address = "dynamodb." + c.Region + ".amazonaws.com"
	}
	c.StringMember("Address", address)
	c.IntegerMember("CachePeriodInMinutes", 1440)
	c.Raw("}]")
	c.EndObject()
	return nil
}
