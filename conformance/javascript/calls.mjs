// The lesson's calls, and some more, with the JavaScript SDK and its document client.

import assert from 'node:assert/strict';
import {
  CreateTableCommand, DeleteTableCommand, DescribeTableCommand, DynamoDBClient, ListTablesCommand, UpdateTableCommand,
  waitUntilTableExists, waitUntilTableNotExists,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand, BatchWriteCommand, DeleteCommand, DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand,
  UpdateCommand, paginateQuery, paginateScan,
} from '@aws-sdk/lib-dynamodb';
import { runAll, step } from './steps.mjs';

const client = new DynamoDBClient({ region: 'eu-west-1' });
const docs = DynamoDBDocumentClient.from(client);
const TableName = 'javascript-orders';
const order = {
  user_id: 'u_441', order_date: '2024-01-15', order_id: 'ord_8821', status: 'delivered', total: 149.99,
  items: [{ sku: 'TEE-M-BLUE', qty: 2, price: 29.99 }, { sku: 'HAT-L-RED', qty: 1, price: 19.99 }],
};
const Key = { user_id: 'u_441', order_date: '2024-01-15' };

step('CreateTable with an index, and its waiter', async () => {
  const { TableDescription } = await client.send(new CreateTableCommand({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: ['user_id', 'order_date', 'status'].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
    KeySchema: [{ AttributeName: 'user_id', KeyType: 'HASH' }, { AttributeName: 'order_date', KeyType: 'RANGE' }],
    GlobalSecondaryIndexes: [{
      IndexName: 'status-date-index',
      KeySchema: [{ AttributeName: 'status', KeyType: 'HASH' }, { AttributeName: 'order_date', KeyType: 'RANGE' }],
      Projection: { ProjectionType: 'ALL' },
    }],
  }));
  assert.equal(TableDescription.TableStatus, 'CREATING');
  assert(TableDescription.CreationDateTime instanceof Date);
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
  const { TableNames } = await client.send(new ListTablesCommand({}));
  assert(TableNames.includes(TableName));
});

step('Put and Get of a nested order', async () => {
  await docs.send(new PutCommand({ TableName, Item: order }));
  const { Item } = await docs.send(new GetCommand({ TableName, Key, ConsistentRead: true }));
  assert.deepEqual(Item, order);
  assert.equal((await docs.send(new GetCommand({ TableName, Key: { ...Key, user_id: 'nobody' } }))).Item, undefined);
});

step('sets, binaries, empty values, big numbers', async () => {
  const Item = {
    user_id: 'u_types', order_date: '1', strings: new Set(['a', 'b']), numbers: new Set([1, 2.5]), bytes: new Uint8Array([0, 255]),
    empty: '', none: null, yes: true, list: [], map: {}, big: 12345678901234567890123456789012345678n,
  };
  await docs.send(new PutCommand({ TableName, Item }));
  const exact = DynamoDBDocumentClient.from(new DynamoDBClient({ region: 'eu-west-1' }), { unmarshallOptions: { wrapNumbers: (n) => BigInt(n) } });
  const { Item: got } = await docs.send(new GetCommand({
    TableName, Key: { user_id: 'u_types', order_date: '1' }, ProjectionExpression: 'strings, numbers, bytes, #e, #n, yes, #l, #m',
    ExpressionAttributeNames: { '#e': 'empty', '#n': 'none', '#l': 'list', '#m': 'map' },
  }));
  const { user_id, order_date, big, ...rest } = Item;
  assert.deepEqual({ ...got, bytes: new Uint8Array(got.bytes) }, rest);
  const { Item: number } = await exact.send(new GetCommand({
    TableName, Key: { user_id: 'u_types', order_date: '1' }, ProjectionExpression: 'big',
  }));
  assert.equal(number.big, big);
});

