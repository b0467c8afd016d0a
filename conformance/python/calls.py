"""Calls with boto3's low-level client that the lesson does not make: errors, batches, pages, tags, signatures."""

import os
import time

import boto3
import botocore
from botocore.config import Config

from steps import equal, refused, run, step

client = boto3.client('dynamodb', region_name='us-east-1')
NAME = 'calls'
SIGNED = 'CONFORMANCE_SIGNED' in os.environ  # the server verifies signatures


@step
def create():
    """CreateTable with indexes, DescribeTable, ListTables"""
    answer = client.create_table(
        TableName=NAME,
        KeySchema=[{'AttributeName': 'p', 'KeyType': 'HASH'}, {'AttributeName': 's', 'KeyType': 'RANGE'}],
        AttributeDefinitions=[{'AttributeName': n, 'AttributeType': t} for n, t in [('p', 'S'), ('s', 'N'), ('l', 'S')]],
        LocalSecondaryIndexes=[{
            'IndexName': 'local', 'Projection': {'ProjectionType': 'KEYS_ONLY'},
            'KeySchema': [{'AttributeName': 'p', 'KeyType': 'HASH'}, {'AttributeName': 'l', 'KeyType': 'RANGE'}]}],
        ProvisionedThroughput={'ReadCapacityUnits': 5, 'WriteCapacityUnits': 6},
    )
    equal(answer['TableDescription']['TableStatus'], 'CREATING')
    client.get_waiter('table_exists').wait(TableName=NAME)
    table = client.describe_table(TableName=NAME)['Table']
    equal(table['TableStatus'], 'ACTIVE')
    equal(table['ProvisionedThroughput']['WriteCapacityUnits'], 6)
    equal(table['LocalSecondaryIndexes'][0]['IndexName'], 'local')
    assert NAME in client.list_tables()['TableNames']
    refused('ResourceInUseException', client.create_table, TableName=NAME, BillingMode='PAY_PER_REQUEST',
            KeySchema=[{'AttributeName': 'p', 'KeyType': 'HASH'}],
            AttributeDefinitions=[{'AttributeName': 'p', 'AttributeType': 'S'}])


@step
def types():
    """All ten types go in and come back"""
    item = {
        'p': {'S': 'types'}, 's': {'N': '1'}, 'string': {'S': 'Grüße, 世界 \U0001F600'}, 'empty': {'S': ''}, 'binary': {'B': b'\x00\xff'},
        'yes': {'BOOL': True}, 'null': {'NULL': True}, 'list': {'L': [{'N': '1'}, {'S': 'two'}, {'L': []}]},
        'map': {'M': {'inner': {'M': {}}}}, 'strings': {'SS': ['a', 'b']}, 'numbers': {'NS': ['1', '2.5']}, 'binaries': {'BS': [b'x', b'y']},
    }
    client.put_item(TableName=NAME, Item=item)
    got = client.get_item(TableName=NAME, Key={'p': {'S': 'types'}, 's': {'N': '1'}}, ConsistentRead=True)['Item']
    for kind in ('SS', 'NS', 'BS'):  # sets have no order
        for value in got.values():
            if kind in value:
                value[kind].sort()
    equal(got, item)


@step
def conditions():
    """A failed condition is ConditionalCheckFailedException, with the item if asked for"""
    item = {'p': {'S': 'c'}, 's': {'N': '1'}, 'v': {'N': '7'}}
    client.put_item(TableName=NAME, Item=item, ConditionExpression='attribute_not_exists(p)')
    error = refused('ConditionalCheckFailedException', client.put_item, TableName=NAME, Item=item,
                    ConditionExpression='attribute_not_exists(p)', ReturnValuesOnConditionCheckFailure='ALL_OLD')
    equal(error['Error']['Message'], 'The conditional request failed')
    equal(error['Item'], item)


@step
def batches():
    """BatchWriteItem and BatchGetItem"""
    puts = [{'PutRequest': {'Item': {'p': {'S': 'b'}, 's': {'N': str(i)}, 'l': {'S': f'{99 - i}'}}}} for i in range(25)]
    equal(client.batch_write_item(RequestItems={NAME: puts})['UnprocessedItems'], {})
    keys = [{'p': {'S': 'b'}, 's': {'N': str(i)}} for i in range(30)]
    answer = client.batch_get_item(RequestItems={NAME: {'Keys': keys}})
    equal(len(answer['Responses'][NAME]), 25)
    equal(answer['UnprocessedKeys'], {})
    refused('ValidationException', client.batch_write_item, RequestItems={NAME: puts + puts})


