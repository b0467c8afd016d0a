"""Time to live, transactions, streams and PartiQL with boto3: the low-level client, and a resource's, which speaks Python's types."""

import time
from decimal import Decimal

import boto3

from steps import equal, refused, run, step, wait

client = boto3.client('dynamodb', region_name='us-east-1')
native = boto3.resource('dynamodb', region_name='us-east-1').meta.client
streams = boto3.client('dynamodbstreams', region_name='us-east-1')
NAME = 'features'
ADD_ONE = {'UpdateExpression': 'ADD n :one', 'ExpressionAttributeValues': {':one': {'N': '1'}}}


def key(s):
    """The key of the item s, for the low-level client."""
    return {'p': {'S': 'features'}, 's': {'N': str(s)}}


def plain(s, **more):
    """An item for the resource's client."""
    return {'p': 'features', 's': s, **more}


def get(s):
    """Reads the item s with Python's types; None if there is none."""
    return native.get_item(TableName=NAME, Key=plain(s), ConsistentRead=True).get('Item')


@step
def create():
    """CreateTable with a stream"""
    table = client.create_table(
        TableName=NAME, BillingMode='PAY_PER_REQUEST',
        KeySchema=[{'AttributeName': 'p', 'KeyType': 'HASH'}, {'AttributeName': 's', 'KeyType': 'RANGE'}],
        AttributeDefinitions=[{'AttributeName': 'p', 'AttributeType': 'S'}, {'AttributeName': 's', 'AttributeType': 'N'}],
        StreamSpecification={'StreamEnabled': True, 'StreamViewType': 'NEW_AND_OLD_IMAGES'})['TableDescription']
    assert table['LatestStreamArn'].endswith(f"table/{NAME}/stream/{table['LatestStreamLabel']}")
    client.get_waiter('table_exists').wait(TableName=NAME)


# ---- time to live

@step
def ttl_switch():
    """UpdateTimeToLive and DescribeTimeToLive"""
    on = {'Enabled': True, 'AttributeName': 'expires'}
    equal(client.describe_time_to_live(TableName=NAME)['TimeToLiveDescription'], {'TimeToLiveStatus': 'DISABLED'})
    equal(client.update_time_to_live(TableName=NAME, TimeToLiveSpecification=on)['TimeToLiveSpecification'], on)
    shown = wait('ENABLED', lambda: [d for d in [client.describe_time_to_live(TableName=NAME)['TimeToLiveDescription']]
                                     if d['TimeToLiveStatus'] == 'ENABLED'])
    equal(shown[0]['AttributeName'], 'expires')
    error = refused('ValidationException', client.update_time_to_live, TableName=NAME, TimeToLiveSpecification=on)
    equal(error['Error']['Message'], 'TimeToLive is already enabled')
    refused('ResourceNotFoundException', client.describe_time_to_live, TableName='nowhere')


@step
def ttl_expiry():
    """An item that has expired goes by itself, one that has not stays"""
    now = int(time.time())
    native.put_item(TableName=NAME, Item=plain(1, expires=now - 60))
    native.put_item(TableName=NAME, Item=plain(2, expires=now + 3600))
    wait('gone', lambda: get(1) is None)
    equal(get(2)['expires'], now + 3600)


# ---- transactions

@step
def transact_write():
    """TransactWriteItems: put, update, delete and a check, all or nothing"""
    native.put_item(TableName=NAME, Item=plain(10, n=1))
    native.put_item(TableName=NAME, Item=plain(11))
    answer = client.transact_write_items(ReturnConsumedCapacity='TOTAL', TransactItems=[
        {'Put': {'TableName': NAME, 'Item': {**key(12), 'v': {'S': 'new'}}, 'ConditionExpression': 'attribute_not_exists(p)'}},
        {'Update': {'TableName': NAME, 'Key': key(10), **ADD_ONE}},
        {'Delete': {'TableName': NAME, 'Key': key(11)}},
        {'ConditionCheck': {'TableName': NAME, 'Key': key(2), 'ConditionExpression': 'attribute_exists(expires)'}},
    ])
    equal(answer['ConsumedCapacity'][0]['TableName'], NAME)
    equal([get(10), get(11), get(12)], [plain(10, n=2), None, plain(12, v='new')])


