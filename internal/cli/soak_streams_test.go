package cli

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// soakReader follows a stream from its beginning, shard by shard, children after their parents.
type soakReader struct {
	*soak
	arn       *string
	iterators map[string]*string // of the shards being read; nil for one that is read out
	see       func(streamtypes.Record)
}

// round opens the shards that can be read and takes a page of each. It returns the number of
// records.
func (r *soakReader) round() (n int) {
	if r.iterators == nil {
		r.iterators = map[string]*string{}
		r.open()
	}
	for shard, it := range r.iterators {
		if it == nil {
			continue
		}
		out, _, err := call(r.soak, r.readers.GetRecords, &dynamodbstreams.GetRecordsInput{ShardIterator: it})
		if err != nil {
			continue
		}
		for _, record := range out.Records {
			r.see(record)
		}
		n += len(out.Records)
		if r.iterators[shard] = out.NextShardIterator; out.NextShardIterator == nil {
			r.open()
		}
	}
	return n
}

// open takes iterators for the shards whose parents are read out.
func (r *soakReader) open() {
	out, _, err := call(r.soak, r.readers.DescribeStream, &dynamodbstreams.DescribeStreamInput{StreamArn: r.arn})
	if err != nil {
		return
	}
	for _, shard := range out.StreamDescription.Shards {
		if _, known := r.iterators[*shard.ShardId]; known {
			continue
		}
		if parent := shard.ParentShardId; parent != nil {
			if it, known := r.iterators[*parent]; known && it != nil {
				continue
			}
		}
		it, _, err := call(r.soak, r.readers.GetShardIterator, &dynamodbstreams.GetShardIteratorInput{
			StreamArn: r.arn, ShardId: shard.ShardId, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
		})
		if err == nil {
			r.iterators[*shard.ShardId] = it.ShardIterator
		}
	}
}

// follow reads on, five times a second, until the load's time is over.
func (r *soakReader) follow() {
	for r.pause(200 * time.Millisecond) {
		r.round()
	}
}

// finish reads what is left.
func (r *soakReader) finish() {
	for r.round() > 0 {
	}
}

// The ledger: accounts between which money is moved.
var soakLedgerTable = new("soak-ledger")

const (
	soakAccounts = 20
	soakBalance  = 1000
)

// soakLedger is what is known of the accounts: the moves that were acknowledged, and what the
// stream has shown. Each item has a balance n, and in seq how often it was changed.
type soakLedger struct {
	*soak
	mu     sync.Mutex
	moved  int // changes of accounts
	reader soakReader
	seqs   [soakAccounts]int // as the stream shows them
	sums   [soakAccounts]int
}

func newSoakLedger(k *soak) *soakLedger {
	l := &soakLedger{soak: k}
	l.reader = soakReader{soak: k, see: l.see}
	return l
}

// prepare makes the table and its accounts.
func (l *soakLedger) prepare() {
	l.reader.arn = l.table(soakLedgerTable, types.StreamViewTypeNewImage)
	for i := range soakAccounts {
		it := soakAccount(i)
		it["n"], it["seq"] = intValue(soakBalance), intValue(1)
		call(l.soak, l.client.PutItem, &dynamodb.PutItemInput{TableName: soakLedgerTable, Item: it})
		l.moved++
	}
}

// soakAccount is the key of an account.
func soakAccount(i int) attributes { return attributes{"k": textValue(fmt.Sprint("account-", i))} }

