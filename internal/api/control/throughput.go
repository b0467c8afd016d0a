package control

import (
	"strconv"
	"time"

	"github.com/partita-db/partita/internal/api/wire"
	"github.com/partita-db/partita/internal/schema"
)

// errUnitsOnDemand is the error for provisioned units of a table that is on demand.
var errUnitsOnDemand = wire.Validation(wire.Invalid + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")

// Quotas on throughput. Those of the account and the table are AWS's defaults, which DescribeLimits
// answers. The account's is not enforced: it divides the capacity that customers of AWS share, and
// there is none here.
const (
	maxUnits        = 1_000_000_000_000 // a larger number is "out of bounds", before the quotas
	maxTableUnits   = 40_000
	maxAccountUnits = 80_000
	initialRead     = 12_000 // warm throughput of a new on-demand table
	initialWrite    = 4_000
	freeDecreases   = 4 // decreases a UTC day without waiting
	decreaseWait    = time.Hour
)

// unitPair is a ProvisionedThroughput, OnDemandThroughput or WarmThroughput as sent.
type unitPair struct {
	Set         bool
	read, write wire.OptInt
}

// unitPair decodes a structure of two Longs.
func (c op) unitPair(dst *unitPair, shape, read, write string) error {
	*dst = unitPair{Set: true}
	return c.ReadObject(wire.InField, shape, func(name string) error {
		switch name {
		case read:
			return c.ReadInt(&dst.read, "Long")
		case write:
			return c.ReadInt(&dst.write, "Long")
		}
		return c.Skip()
	})
}

func (c op) provisionedThroughput(dst *unitPair) error {
	return c.unitPair(dst, "ProvisionedThroughput", "ReadCapacityUnits", "WriteCapacityUnits")
}

func (c op) onDemandThroughput(dst *unitPair) error {
	return c.unitPair(dst, "OnDemandThroughput", "MaxReadRequestUnits", "MaxWriteRequestUnits")
}

func (c op) warmThroughput(dst *unitPair) error {
	return c.unitPair(dst, "WarmThroughput", "ReadUnitsPerSecond", "WriteUnitsPerSecond")
}

func (p unitPair) empty() bool { return !p.read.Set && !p.write.Set }

// each calls fn with the given names for the members that were sent, the read units first as in
// DynamoDB's messages, until it returns an error.
func (p unitPair) each(read, write string, fn func(name string, n int64, write bool) error) error {
	if p.read.Set {
		if err := fn(read, p.read.V, false); err != nil {
			return err
		}
	}
	if p.write.Set {
		return fn(write, p.write.V, true)
	}
	return nil
}

// provisioned checks the constraints on a ProvisionedThroughput that may be absent. AWS reports the
// write units first.
func (v *violations) provisioned(p unitPair, path string) {
	if !p.Set {
		return
	}
	v.positive(p.write, path+".writeCapacityUnits")
	v.positive(p.read, path+".readCapacityUnits")
}

// positive checks a required number of at least 1.
func (v *violations) positive(o wire.OptInt, path string) {
	if !o.Set {
		v.Null(path)
		return
	}
	v.Integer(o, path, 1, 0)
}

// owner is what throughput belongs to, for messages: an index by name, or the table if it is empty.
type owner string

// guide ends messages about quotas.
const guide = " Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."

// checkBounds is the first check of provisioned units, long before checkQuota: absurd numbers have
// an error of their own.
func (p unitPair) checkBounds(of owner) error {
	return p.each("ReadCapacityUnits", "WriteCapacityUnits", func(name string, n int64, _ bool) error {
		switch {
		case n <= maxUnits:
			return nil
		case of == "":
			return wire.Validationf("Given value %d for %s is out of bounds", n, name)
		}
		return wire.Validationf("Given value %d for %s is out of bounds for index %s", n, name, of)
	})
}

// checkQuota limits provisioned units to the per-table maximum, which is also that of an index.
func (p unitPair) checkQuota(of owner, region string) error {
	return p.each("ReadCapacityUnits", "WriteCapacityUnits", func(name string, n int64, _ bool) error {
		if n <= maxTableUnits {
			return nil
		}
		number := strconv.FormatInt(n, 10)
		// AWS says "Per table maximum" for indexes too.
		tail := " maximum for the account in " + region + ". Per table maximum: " +
			strconv.Itoa(maxTableUnits) + "." + guide
		if of == "" {
			return wire.LimitExceeded("The requested " + name + ", " + number + ", is above the per table" + tail)
		}
		return wire.LimitExceeded("The requested " + name + " for index " + string(of) + ", " + number +
			", is above the per index" + tail)
	})
}

// onDemand is how messages on OnDemandThroughput name its owner: "for table", "for index : name".
func (o owner) onDemand() string {
	if o == "" {
		return "for table"
	}
	return "for index : " + string(o)
}

// warm is how messages on WarmThroughput name its owner.
func (o owner) warm() string {
	if o == "" {
		return "for table"
	}
	return "for index " + string(o)
}

// checkOnDemandMode rejects OnDemandThroughput of provisioned tables. create selects the words of
// CreateTable, which differ.
func (p unitPair) checkOnDemandMode(of owner, mode schema.BillingMode, create bool) error {
	if mode != schema.Provisioned {
		return nil
	}
	return p.each("MaxReadRequestUnits", "MaxWriteRequestUnits", func(name string, _ int64, _ bool) error {
		message := wire.Invalid + name + " for OnDemandThroughput "
		if of != "" {
			message += of.onDemand() + " "
		}
		if create {
			return wire.Validation(message + "cannot be specified when table BillingMode is PROVISIONED.")
		}
		return wire.Validation(message + "cannot be specified when the table BillingMode is PROVISIONED")
	})
}

// checkOnDemand checks the range of on-demand maxima. In an update, -1 clears one; create is for a
// new table or index, which has none to clear.
func (p unitPair) checkOnDemand(of owner, region string, create bool) error {
	return p.each("MaxReadRequestUnits", "MaxWriteRequestUnits", func(name string, n int64, write bool) error {
		requested := "Requested " + name + " for OnDemandThroughput " + of.onDemand()
		switch {
		case n < 1 && (create || n != -1):
			return wire.Validation(wire.Invalid + requested + " is outside of valid range")
		case n > maxTableUnits:
			return wire.LimitExceeded(wire.SubscriberLimit + requested + exceedsQuota(write, region))
		}
		return nil
	})
}

// exceedsQuota ends messages about more units than DescribeLimits allows a table.
func exceedsQuota(write bool, region string) string {
	if write {
		return " exceeds TableMaxWriteCapacityUnits of the account in region " + region
	}
	return " exceeds TableMaxReadCapacityUnits of the account in region " + region
}

// initialCapacity is the page on which AWS states the warm throughput of a new on-demand table.
const initialCapacity = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial"

// checkWarm requires that warm throughput is not below now, which the table or index has without
// it: warm throughput never falls. create is for a new table or index, whose words differ.
func (p unitPair) checkWarm(of owner, now schema.Warm, mode schema.BillingMode, region string, create bool) error {
	return p.each("ReadUnitsPerSecond", "WriteUnitsPerSecond", func(name string, n int64, write bool) error {
		least, units := now.Read, "ReadCapacityUnits"
		if write {
			least, units = now.Write, "WriteCapacityUnits"
		}
		requested := "Requested " + name + " for WarmThroughput " + of.warm()
		switch {
		case n > maxTableUnits:
			return wire.LimitExceeded(wire.SubscriberLimit + requested + exceedsQuota(write, region))
		case n >= least:
			return nil
		case !create:
			return wire.Validation(wire.Invalid + requested + " is lower than current WarmThroughput, decreasing WarmThroughput is not supported")
		case mode == schema.PayPerRequest:
			return wire.Validation(wire.Invalid + requested +
				" is lower than initial throughput for OnDemand. See: " + initialCapacity)
		}
		return wire.Validation(wire.Invalid + requested + " is lower than " + units + " of ProvisionedThroughput")
	})
}

// ---- what the database holds

// warmOf is the warm throughput of a table or an index: what was asked for or ever provisioned, and
// no less than it has now. It never falls.
func warmOf(mode schema.BillingMode, t schema.Throughput, asked *schema.Warm) schema.Warm {
	w := schema.Warm{Read: t.Read, Write: t.Write}
	if mode == schema.PayPerRequest {
		w = schema.Warm{Read: initialRead, Write: initialWrite}
	}
	if asked != nil {
		w.Read, w.Write = max(w.Read, asked.Read), max(w.Write, asked.Write)
	}
	return w
}

// over returns the warm throughput with the members that were sent in place of w's.
func (p unitPair) over(w schema.Warm) *schema.Warm {
	if p.read.Set {
		w.Read = p.read.V
	}
	if p.write.Set {
		w.Write = p.write.V
	}
	return &w
}

// merge returns on-demand maxima with the members that were sent in place of o's, with -1 kept for
// the answer of UpdateTable; nil if there are none.
func (p unitPair) merge(o *schema.OnDemand) *schema.OnDemand {
	var m schema.OnDemand
	if o != nil {
		m = *o
	}
	if p.read.Set {
		m.MaxRead = p.read.V
	}
	if p.write.Set {
		m.MaxWrite = p.write.V
	}
	if m == (schema.OnDemand{}) {
		return nil
	}
	return &m
}

// cleared returns on-demand maxima without those that are -1, as they are stored and shown later.
func cleared(o *schema.OnDemand) *schema.OnDemand {
	if o == nil {
		return nil
	}
	m := schema.OnDemand{MaxRead: max(o.MaxRead, 0), MaxWrite: max(o.MaxWrite, 0)}
	if m == (schema.OnDemand{}) {
		return nil
	}
	return &m
}

// decreasesToday is the number of decreases on the UTC day of now.
func decreasesToday(t *schema.Throughput, now time.Time) int64 {
	if day(t.LastDecrease) != day(now) {
		return 0
	}
	return t.DecreasesToday
}

// day names a UTC day.
func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// humanTime is how AWS prints times in its message on decreases.
const humanTime = "Monday, January 2, 2006 at 3:04:05 PM Coordinated Universal Time"

// provision changes provisioned units, within the budget of decreases: four a UTC day, then one an
// hour. Partita does not need the budget, but tools that scale tables are written for it.
func provision(t *schema.Throughput, p unitPair, now time.Time) error {
	read, write := p.read.V, p.write.V
	if read < t.Read || write < t.Write { // a decrease, even if the other one is raised
		today := decreasesToday(t, now)
		next := t.LastDecrease.Add(decreaseWait)
		if today >= freeDecreases && now.Before(next) {
			return wire.LimitExceeded(wire.SubscriberLimit + "Provisioned throughput decreases are limited within a given UTC day. After the first " +
				strconv.Itoa(freeDecreases) + " decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 " +
				"seconds. Number of decreases today: " + strconv.FormatInt(today, 10) +
				". Last decrease at " + t.LastDecrease.UTC().Format(humanTime) +
				". Next decrease can be made at " + next.UTC().Format(humanTime))
		}
		t.LastDecrease, t.DecreasesToday = now, today+1
	} else {
		t.LastIncrease = now
	}
	t.Read, t.Write = read, write
	return nil
}

// unchanged is the error for units that equal the current ones, which AWS rejects.
func (p unitPair) unchanged(of owner, t *schema.Throughput) error {
	if p.read.V != t.Read || p.write.V != t.Write {
		return nil
	}
	the, what := "table", "the table"
	if of != "" {
		the, what = "index "+string(of), "index "+string(of)
	}
	read, write := strconv.FormatInt(t.Read, 10), strconv.FormatInt(t.Write, 10)
	return wire.Validation("The provisioned throughput for the " + the + " will not change. The requested value equals the current value. " +
		"Current ReadCapacityUnits provisioned for " + what + ": " + read + ". Requested ReadCapacityUnits: " + read +
		". Current WriteCapacityUnits provisioned for " + what + ": " + write + ". Requested WriteCapacityUnits: " + write + "." + guide)
}