step('Update with an alias for a reserved word', async () => {
  const { Attributes } = await docs.send(new UpdateCommand({
    TableName, Key, ReturnValues: 'ALL_NEW',
    UpdateExpression: 'SET #s = :status, tracking = :tracking',
    ExpressionAttributeNames: { '#s': 'status' },
    ExpressionAttributeValues: { ':status': 'shipped', ':tracking': 'DHL-9921-EU' },
  }));
  assert.deepEqual(Attributes, { ...order, status: 'shipped', tracking: 'DHL-9921-EU' });
});

step('a failed condition, with the item', async () => {
  await assert.rejects(docs.send(new PutCommand({
    TableName, Item: order, ConditionExpression: 'attribute_not_exists(user_id)', ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  })), (error) => {
    assert.equal(error.name, 'ConditionalCheckFailedException');
    assert.equal(error.message, 'The conditional request failed');
    assert.deepEqual(error.Item.order_id, { S: 'ord_8821' });
    return true;
  });
});

step('BatchWrite and BatchGet', async () => {
  const keys = Array.from({ length: 25 }, (_, i) => ({ user_id: 'u_batch', order_date: `2024-02-${String(i + 1).padStart(2, '0')}` }));
  const { UnprocessedItems } = await docs.send(new BatchWriteCommand({
    RequestItems: { [TableName]: keys.map((k) => ({ PutRequest: { Item: { ...k, status: 'pending' } } })) },
  }));
  assert.deepEqual(UnprocessedItems, {});
  const { Responses } = await docs.send(new BatchGetCommand({ RequestItems: { [TableName]: { Keys: keys } } }));
  assert.equal(Responses[TableName].length, 25);
});

step('Query in pages, and of the index', async () => {
  const dates = [];
  for await (const page of paginateQuery({ client: docs, pageSize: 10 }, {
    TableName, KeyConditionExpression: 'user_id = :u AND order_date BETWEEN :a AND :b',
    ExpressionAttributeValues: { ':u': 'u_batch', ':a': '2024-02-03', ':b': '2024-02-22' },
  })) dates.push(...page.Items.map((item) => item.order_date));
  assert.equal(dates.length, 20);
  assert.deepEqual(dates, [...dates].sort());
  const { Items, Count } = await docs.send(new QueryCommand({
    TableName, IndexName: 'status-date-index', KeyConditionExpression: '#s = :s AND begins_with(order_date, :m)',
    ExpressionAttributeNames: { '#s': 'status' }, ExpressionAttributeValues: { ':s': 'shipped', ':m': '2024-01' },
  }));
  assert.equal(Count, 1);
  assert.equal(Items[0].tracking, 'DHL-9921-EU');
});

step('Scan in pages with a filter', async () => {
  let found = 0;
  for await (const page of paginateScan({ client: docs, pageSize: 4 }, {
    TableName, FilterExpression: '#s = :s', ExpressionAttributeNames: { '#s': 'status' }, ExpressionAttributeValues: { ':s': 'pending' },
  })) found += page.Items.length;
  assert.equal(found, 25);
});

step('Delete returns the old item', async () => {
  const { Attributes } = await docs.send(new DeleteCommand({ TableName, Key, ReturnValues: 'ALL_OLD' }));
  assert.equal(Attributes.order_id, 'ord_8821');
});

step('UpdateTable drops the index', async () => {
  await client.send(new UpdateTableCommand({
    TableName, GlobalSecondaryIndexUpdates: [{ Delete: { IndexName: 'status-date-index' } }],
  }));
  for (let tries = 0; tries < 100; tries++) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    if (!Table.GlobalSecondaryIndexes?.length) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail('the index stays');
});

step('an error is an exception of its own class', async () => {
  await assert.rejects(docs.send(new GetCommand({ TableName: 'nowhere', Key })), {
    name: 'ResourceNotFoundException', message: 'Requested resource not found', $fault: 'client',
  });
});

step('DeleteTable and its waiter', async () => {
  await client.send(new DeleteTableCommand({ TableName }));
  await waitUntilTableNotExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
});

await runAll('javascript');