// transfer moves money from one account to another, if it is there.
func (l *soakLedger) transfer(random *rand.Rand) {
	from := random.IntN(soakAccounts)
	to := (from + 1 + random.IntN(soakAccounts-1)) % soakAccounts
	amount := random.IntN(400)
	change := func(i, amount int) *types.Update {
		return &types.Update{
			TableName: soakLedgerTable, Key: soakAccount(i), UpdateExpression: new("ADD n :n, seq :one"),
			ExpressionAttributeValues: attributes{":n": intValue(amount), ":one": intValue(1)},
		}
	}
	take := change(from, -amount)
	take.ConditionExpression = new("n >= :least")
	take.ExpressionAttributeValues[":least"] = intValue(amount)
	_, _, err := call(l.soak, l.client.TransactWriteItems, &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{{Update: take}, {Update: change(to, amount)}},
	}, cancelledCode)
	if err == nil {
		l.mu.Lock()
		l.moved += 2
		l.mu.Unlock()
		l.streamed.Add(2)
	}
}

// audit adds the accounts up, now and then, until the time is over.
func (l *soakLedger) audit() {
	for l.pause(100*time.Millisecond) && l.next() {
		l.total()
	}
}

// total reads all accounts in one transaction, and returns their sequence numbers.
func (l *soakLedger) total() (seqs [soakAccounts]int, ok bool) {
	in := &dynamodb.TransactGetItemsInput{}
	for i := range soakAccounts {
		in.TransactItems = append(in.TransactItems, types.TransactGetItem{Get: &types.Get{TableName: soakLedgerTable, Key: soakAccount(i)}})
	}
	out, _, err := call(l.soak, l.client.TransactGetItems, in, cancelledCode)
	if err != nil {
		return seqs, false
	}
	total := 0
	for i, r := range out.Responses {
		n := intOf(r.Item["n"])
		if n < 0 {
			l.fault("account %d has %d", i, n)
		}
		total += n
		seqs[i] = intOf(r.Item["seq"])
	}
	if total != soakAccounts*soakBalance {
		l.fault("the accounts hold %d, want %d", total, soakAccounts*soakBalance)
	}
	return seqs, true
}

// intOf is the value of a number; -1 stands for anything else.
func intOf(v types.AttributeValue) int {
	if v, ok := v.(*types.AttributeValueMemberN); ok {
		if n, err := strconv.Atoi(v.Value); err == nil {
			return n
		}
	}
	return -1
}

// follow counts the changes that the stream shows.
func (l *soakLedger) follow() { l.reader.follow() }

// see notes one: each change of an account follows on the one before it.
func (l *soakLedger) see(r streamtypes.Record) {
	var i int
	if _, err := fmt.Sscanf(r.Dynamodb.Keys["k"].(*streamtypes.AttributeValueMemberS).Value, "account-%d", &i); err != nil {
		l.fault("the ledger's stream has a record of %v", r.Dynamodb.Keys)
		return
	}
	seq, err := strconv.Atoi(r.Dynamodb.NewImage["seq"].(*streamtypes.AttributeValueMemberN).Value)
	if err != nil || seq != l.seqs[i]+1 {
		l.fault("the stream shows change %d of account %d after change %d", seq, i, l.seqs[i])
	}
	l.seqs[i] = seq
	l.sums[i], _ = strconv.Atoi(r.Dynamodb.NewImage["n"].(*streamtypes.AttributeValueMemberN).Value)
}

// verify compares the accounts, the acknowledged moves and the stream, read to its end.
func (l *soakLedger) verify() {
	seqs, ok := l.total()
	if !ok {
		l.fault("the accounts cannot be read")
		return
	}
	l.reader.finish()
	changes, total := 0, 0
	for i := range seqs {
		changes += seqs[i]
		total += l.sums[i]
		if seqs[i] != l.seqs[i] {
			l.fault("account %d was changed %d times, and the stream shows %d changes", i, seqs[i], l.seqs[i])
		}
	}
	if changes != l.moved || total != soakAccounts*soakBalance {
		l.fault("the accounts were changed %d times, %d of them acknowledged; by the stream they hold %d", changes, l.moved, total)
	}
	l.t.Logf("the ledger: %d changes, each seen once in the stream", changes)
}

// The table of items that expire, and how long they live.
var soakExpiryTable = new("soak-expiry")

