// Time to live, transactions, streams and PartiQL with the JavaScript SDK: the plain client, and the document client.

import assert from 'node:assert/strict';
import {
  BatchExecuteStatementCommand, CreateTableCommand, DeleteTableCommand, DescribeTableCommand, DescribeTimeToLiveCommand, DynamoDBClient,
  ExecuteStatementCommand, TransactGetItemsCommand, TransactWriteItemsCommand, TransactionCanceledException, UpdateTimeToLiveCommand,
  waitUntilTableExists, waitUntilTableNotExists,
} from '@aws-sdk/client-dynamodb';
import {
  DescribeStreamCommand, DynamoDBStreamsClient, GetRecordsCommand, GetShardIteratorCommand, ListStreamsCommand,
} from '@aws-sdk/client-dynamodb-streams';
import {
  BatchExecuteStatementCommand as BatchExecute, DynamoDBDocumentClient, ExecuteStatementCommand as Execute, ExecuteTransactionCommand,
  GetCommand, PutCommand, TransactGetCommand, TransactWriteCommand, UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { runAll, step, wait } from './steps.mjs';

const region = 'eu-west-1';
const client = new DynamoDBClient({ region });
const docs = DynamoDBDocumentClient.from(client);
const streams = new DynamoDBStreamsClient({ region });
const TableName = 'javascript-features';
const addOne = { UpdateExpression: 'ADD n :one', ExpressionAttributeValues: { ':one': 1 } };
const get = async (id) => (await docs.send(new GetCommand({ TableName, Key: { id }, ConsistentRead: true }))).Item;
let StreamArn;

step('CreateTable with a stream', async () => {
  const { TableDescription } = await client.send(new CreateTableCommand({
    TableName, BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }], KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' },
  }));
  StreamArn = TableDescription.LatestStreamArn;
  assert(StreamArn.includes(`table/${TableName}/stream/`));
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
});

step('time to live: an item that has expired goes by itself', async () => {
  const TimeToLiveSpecification = { Enabled: true, AttributeName: 'expires' };
  assert.deepEqual((await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }))).TimeToLiveSpecification, TimeToLiveSpecification);
  await wait('ENABLED', async () => {
    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
    return TimeToLiveDescription.TimeToLiveStatus === 'ENABLED' && TimeToLiveDescription.AttributeName === 'expires';
  });
  await assert.rejects(client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification })), {
    name: 'ValidationException', message: 'TimeToLive is already enabled',
  });
  const now = Math.floor(Date.now() / 1000);
  await docs.send(new PutCommand({ TableName, Item: { id: 'old', expires: now - 60 } }));
  await docs.send(new PutCommand({ TableName, Item: { id: 'young', expires: now + 3600 } }));
  await wait('gone', async () => !(await get('old')));
  assert.equal((await get('young')).expires, now + 3600);
});

step('TransactWrite and TransactGet', async () => {
  await docs.send(new PutCommand({ TableName, Item: { id: 'gone' } }));
  await docs.send(new TransactWriteCommand({ TransactItems: [
    { Put: { TableName, Item: { id: 'put', tags: new Set(['a', 'b']) }, ConditionExpression: 'attribute_not_exists(id)' } },
    { Update: { TableName, Key: { id: 'counter' }, ...addOne } },
    { Delete: { TableName, Key: { id: 'gone' } } },
    { ConditionCheck: { TableName, Key: { id: 'young' }, ConditionExpression: 'attribute_exists(expires)' } },
  ] }));
  const { Responses } = await docs.send(new TransactGetCommand({ TransactItems: [
    { Get: { TableName, Key: { id: 'put' } } }, { Get: { TableName, Key: { id: 'gone' } } },
    { Get: { TableName, Key: { id: 'counter' }, ProjectionExpression: 'n' } },
  ] }));
  assert.deepEqual(Responses.map(({ Item }) => Item), [{ id: 'put', tags: new Set(['a', 'b']) }, undefined, { n: 1 }]);
  const plain = await client.send(new TransactGetItemsCommand({ TransactItems: [{ Get: { TableName, Key: { id: { S: 'counter' } } } }] }));
  assert.deepEqual(plain.Responses[0].Item, { id: { S: 'counter' }, n: { N: '1' } });
});

