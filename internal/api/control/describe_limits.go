package control

import (
	"github.com/partita-db/partita/internal/api/call"
	"github.com/partita-db/partita/internal/api/wire"
)

// DescribeLimits answers DescribeLimits with AWS's default quotas, of which those of a table are
// enforced.
func DescribeLimits(cl *call.Call) error {
	c := op{cl}
	if err := wire.Decode(&c.Reader, nothing{}, c, nil); err != nil {
		return err
	}
	if err := c.AskAny("DescribeLimits"); err != nil {
		return err
	}
	c.BeginObject()
	c.IntegerMember("AccountMaxReadCapacityUnits", maxAccountUnits)
	c.IntegerMember("AccountMaxWriteCapacityUnits", maxAccountUnits)
	c.IntegerMember("TableMaxReadCapacityUnits", maxTableUnits)
	c.IntegerMember("TableMaxWriteCapacityUnits", maxTableUnits)
	c.EndObject()
	return nil
}