@step
def transact_native():
    """TransactWriteItems and TransactGetItems with Python's types"""
    native.transact_write_items(TransactItems=[
        {'Put': {'TableName': NAME, 'Item': plain(13, list=[1, 'two', None], set={'a', 'b'})}},
        {'Update': {'TableName': NAME, 'Key': plain(10), 'UpdateExpression': 'SET n = :n', 'ExpressionAttributeValues': {':n': Decimal('7.5')}}},
    ])
    got = native.transact_get_items(TransactItems=[
        {'Get': {'TableName': NAME, 'Key': plain(13)}}, {'Get': {'TableName': NAME, 'Key': plain(99)}},
        {'Get': {'TableName': NAME, 'Key': plain(10), 'ProjectionExpression': 'n'}},
    ])['Responses']
    equal(got, [{'Item': plain(13, list=[1, 'two', None], set={'a', 'b'})}, {}, {'Item': {'n': Decimal('7.5')}}])
    got = client.transact_get_items(TransactItems=[{'Get': {'TableName': NAME, 'Key': key(12)}}])['Responses']
    equal(got, [{'Item': {**key(12), 'v': {'S': 'new'}}}])


@step
def transact_cancelled():
    """A transaction that is cancelled tells why, action by action, and leaves nothing"""
    error = refused('TransactionCanceledException', client.transact_write_items, TransactItems=[
        {'Put': {'TableName': NAME, 'Item': key(14)}},
        {'Update': {'TableName': NAME, 'Key': key(12), **ADD_ONE, 'ConditionExpression': 'v = :one',
                    'ReturnValuesOnConditionCheckFailure': 'ALL_OLD'}},
        {'ConditionCheck': {'TableName': NAME, 'Key': key(99), 'ConditionExpression': 'attribute_exists(p)'}},
    ])
    equal(error['Error']['Message'], 'Transaction cancelled, please refer cancellation reasons for specific reasons '
                                     '[None, ConditionalCheckFailed, ConditionalCheckFailed]')
    failed = {'Code': 'ConditionalCheckFailed', 'Message': 'The conditional request failed'}
    equal(error['CancellationReasons'], [{'Code': 'None'}, {**failed, 'Item': {**key(12), 'v': {'S': 'new'}}}, failed])
    equal(get(14), None)


@step
def transact_exceptions():
    """The exception is a class of its own, and two actions on one item are refused"""
    check = {'TableName': NAME, 'Key': key(99), 'ConditionExpression': 'attribute_exists(p)'}
    try:
        client.transact_write_items(TransactItems=[{'ConditionCheck': check}])
    except client.exceptions.TransactionCanceledException as e:
        equal([reason['Code'] for reason in e.response['CancellationReasons']], ['ConditionalCheckFailed'])
    else:
        raise AssertionError('no TransactionCanceledException')
    refused('ValidationException', client.transact_write_items, TransactItems=[
        {'Delete': {'TableName': NAME, 'Key': key(99)}}, {'ConditionCheck': check}])


@step
def transact_token():
    """A ClientRequestToken makes a repeated transaction happen once"""
    actions = [{'Update': {'TableName': NAME, 'Key': key(15), **ADD_ONE}}]
    for _ in range(3):
        client.transact_write_items(TransactItems=actions, ClientRequestToken='one')
    equal(get(15)['n'], 1)
    refused('IdempotentParameterMismatchException', client.transact_write_items, ClientRequestToken='one',
            TransactItems=[{'Update': {'TableName': NAME, 'Key': key(16), **ADD_ONE}}])
    client.transact_write_items(TransactItems=actions, ClientRequestToken='two')
    equal(get(15)['n'], 2)


# ---- PartiQL

