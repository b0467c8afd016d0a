package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	bankTable    = "accounts"
	ledgerTable  = "ledger"
	bankAccounts = 12
	bankBalance  = 1000
	bankClients  = 4
)

// TestCrashesBank is TestCrashes for transactions: clients move money between accounts and note
// each transfer in a ledger, in one transaction with a token, while another adds the accounts up.
// After each SIGKILL and restart, the ledger has every acknowledged transfer, each balance is what
// the ledger says, and the latest transfers, sent again, happen once in all: the acknowledged by
// their tokens, which the crash has not taken back, and those of unknown outcome now, if not
// before.
func TestCrashesBank(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-crash.seed=%d", seed)
	kills := min(*crashKills, 6)
	if testing.Short() {
		kills = 2
	}
	program, dir := build(t), filepath.Join(t.TempDir(), "data")
	b := &crashBank{t: t, random: rand.New(rand.NewPCG(seed, 0)), sent: map[string]*transfer{}}
	for kill := range kills {
		s := startProgram(t, program, dir)
		if kill == 0 {
			b.open(s)
		}
		b.verify(s)
		ctx, cancel := context.WithCancel(context.Background())
		ended := b.work(ctx, s)
		time.Sleep(time.Duration(100+b.random.IntN(200)) * time.Millisecond)
		s.kill()
		cancel()
		ended.Wait()
		if t.Failed() {
			return
		}
	}
	s := startProgram(t, program, dir)
	b.verify(s)
	t.Logf("%d transfers, %d of them sent again", len(b.sent), b.again)
	s.kill()
	checkDir(t, dir)
}

// crashBank is what the clients know of the bank.
type crashBank struct {
	t      *testing.T
	random *rand.Rand
	again  int

	mu     sync.Mutex
	sent   map[string]*transfer // by id
	latest []*transfer          // since the last start
}

// transfer is an amount moved from one account to another.
type transfer struct {
	id           string // and the transaction's token
	from, to     int
	amount       int
	acknowledged bool
}

// account is the key of an account.
func account(i int) object { return object{"k": str(fmt.Sprint("account", i))} }

// number is a number attribute.
func number(n int) object { return object{"N": strconv.Itoa(n)} }

// request is the transfer as a transaction. It would be cancelled if it happened twice.
func (x *transfer) request() object {
	add := func(i, amount int) object {
		return object{"Update": object{
			"TableName": bankTable, "Key": account(i), "UpdateExpression": "ADD n :amount",
			"ExpressionAttributeValues": object{":amount": number(amount)},
		}}
	}
	return object{"ClientRequestToken": x.id, "TransactItems": []object{
		add(x.from, -x.amount), add(x.to, x.amount),
		{"Put": object{
			"TableName": ledgerTable, "ConditionExpression": "attribute_not_exists(k)",
			"Item": object{"k": str(x.id), "f": number(x.from), "t": number(x.to), "n": number(x.amount)},
		}},
	}}
}

// open makes the tables and the accounts.
func (b *crashBank) open(s *child) {
	for _, name := range []string{bankTable, ledgerTable} {
		s.must("CreateTable", object{
			"TableName": name, "BillingMode": "PAY_PER_REQUEST",
			"KeySchema":            []object{{"AttributeName": "k", "KeyType": "HASH"}},
			"AttributeDefinitions": []object{{"AttributeName": "k", "AttributeType": "S"}},
		})
	}
	for i := range bankAccounts {
		it := account(i)
		it["n"] = number(bankBalance)
		s.must("PutItem", object{"TableName": bankTable, "Item": it})
	}
}

// work starts the clients. They end when the server is gone.
func (b *crashBank) work(ctx context.Context, s *child) *sync.WaitGroup {
	var ended sync.WaitGroup
	client := func(name string, step func() error) {
		ended.Go(func() {
			for {
				if err := step(); err != nil {
					if answer := (*refusal)(nil); errors.As(err, &answer) {
						b.t.Errorf("%s: %v", name, err) // a dying server does not answer
					}
					return
				}
			}
		})
	}
	b.latest = nil
	for range bankClients {
		random := rand.New(rand.NewPCG(b.random.Uint64(), 0))
		client("a client", func() error { return b.transfer(ctx, s, random) })
	}
	client("the auditor", func() error { return b.audit(ctx, s) })
	return &ended
}