@step
def pages():
    """Query in pages, both directions, on the table and on the local index"""
    for index, attribute, order in [({}, 's', 1), ({'IndexName': 'local'}, 'l', -1)]:
        for forward in (True, False):
            pages = list(client.get_paginator('query').paginate(
                TableName=NAME, KeyConditionExpression='p = :p', ExpressionAttributeValues={':p': {'S': 'b'}},
                ScanIndexForward=forward, PaginationConfig={'PageSize': 7}, **index))
            got = [int(item['s']['N']) for page in pages for item in page['Items']]
            equal(got, sorted(range(25), reverse=(order > 0) != forward))
            equal(len(pages), 4)


@step
def scan_segments():
    """The segments of a parallel Scan hold each item once"""
    seen = []
    for segment in range(4):
        for page in client.get_paginator('scan').paginate(TableName=NAME, Segment=segment, TotalSegments=4):
            seen += [(item['p']['S'], item['s']['N']) for item in page['Items']]
    equal(len(seen), 27)
    equal(len(set(seen)), 27)


@step
def tags():
    """TagResource, ListTagsOfResource, UntagResource"""
    arn = client.describe_table(TableName=NAME)['Table']['TableArn']
    client.tag_resource(ResourceArn=arn, Tags=[{'Key': 'team', 'Value': 'strings'}, {'Key': 'stage', 'Value': 'test'}])
    client.untag_resource(ResourceArn=arn, TagKeys=['stage'])
    equal(client.list_tags_of_resource(ResourceArn=arn)['Tags'], [{'Key': 'team', 'Value': 'strings'}])


@step
def limits():
    """DescribeLimits and DescribeEndpoints"""
    assert client.describe_limits()['TableMaxReadCapacityUnits'] > 0
    assert client.describe_endpoints()['Endpoints'][0]['Address']


@step
def regions():
    """A table is the same under every region and, where nobody is asked for one, key; its ARN names the region that was asked"""
    somebody = {'aws_access_key_id': 'somebody', 'aws_secret_access_key': 'else'}
    other = boto3.client('dynamodb', region_name='ap-southeast-2', **({} if SIGNED else somebody))
    arn = other.describe_table(TableName=NAME)['Table']['TableArn']
    equal(arn, f'arn:aws:dynamodb:ap-southeast-2:000000000000:table/{NAME}')


@step
def unsigned():
    """A request without a signature is answered, in the server's own region, unless there are credentials"""
    anybody = boto3.client('dynamodb', region_name='sa-east-1', config=Config(signature_version=botocore.UNSIGNED))
    if SIGNED:
        refused('MissingAuthenticationTokenException', anybody.describe_table, TableName=NAME)
        return
    arn = anybody.describe_table(TableName=NAME)['Table']['TableArn']
    equal(arn, f'arn:aws:dynamodb:us-east-1:000000000000:table/{NAME}')


@step
def credentials():
    """Where there are credentials, an unknown key, a wrong secret and a strange token are refused"""
    if not SIGNED:
        return
    key, secret = os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY']
    for want, *wrong in [('UnrecognizedClientException', 'somebody', secret), ('InvalidSignatureException', key, 'wrong'),
                         ('UnrecognizedClientException', key, secret, 'token')]:
        names = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token']
        stranger = boto3.client('dynamodb', region_name='us-east-1', **dict(zip(names, wrong)))
        refused(want, stranger.describe_table, TableName=NAME)


@step
def missing_table():
    """A table that is not there is ResourceNotFoundException"""
    error = refused('ResourceNotFoundException', client.get_item, TableName='nowhere', Key={'p': {'S': 'x'}})
    equal(error['Error']['Message'], 'Requested resource not found')
    equal(len(error['ResponseMetadata']['RequestId']), 52)


@step
def delete():
    """DeleteTable"""
    client.delete_table(TableName=NAME)
    for _ in range(100):
        if NAME not in client.list_tables()['TableNames']:
            return
        time.sleep(0.1)
    raise AssertionError('the table stays')


run('boto3')