const (
	soakLife  = time.Second
	soakGrace = 20 * time.Second // after its time an item must be gone by then
)

// soakExpiry writes items that expire soon, looks whether they are there before and gone after, and
// counts the stream's records of their deletion.
type soakExpiry struct {
	*soak
	reader   soakReader
	written  int
	queue    []soakMortal
	expired  atomic.Int64 // as the stream shows them
	inserted atomic.Int64
}

// soakMortal is an item that expires.
type soakMortal struct {
	id  int
	due time.Time
}

func newSoakExpiry(k *soak) *soakExpiry {
	x := &soakExpiry{soak: k}
	x.reader = soakReader{soak: k, see: x.see}
	return x
}

// prepare makes the table.
func (x *soakExpiry) prepare() {
	x.reader.arn = x.table(soakExpiryTable, types.StreamViewTypeKeysOnly)
	call(x.soak, x.client.UpdateTimeToLive, &dynamodb.UpdateTimeToLiveInput{
		TableName: soakExpiryTable, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: new("expires"), Enabled: new(true)},
	})
}

// follow reads the stream.
func (x *soakExpiry) follow() { x.reader.follow() }

// see counts what the stream shows.
func (x *soakExpiry) see(r streamtypes.Record) {
	switch {
	case r.EventName == streamtypes.OperationTypeInsert:
		x.inserted.Add(1)
	case r.EventName == streamtypes.OperationTypeRemove && r.UserIdentity != nil && *r.UserIdentity.PrincipalId == "dynamodb.amazonaws.com":
		x.expired.Add(1)
	default:
		x.fault("the stream of the items that expire has a record of %s by %v", r.EventName, r.UserIdentity)
	}
}

// work writes four items a second, and looks at the one just written and at the oldest.
func (x *soakExpiry) work() {
	for x.pause(250*time.Millisecond) && x.next() {
		m := soakMortal{id: x.written, due: time.Now().Add(soakLife).Truncate(time.Second).Add(time.Second)}
		it := m.key()
		it["expires"] = intValue(int(m.due.Unix()))
		if _, _, err := call(x.soak, x.client.PutItem, &dynamodb.PutItemInput{TableName: soakExpiryTable, Item: it}); err != nil {
			continue
		}
		x.streamed.Add(2)
		x.written++
		x.queue = append(x.queue, m)
		if !x.there(m) && time.Now().Before(m.due) {
			x.fault("item %d is gone before its time", m.id)
		}
		if oldest := x.queue[0]; time.Since(oldest.due) > soakGrace {
			x.queue = x.queue[1:]
			if x.there(oldest) {
				x.fault("item %d is still there %v after its time", oldest.id, time.Since(oldest.due))
			}
		}
	}
}

// key is the item's key.
func (m soakMortal) key() attributes { return attributes{"k": textValue(fmt.Sprint("mortal-", m.id))} }

// there tells whether an item can be read.
func (x *soakExpiry) there(m soakMortal) bool {
	out, _, err := call(x.soak, x.client.GetItem, &dynamodb.GetItemInput{TableName: soakExpiryTable, Key: m.key()})
	return err == nil && out.Item != nil
}

// verify waits until all have expired, and looks whether the stream has shown each once.
func (x *soakExpiry) verify() {
	for deadline := time.Now().Add(soakGrace); time.Now().Before(deadline) && int(x.expired.Load()) < x.written; time.Sleep(20 * time.Millisecond) {
		x.reader.finish()
	}
	if inserted, expired := x.inserted.Load(), x.expired.Load(); int(inserted) != x.written || int(expired) != x.written {
		x.fault("%d items were to expire; the stream shows %d that came and %d that expired", x.written, inserted, expired)
	}
	out, _, err := call(x.soak, x.client.Scan, &dynamodb.ScanInput{TableName: soakExpiryTable})
	if err == nil && out.Count != 0 {
		x.fault("%d items have not expired", out.Count)
	}
}