@step
def partiql_statement():
    """ExecuteStatement: insert, select, update, delete, with parameters and without"""
    client.execute_statement(Statement=f"INSERT INTO {NAME} VALUE {{'p': 'features', 's': 20, 'v': ?}}", Parameters=[{'S': "it's"}])
    refused('DuplicateItemException', client.execute_statement, Statement=f"INSERT INTO {NAME} VALUE {{'p': 'features', 's': 20}}")
    where = "WHERE p = 'features' AND s = 20"
    answer = client.execute_statement(Statement=f'UPDATE "{NAME}" SET n = 1 SET v = ? {where} RETURNING ALL NEW *', Parameters=[{'S': 'new'}])
    equal(answer['Items'], [{**key(20), 'n': {'N': '1'}, 'v': {'S': 'new'}}])
    got = client.execute_statement(Statement=f'SELECT v FROM "{NAME}" {where}', ConsistentRead=True)['Items']
    equal(got, [{'v': {'S': 'new'}}])
    got = native.execute_statement(Statement=f'SELECT * FROM {NAME} WHERE p = ? AND s = ?', Parameters=['features', 20])['Items']
    equal(got, [plain(20, n=1, v='new')])
    client.execute_statement(Statement=f'DELETE FROM {NAME} {where}')
    equal(get(20), None)
    refused('ValidationException', client.execute_statement, Statement='SELECT * FROM')


@step
def partiql_batch():
    """BatchExecuteStatement: each statement has its own answer or error"""
    insert = f"INSERT INTO {NAME} VALUE {{'p': 'pages', 's': ?}}"
    for numbers, codes in ([1], [None]), ([1, 2, 3, 4, 5, 6, 7], ['DuplicateItem'] + [None] * 6):
        answer = native.batch_execute_statement(Statements=[{'Statement': insert, 'Parameters': [i]} for i in numbers])
        equal([one.get('Error', {}).get('Code') for one in answer['Responses']], codes)
    select = f"SELECT s FROM {NAME} WHERE p = 'pages' AND s = ?"
    answer = native.batch_execute_statement(Statements=[{'Statement': select, 'Parameters': [i]} for i in [7, 8]])
    equal(answer['Responses'], [{'TableName': NAME, 'Item': {'s': 7}}, {'TableName': NAME}])


@step
def partiql_pages():
    """ExecuteStatement in pages"""
    arguments, got, pages = {'Statement': f"SELECT s FROM {NAME} WHERE p = 'pages'", 'Limit': 3}, [], 0
    while True:
        answer = client.execute_statement(**arguments)
        got += [int(item['s']['N']) for item in answer['Items']]
        pages += 1
        if 'NextToken' not in answer:
            break
        arguments['NextToken'] = answer['NextToken']
    equal((got, pages), ([1, 2, 3, 4, 5, 6, 7], 3))


@step
def partiql_transaction():
    """ExecuteTransaction: writes, reads, and why one was cancelled"""
    insert, update = f"INSERT INTO {NAME} VALUE {{'p': 'features', 's': ?}}", f"UPDATE {NAME} SET v = ? WHERE p = 'features' AND s = ?"
    native.execute_transaction(TransactStatements=[
        {'Statement': insert, 'Parameters': [30]}, {'Statement': update, 'Parameters': ['changed', 12]}])
    error = refused('TransactionCanceledException', client.execute_transaction, TransactStatements=[
        {'Statement': update, 'Parameters': [{'S': 'again'}, {'N': '12'}]}, {'Statement': insert, 'Parameters': [{'N': '30'}]}])
    equal([reason['Code'] for reason in error['CancellationReasons']], ['None', 'DuplicateItem'])
    select = f"SELECT s, v FROM {NAME} WHERE p = 'features' AND s = ?"
    got = native.execute_transaction(TransactStatements=[{'Statement': select, 'Parameters': [s]} for s in (12, 30, 31)])['Responses']
    equal(got, [{'Item': {'s': 12, 'v': 'changed'}}, {'Item': {'s': 30}}, {}])


# ---- streams, of all that was done above