step('a transaction that is cancelled tells why', async () => {
  await assert.rejects(client.send(new TransactWriteItemsCommand({ TransactItems: [
    { Put: { TableName, Item: { id: { S: 'never' } } } },
    { Delete: { TableName, Key: { id: { S: 'counter' } }, ConditionExpression: 'n > :n', ExpressionAttributeValues: { ':n': { N: '1' } },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' } },
  ] })), (error) => {
    assert(error instanceof TransactionCanceledException);
    assert.deepEqual(error.CancellationReasons.map(({ Code }) => Code), ['None', 'ConditionalCheckFailed']);
    assert.deepEqual(error.CancellationReasons[1].Item, { id: { S: 'counter' }, n: { N: '1' } });
    assert.equal(error.message, 'Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]');
    return true;
  });
  assert.equal(await get('never'), undefined);
});

step('a ClientRequestToken makes a repeated transaction happen once', async () => {
  const TransactItems = [{ Update: { TableName, Key: { id: 'once' }, ...addOne } }];
  for (let i = 0; i < 3; i++) await docs.send(new TransactWriteCommand({ TransactItems, ClientRequestToken: 'javascript' }));
  assert.equal((await get('once')).n, 1);
  TransactItems[0].Update.Key = { id: 'twice' };
  await assert.rejects(docs.send(new TransactWriteCommand({ TransactItems, ClientRequestToken: 'javascript' })), {
    name: 'IdempotentParameterMismatchException',
  });
});

step('PartiQL: a statement, and its pages', async () => {
  await client.send(new ExecuteStatementCommand({ Statement: `INSERT INTO "${TableName}" VALUE {'id': 'partiql', 'v': ?}`, Parameters: [{ S: "it's" }] }));
  await assert.rejects(docs.send(new Execute({ Statement: `INSERT INTO "${TableName}" VALUE {'id': 'partiql'}` })), { name: 'DuplicateItemException' });
  const { Items } = await docs.send(new Execute({
    Statement: `UPDATE "${TableName}" SET v = ? WHERE id = 'partiql' RETURNING ALL NEW *`, Parameters: [{ list: [1, 'two', null] }],
  }));
  assert.deepEqual(Items, [{ id: 'partiql', v: { list: [1, 'two', null] } }]);
  const ids = [];
  let NextToken, pages = 0;
  do {
    const page = await docs.send(new Execute({ Statement: `SELECT id FROM "${TableName}"`, Limit: 2, NextToken }));
    ids.push(...page.Items.map(({ id }) => id));
    ({ NextToken } = page);
    pages++;
  } while (NextToken);
  assert.deepEqual(ids.sort(), ['counter', 'once', 'partiql', 'put', 'young']);
  assert(pages >= 3);
});

step('PartiQL: batches and transactions', async () => {
  const select = (id) => ({ Statement: `SELECT * FROM "${TableName}" WHERE id = ?`, Parameters: [id] });
  const batch = await docs.send(new BatchExecute({ Statements: [select('once'), select('nobody')] }));
  assert.deepEqual(batch.Responses.map(({ Item }) => Item), [{ id: 'once', n: 1 }, undefined]);
  const mixed = await client.send(new BatchExecuteStatementCommand({ Statements: [
    { Statement: `INSERT INTO "${TableName}" VALUE {'id': 'partiql'}` }, { Statement: `DELETE FROM "${TableName}" WHERE id = 'nobody'` },
  ] }));
  assert.deepEqual(mixed.Responses.map(({ Error }) => Error?.Code), ['DuplicateItem', undefined]);
  const update = (v, id) => ({ Statement: `UPDATE "${TableName}" SET v = ? WHERE id = ?`, Parameters: [v, id] });
  await docs.send(new ExecuteTransactionCommand({ TransactStatements: [update(1, 'once'), update(2, 'counter')] }));
  await assert.rejects(docs.send(new ExecuteTransactionCommand({ TransactStatements: [update(3, 'once'), update(3, 'nobody')] })), (error) => {
    assert.equal(error.name, 'TransactionCanceledException');
    assert.deepEqual(error.CancellationReasons.map(({ Code }) => Code), ['None', 'ConditionalCheckFailed']);
    return true;
  });
  const { Responses } = await docs.send(new ExecuteTransactionCommand({ TransactStatements: [select('once'), select('counter')] }));
  assert.deepEqual(Responses.map(({ Item }) => Item.v), [1, 2]);
});

/** All records of the stream, shard by shard. */
async function records() {
  const found = [];
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
  for (const { ShardId } of StreamDescription.Shards) {
    let { ShardIterator } = await streams.send(new GetShardIteratorCommand({ StreamArn, ShardId, ShardIteratorType: 'TRIM_HORIZON' }));
    while (ShardIterator) {
      const { Records, NextShardIterator } = await streams.send(new GetRecordsCommand({ ShardIterator, Limit: 5 }));
      if (!Records.length) break;
      found.push(...Records.map((record) => ({ ShardId, ...record })));
      ShardIterator = NextShardIterator;
    }
  }
  return found;
}

step('streams: list, describe, records', async () => {
  const { Streams } = await streams.send(new ListStreamsCommand({ TableName }));
  assert.deepEqual(Streams.map((s) => s.StreamArn), [StreamArn]);
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
  assert.equal(StreamDescription.StreamStatus, 'ENABLED');
  const all = await records();
  const of = (id) => all.filter((record) => record.dynamodb.Keys.id.S === id);
  assert.deepEqual(of('partiql').map((record) => record.eventName), ['INSERT', 'MODIFY']);
  assert.deepEqual(of('partiql')[1].dynamodb.OldImage.v, { S: "it's" });
  assert(of('partiql')[1].dynamodb.ApproximateCreationDateTime instanceof Date);
  assert.deepEqual(of('old').map((record) => [record.eventName, record.userIdentity]), [
    ['INSERT', undefined], ['REMOVE', { PrincipalId: 'dynamodb.amazonaws.com', Type: 'Service' }],
  ]);
  assert.deepEqual(of('never'), []);
});

step('streams: from a sequence number, and the latest', async () => {
  const { ShardId, dynamodb: { SequenceNumber }, eventID } = (await records()).find((record) => record.dynamodb.Keys.id.S === 'counter');
  const from = (options) => streams.send(new GetShardIteratorCommand({ StreamArn, ShardId, ...options }));
  const at = await streams.send(new GetRecordsCommand(await from({ ShardIteratorType: 'AT_SEQUENCE_NUMBER', SequenceNumber }).then(({ ShardIterator }) => ({ ShardIterator }))));
  assert.equal(at.Records[0].eventID, eventID);
  const { ShardIterator } = await from({ ShardIteratorType: 'LATEST' });
  assert.deepEqual((await streams.send(new GetRecordsCommand({ ShardIterator }))).Records, []);
  await docs.send(new UpdateCommand({ TableName, Key: { id: 'counter' }, ...addOne }));
  const [record] = await wait('a record', async () => {
    const { Records } = await streams.send(new GetRecordsCommand({ ShardIterator }));
    return Records.length ? Records : undefined;
  });
  assert.deepEqual([record.dynamodb.OldImage.n, record.dynamodb.NewImage.n], [{ N: '1' }, { N: '2' }]);
});

step('DeleteTable; the stream can be read on', async () => {
  assert.equal((await client.send(new DescribeTableCommand({ TableName }))).Table.LatestStreamArn, StreamArn);
  await client.send(new DeleteTableCommand({ TableName }));
  await waitUntilTableNotExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
  assert((await records()).length > 10);
});

await runAll('features');