// transfer sends a random transfer.
func (b *crashBank) transfer(ctx context.Context, s *child, random *rand.Rand) error {
	from := random.IntN(bankAccounts)
	to := (from + 1 + random.IntN(bankAccounts-1)) % bankAccounts
	b.mu.Lock()
	x := &transfer{id: fmt.Sprint("transfer", len(b.sent)), from: from, to: to, amount: random.IntN(100)}
	b.sent[x.id], b.latest = x, append(b.latest, x)
	b.mu.Unlock()
	_, err := s.call(ctx, "TransactWriteItems", x.request())
	if err == nil {
		b.mu.Lock()
		x.acknowledged = true
		b.mu.Unlock()
	}
	return err
}

// audit adds the accounts up in one transaction.
func (b *crashBank) audit(ctx context.Context, s *child) error {
	var gets []object
	for i := range bankAccounts {
		gets = append(gets, object{"Get": object{"TableName": bankTable, "Key": account(i)}})
	}
	out, err := s.call(ctx, "TransactGetItems", object{"TransactItems": gets})
	if err != nil {
		return err
	}
	total := 0
	for _, r := range out["Responses"].([]any) {
		total += numberOf(r.(object)["Item"].(object)["n"])
	}
	if total != bankAccounts*bankBalance {
		return &refusal{200, fmt.Sprintf("the bank holds %d", total)}
	}
	return nil
}

// numberOf is the value of a number attribute.
func numberOf(v any) int {
	n, err := strconv.Atoi(v.(object)["N"].(string))
	if err != nil {
		panic(err) // the test has put it
	}
	return n
}

// verify compares what is there with what the clients know, and sends the latest transfers again.
func (b *crashBank) verify(s *child) {
	b.t.Helper()
	noted := b.balances(s)
	for id, x := range b.sent {
		if x.acknowledged && !noted[id] {
			b.t.Errorf("%s was acknowledged, and is gone", id)
		}
	}
	for n, x := range slices.Backward(b.latest) {
		if x.acknowledged && len(b.latest)-n > 40 {
			continue
		}
		b.again++
		if _, err := s.call(context.Background(), "TransactWriteItems", x.request()); err != nil {
			b.t.Errorf("%s, acknowledged %v, there %v, sent again: %v", x.id, x.acknowledged, noted[x.id], err)
		}
		x.acknowledged = true
	}
	if noted = b.balances(s); len(noted) != len(b.sent) {
		b.t.Errorf("the ledger has %d transfers, of %d", len(noted), len(b.sent))
	}
	if b.t.Failed() {
		b.t.FailNow()
	}
}

// balances checks that all balances follow from the ledger, and returns the ids of the transfers
// noted there.
func (b *crashBank) balances(s *child) map[string]bool {
	b.t.Helper()
	want, got, noted := map[string]int{}, map[string]int{}, map[string]bool{}
	name := func(i int) string { return account(i)["k"].(object)["S"].(string) }
	for i := range bankAccounts {
		want[name(i)] = bankBalance
	}
	for id, it := range s.items(ledgerTable) {
		noted[id] = true
		if b.sent[id] == nil {
			b.t.Errorf("nobody has sent %s", id)
		}
		want[name(numberOf(it["f"]))] -= numberOf(it["n"])
		want[name(numberOf(it["t"]))] += numberOf(it["n"])
	}
	for k, it := range s.items(bankTable) {
		got[k] = numberOf(it["n"])
	}
	if !maps.Equal(got, want) {
		b.t.Errorf("the balances are %v, and by the ledger %v", got, want)
	}
	return noted
}

// items returns all items of a table by their keys.
func (s *child) items(table string) map[string]object {
	s.t.Helper()
	in, all := object{"TableName": table, "ConsistentRead": true}, map[string]object{}
	for {
		out := s.must("Scan", in)
		for _, it := range out["Items"].([]any) {
			all[it.(object)["k"].(object)["S"].(string)] = it.(object)
		}
		if out["LastEvaluatedKey"] == nil {
			return all
		}
		in["ExclusiveStartKey"] = out["LastEvaluatedKey"]
	}
}