def records(arn):
    """All records of a stream, shard by shard."""
    found = []
    for shard in streams.describe_stream(StreamArn=arn)['StreamDescription']['Shards']:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard['ShardId'], ShardIteratorType='TRIM_HORIZON')['ShardIterator']
        while iterator:
            page = streams.get_records(ShardIterator=iterator, Limit=10)
            if not page['Records']:
                break
            found += [(shard['ShardId'], record) for record in page['Records']]
            iterator = page.get('NextShardIterator')
    return found


@step
def stream_described():
    """ListStreams and DescribeStream"""
    arn = client.describe_table(TableName=NAME)['Table']['LatestStreamArn']
    equal([s['StreamArn'] for s in streams.list_streams(TableName=NAME)['Streams']], [arn])
    described = streams.describe_stream(StreamArn=arn)['StreamDescription']
    equal((described['StreamStatus'], described['StreamViewType'], described['TableName']), ('ENABLED', 'NEW_AND_OLD_IMAGES', NAME))
    equal([k['AttributeName'] for k in described['KeySchema']], ['p', 's'])
    assert all('StartingSequenceNumber' in shard['SequenceNumberRange'] for shard in described['Shards'])
    refused('ResourceNotFoundException', streams.describe_stream, StreamArn=arn[:-1] + ('1' if arn[-1] == '0' else '0'))


@step
def stream_records():
    """GetRecords: what happened to an item, in order, with both images, and who deleted what has expired"""
    arn = client.describe_table(TableName=NAME)['Table']['LatestStreamArn']
    all_records = [record for _, record in records(arn)]

    def of(s):
        return [record for record in all_records if record['dynamodb']['Keys'] == key(s)]
    equal([record['eventName'] for record in of(12)], ['INSERT', 'MODIFY'])
    change = of(12)[1]
    equal(change['dynamodb']['OldImage'], {**key(12), 'v': {'S': 'new'}})
    equal(change['dynamodb']['NewImage'], {**key(12), 'v': {'S': 'changed'}})
    equal((change['eventSource'], change['awsRegion'], change['dynamodb']['StreamViewType']), ('aws:dynamodb', 'us-east-1', 'NEW_AND_OLD_IMAGES'))
    equal([(record['eventName'], record.get('userIdentity')) for record in of(1)],
          [('INSERT', None), ('REMOVE', {'PrincipalId': 'dynamodb.amazonaws.com', 'Type': 'Service'})])
    equal([record['eventName'] for record in of(20)], ['INSERT', 'MODIFY', 'REMOVE'])
    equal(of(14), [])


@step
def stream_iterators():
    """Iterators at and after a sequence number, and at the latest record"""
    arn = client.describe_table(TableName=NAME)['Table']['LatestStreamArn']
    shard, first = next((shard, record) for shard, record in records(arn) if record['dynamodb']['Keys'] == key(10))
    number = first['dynamodb']['SequenceNumber']

    def begin(kind, **more):
        return streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType=kind, **more)['ShardIterator']
    at = streams.get_records(ShardIterator=begin('AT_SEQUENCE_NUMBER', SequenceNumber=number), Limit=1)
    equal(at['Records'][0]['eventID'], first['eventID'])
    behind = streams.get_records(ShardIterator=begin('AFTER_SEQUENCE_NUMBER', SequenceNumber=number))['Records']
    assert behind and all(int(record['dynamodb']['SequenceNumber']) > int(number) for record in behind)
    latest = begin('LATEST')
    equal(streams.get_records(ShardIterator=latest)['Records'], [])
    client.update_item(TableName=NAME, Key=key(10), **ADD_ONE)
    found = wait('a record', lambda: streams.get_records(ShardIterator=latest)['Records'])
    equal(found[0]['dynamodb']['NewImage']['n'], {'N': '8.5'})


@step
def delete():
    """DeleteTable; its stream can be read on"""
    arn = client.describe_table(TableName=NAME)['Table']['LatestStreamArn']
    client.delete_table(TableName=NAME)
    client.get_waiter('table_not_exists').wait(TableName=NAME, WaiterConfig={'Delay': 1})
    assert len(records(arn)) > 20
    wait('DISABLED', lambda: streams.describe_stream(StreamArn=arn)['StreamDescription']['StreamStatus'] == 'DISABLED')


run('features')
