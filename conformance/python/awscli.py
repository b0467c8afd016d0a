"""Core calls with the AWS CLI, as people type them."""

import json
import os
import subprocess
import sys

from steps import equal, run, step

AWS = os.path.join(os.path.dirname(sys.executable), 'aws')
TABLE = ['--table-name', 'cli']


def aws(*arguments):
    """Runs the AWS CLI, its dynamodb commands unless the first argument is dynamodbstreams, and returns what it printed, decoded."""
    service = [] if arguments[0] == 'dynamodbstreams' else ['dynamodb']
    done = subprocess.run([sys.executable, AWS, *service, *arguments, '--output', 'json'], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f'status {done.returncode}: {done.stderr.strip()}')
    return json.loads(done.stdout) if done.stdout.strip() else None


def refused(message, *arguments):
    """Expects the AWS CLI to fail with the message."""
    try:
        aws(*arguments)
    except AssertionError as e:
        assert message in str(e), e
        return
    raise AssertionError(f'no {message}')


@step
def create():
    """create-table and wait table-exists"""
    answer = aws('create-table', *TABLE, '--attribute-definitions', 'AttributeName=Artist,AttributeType=S',
                 'AttributeName=SongTitle,AttributeType=S', '--key-schema', 'AttributeName=Artist,KeyType=HASH',
                 'AttributeName=SongTitle,KeyType=RANGE', '--billing-mode', 'PAY_PER_REQUEST')
    equal(answer['TableDescription']['TableName'], 'cli')
    aws('wait', 'table-exists', *TABLE)


@step
def list_tables():
    """list-tables, the line that the server prints"""
    assert 'cli' in aws('list-tables')['TableNames']


@step
def put():
    """put-item and get-item"""
    aws('put-item', *TABLE, '--item', '{"Artist": {"S": "No One You Know"}, "SongTitle": {"S": "Call Me Today"}, "Awards": {"N": "1"}}')
    got = aws('get-item', *TABLE, '--consistent-read', '--key', '{"Artist": {"S": "No One You Know"}, "SongTitle": {"S": "Call Me Today"}}')
    equal(got['Item']['Awards'], {'N': '1'})


@step
def update():
    """update-item with --return-values"""
    got = aws('update-item', *TABLE, '--key', '{"Artist": {"S": "No One You Know"}, "SongTitle": {"S": "Call Me Today"}}',
              '--update-expression', 'SET Awards = Awards + :one', '--expression-attribute-values', '{":one": {"N": "1"}}',
              '--return-values', 'UPDATED_NEW')
    equal(got['Attributes'], {'Awards': {'N': '2'}})


@step
def batch():
    """batch-write-item and scan in pages"""
    puts = [{'PutRequest': {'Item': {'Artist': {'S': 'Acme Band'}, 'SongTitle': {'S': f'Song {i}'}}}} for i in range(10)]
    equal(aws('batch-write-item', '--request-items', json.dumps({'cli': puts}))['UnprocessedItems'], {})
    equal(aws('scan', *TABLE, '--page-size', '3')['Count'], 11)


@step
def query():
    """query with a filter on the client's side"""
    got = aws('query', *TABLE, '--key-condition-expression', 'Artist = :a and begins_with(SongTitle, :s)',
              '--expression-attribute-values', '{":a": {"S": "Acme Band"}, ":s": {"S": "Song"}}', '--no-scan-index-forward',
              '--query', 'Items[0].SongTitle.S')
    equal(got, 'Song 9')


@step
def condition():
    """delete-item with a condition that fails"""
    refused('(ConditionalCheckFailedException)', 'delete-item', *TABLE, '--condition-expression', 'Awards > :n',
            '--key', '{"Artist": {"S": "No One You Know"}, "SongTitle": {"S": "Call Me Today"}}',
            '--expression-attribute-values', '{":n": {"N": "5"}}')


@step
def index():
    """update-table adds an index"""
    aws('update-table', *TABLE, '--attribute-definitions', 'AttributeName=SongTitle,AttributeType=S',
        '--global-secondary-index-updates', json.dumps([{'Create': {
            'IndexName': 'titles', 'KeySchema': [{'AttributeName': 'SongTitle', 'KeyType': 'HASH'}],
            'Projection': {'ProjectionType': 'KEYS_ONLY'}}}]))
    for _ in range(50):
        table = aws('describe-table', *TABLE)['Table']
        if table['GlobalSecondaryIndexes'][0]['IndexStatus'] == 'ACTIVE':
            break
    equal(aws('query', *TABLE, '--index-name', 'titles', '--key-condition-expression', 'SongTitle = :t',
              '--expression-attribute-values', '{":t": {"S": "Song 4"}}')['Count'], 1)


@step
def time_to_live():
    """update-time-to-live and describe-time-to-live"""
    aws('update-time-to-live', *TABLE, '--time-to-live-specification', 'Enabled=true, AttributeName=expires')
    equal(aws('describe-time-to-live', *TABLE)['TimeToLiveDescription']['AttributeName'], 'expires')


@step
def stream():
    """update-table switches a stream on, which the dynamodbstreams commands read"""
    table = aws('update-table', *TABLE, '--stream-specification', 'StreamEnabled=true,StreamViewType=NEW_IMAGE')['TableDescription']
    arn = ['--stream-arn', table['LatestStreamArn']]
    equal(aws('dynamodbstreams', 'list-streams', *TABLE)['Streams'][0]['StreamArn'], arn[1])
    shards = aws('dynamodbstreams', 'describe-stream', *arn)['StreamDescription']['Shards']
    got = aws('dynamodbstreams', 'get-shard-iterator', *arn, '--shard-id', shards[0]['ShardId'], '--shard-iterator-type', 'TRIM_HORIZON')
    equal(aws('dynamodbstreams', 'get-records', '--shard-iterator', got['ShardIterator'])['Records'], [])


@step
def transaction():
    """transact-write-items"""
    song = {'Artist': {'S': 'Acme Band'}, 'SongTitle': {'S': 'Happy Day'}}
    put = {'Put': {'TableName': 'cli', 'Item': song, 'ConditionExpression': 'attribute_not_exists(Artist)'}}
    aws('transact-write-items', '--transact-items', json.dumps([put]))
    refused('[ConditionalCheckFailed]', 'transact-write-items', '--transact-items', json.dumps([put]))
    got = aws('transact-get-items', '--transact-items', json.dumps([{'Get': {'TableName': 'cli', 'Key': song}}]))
    equal(got['Responses'], [{'Item': song}])


@step
def statement():
    """execute-statement, as in the Developer Guide"""
    aws('execute-statement', '--statement', "INSERT INTO cli VALUE {'Artist':'Acme Band','SongTitle':'PartiQL Rocks'}")
    got = aws('execute-statement', '--statement', "SELECT SongTitle FROM cli WHERE Artist='Acme Band' AND SongTitle='PartiQL Rocks'")
    equal(got['Items'], [{'SongTitle': {'S': 'PartiQL Rocks'}}])


@step
def unsigned():
    """--no-sign-request is answered, unless there are credentials"""
    if 'CONFORMANCE_SIGNED' in os.environ:
        refused('(MissingAuthenticationTokenException)', 'list-tables', '--no-sign-request')
        return
    assert 'cli' in aws('list-tables', '--no-sign-request')['TableNames']


@step
def delete():
    """delete-table and wait table-not-exists"""
    aws('delete-table', *TABLE)
    aws('wait', 'table-not-exists', *TABLE)
    refused('(ResourceNotFoundException)', 'describe-table', *TABLE)


run('awscli')
