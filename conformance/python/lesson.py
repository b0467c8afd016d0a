"""The introductory lesson, line by line, with boto3 as it comes.

The calls are the lesson's own, unchanged: that they reach this server is the doing of AWS_ENDPOINT_URL alone. Around them
stands only what the lesson leaves out: the other orders that its results count, the index that it queries, and the
comparison with the results that it prints.
"""

import contextlib
import io
from datetime import datetime
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Key

from steps import equal, run, step

dynamodb = boto3.resource('dynamodb', region_name='eu-west-1')
table = None
order = None


def printed(function):
    """What the function prints, and its result."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = function()
    return out.getvalue(), result


@step
def create_table():
    """Create the orders table"""
    global table
    table = dynamodb.create_table(
        TableName='orders',
        KeySchema=[
            {'AttributeName': 'user_id', 'KeyType': 'HASH'},  # partition key
            {'AttributeName': 'order_date', 'KeyType': 'RANGE'}  # sort key
        ],
        AttributeDefinitions=[
            {'AttributeName': 'user_id', 'AttributeType': 'S'},  # S = String
            {'AttributeName': 'order_date', 'AttributeType': 'S'}
        ],
        BillingMode='PAY_PER_REQUEST'  # on-demand pricing — no capacity planning
    )
    table.wait_until_exists()
    table.reload()
    equal(table.table_status, 'ACTIVE')
    equal(table.table_arn, 'arn:aws:dynamodb:eu-west-1:000000000000:table/orders')


@step
def put_item():
    """Write an order with a list of maps and Decimal numbers"""
    global table
    table = dynamodb.Table('orders')
    table.put_item(Item={
        'user_id': 'u_441',  # partition key — required
        'order_date': '2024-01-15',  # sort key — required
        'order_id': 'ord_8821',  # additional attributes — any shape
        'status': 'delivered',
        'total': Decimal('149.99'),  # use Decimal for numbers in DynamoDB
        'items': [  # lists and nested objects supported
            {'sku': 'TEE-M-BLUE', 'qty': 2, 'price': Decimal('29.99')},
            {'sku': 'HAT-L-RED', 'qty': 1, 'price': Decimal('19.99')}
        ]
    })


@step
def more_orders():
    """Write the other orders that the lesson's results count"""
    with table.batch_writer() as batch:
        for date, total in [('2024-01-03', '89.99'), ('2024-01-22', '34.50'), ('2024-01-29', '220.00'), ('2024-02-03', '120')]:
            batch.put_item(Item={'user_id': 'u_441', 'order_date': date, 'status': 'delivered', 'total': Decimal(total)})
        for i in range(846):  # with the one that will be shipped below, 847
            batch.put_item(Item={'user_id': f'u_{1000 + i}', 'order_date': f'2024-01-{i % 31 + 1:02}', 'status': 'shipped'})
        for i in range(60):
            batch.put_item(Item={'user_id': f'u_{2000 + i}', 'order_date': '2024-02-01', 'status': 'shipped'})


@step
def get_item():
    """GetItem — fetch one exact order"""
    def lesson():
        global order
        response = table.get_item(
            Key={
                'user_id': 'u_441',  # partition key
                'order_date': '2024-01-15'  # sort key
            }
        )
        order = response.get('Item')
        print(f"Order total: £{order['total']}")
    equal(printed(lesson)[0], "Order total: £149.99\n")
    equal(order['total'], Decimal('149.99'))
    equal(order['items'][0], {'sku': 'TEE-M-BLUE', 'qty': Decimal(2), 'price': Decimal('29.99')})


@step
def get_item_capacity():
    """GetItem consumes 0.5 RCU"""
    response = table.get_item(Key={'user_id': 'u_441', 'order_date': '2024-01-15'}, ReturnConsumedCapacity='TOTAL')
    equal(response['ConsumedCapacity'], {'TableName': 'orders', 'CapacityUnits': 0.5})


@step
def get_item_missing():
    """response.get('Item') is None if there is no such item"""
    equal(table.get_item(Key={'user_id': 'nobody', 'order_date': '2024-01-15'}).get('Item'), None)


@step
def query():
    """Query — all orders for user u_441 in January 2024"""
    def lesson():
        response = table.query(
            KeyConditionExpression=
            Key('user_id').eq('u_441') &  # partition key — exact match
            Key('order_date').between('2024-01-01', '2024-01-31')  # sort key — range condition
        )
        orders = response['Items']
        print(f"Orders in January: {len(orders)}")
        return response
    out, response = printed(lesson)
    equal(out, "Orders in January: 4\n")
    equal([(o['user_id'], o['order_date'], o['total']) for o in response['Items']], [
        ('u_441', '2024-01-03', Decimal('89.99')),
        ('u_441', '2024-01-15', Decimal('149.99')),
        ('u_441', '2024-01-22', Decimal('34.50')),
        ('u_441', '2024-01-29', Decimal('220.00')),
    ])
    equal(response['ScannedCount'], 4)  # items scanned: only items matching the partition key


@step
def sort_key_conditions():
    """Sort key conditions: eq, lt, lte, gt, gte, between, begins_with"""
    sort = Key('order_date')
    for condition, want in [
        (sort.eq('2024-01-15'), 1), (sort.lt('2024-01-15'), 1), (sort.lte('2024-01-15'), 2), (sort.gt('2024-01-15'), 3),
        (sort.gte('2024-01-15'), 4), (sort.between('2024-01-03', '2024-01-29'), 4), (sort.begins_with('2024-01'), 4),
    ]:
        equal(table.query(KeyConditionExpression=Key('user_id').eq('u_441') & condition)['Count'], want)


@step
def update_item():
    """Update specific attributes — leave everything else untouched"""
    table.update_item(
        Key={
            'user_id': 'u_441',
            'order_date': '2024-01-15'
        },
        UpdateExpression='SET #s = :status, tracking = :tracking, updated_at = :ts',
        ExpressionAttributeNames={
            '#s': 'status'  # 'status' is a reserved word in DynamoDB
        },
        ExpressionAttributeValues={
            ':status': 'shipped',
            ':tracking': 'DHL-9921-EU',
            ':ts': datetime.now().isoformat()
        }
    )
    new = table.get_item(Key={'user_id': 'u_441', 'order_date': '2024-01-15'}, ConsistentRead=True)['Item']
    equal((new.pop('status'), new.pop('tracking')), ('shipped', 'DHL-9921-EU'))
    datetime.fromisoformat(new.pop('updated_at'))
    equal(new, {name: value for name, value in order.items() if name != 'status'})


@step
def reserved_word():
    """A reserved word without an alias is a validation error"""
    try:
        table.update_item(Key={'user_id': 'u_441', 'order_date': '2024-01-15'}, UpdateExpression='SET status = :s',
                          ExpressionAttributeValues={':s': 'lost'})
    except dynamodb.meta.client.exceptions.ClientError as e:
        equal(e.response['Error'], {
            'Code': 'ValidationException',
            'Message': '1 validation error detected: Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: status'})
    else:
        raise AssertionError('it was accepted')


@step
def update_actions():
    """REMOVE, ADD and DELETE"""
    key = {'user_id': 'u_1', 'order_date': '2024-03-01'}
    table.put_item(Item={**key, 'n': 1, 'gone': True, 'tags': {'a', 'b'}})
    new = table.update_item(Key=key, UpdateExpression='REMOVE gone ADD n :one DELETE tags :b', ReturnValues='ALL_NEW',
                            ExpressionAttributeValues={':one': 1, ':b': {'b'}})['Attributes']
    equal(new, {**key, 'n': Decimal(2), 'tags': {'a'}})
    table.delete_item(Key=key)


@step
def create_index():
    """Add the Global Secondary Index to the live table"""
    table.meta.client.update_table(
        TableName='orders',
        AttributeDefinitions=[
            {'AttributeName': 'status', 'AttributeType': 'S'},
            {'AttributeName': 'order_date', 'AttributeType': 'S'},
        ],
        GlobalSecondaryIndexUpdates=[{'Create': {
            'IndexName': 'status-date-index',
            'KeySchema': [
                {'AttributeName': 'status', 'KeyType': 'HASH'},
                {'AttributeName': 'order_date', 'KeyType': 'RANGE'},
            ],
            'Projection': {'ProjectionType': 'ALL'},
        }}],
    )
    for _ in range(600):
        index, = table.meta.client.describe_table(TableName='orders')['Table']['GlobalSecondaryIndexes']
        if index['IndexStatus'] == 'ACTIVE':
            return
        table.meta.client.get_waiter('table_exists').wait(TableName='orders', WaiterConfig={'Delay': 1})
    raise AssertionError('the index does not become ACTIVE')


@step
def query_index():
    """Query the GSI — find all shipped orders in January"""
    def lesson():
        response = table.query(
            IndexName='status-date-index',  # name of the GSI
            KeyConditionExpression=
            Key('status').eq('shipped') &  # GSI partition key
            Key('order_date').between('2024-01-01', '2024-01-31')
        )
        print(f"Shipped orders in January: {len(response['Items'])}")
        return response
    out, response = printed(lesson)
    equal(out, "Shipped orders in January: 847\n")
    dates = [item['order_date'] for item in response['Items']]
    equal(dates, sorted(dates))


@step
def index_follows():
    """The index is automatically kept in sync with the main table"""
    def pending():
        return table.query(IndexName='status-date-index', KeyConditionExpression=Key('status').eq('pending'))['Items']
    equal(pending(), [])
    item = {'user_id': 'u_7', 'order_date': '2024-01-09', 'status': 'pending'}
    table.put_item(Item=item)
    equal(pending(), [item])
    table.update_item(Key={'user_id': 'u_7', 'order_date': '2024-01-09'}, UpdateExpression='SET #s = :s',
                      ExpressionAttributeNames={'#s': 'status'}, ExpressionAttributeValues={':s': 'cancelled'})
    equal(pending(), [])
    table.delete_item(Key={'user_id': 'u_7', 'order_date': '2024-01-09'})


@step
def index_consistent():
    """An index cannot be read consistently"""
    try:
        table.query(IndexName='status-date-index', KeyConditionExpression=Key('status').eq('shipped'), ConsistentRead=True)
    except dynamodb.meta.client.exceptions.ClientError as e:
        equal(e.response['Error']['Code'], 'ValidationException')
    else:
        raise AssertionError('it was accepted')


@step
def decimals():
    """A float is refused by the SDK, and a Decimal comes back as it was, to 38 digits"""
    key = {'user_id': 'u_9', 'order_date': '2024-01-01'}
    try:
        table.put_item(Item={**key, 'price': 29.99})
    except TypeError:
        pass
    else:
        raise AssertionError('a float was accepted')
    for text in ['29.99', '0', '-0.1', '12345678901234567890123456789012345678', '9.9999999999999999999999999999999999999E+37',
                 '-1E-130', '0.10', '1000000']:
        table.put_item(Item={**key, 'price': Decimal(text)})
        equal(table.get_item(Key=key)['Item']['price'], Decimal(text))
    table.delete_item(Key=key)


@step
def scan():
    """Scan — read every item in the table"""
    equal(sum(page['Count'] for page in table.meta.client.get_paginator('scan').paginate(
        TableName='orders', PaginationConfig={'PageSize': 100})), 5 + 846 + 60)


@step
def delete_table():
    """Drop the table"""
    table.delete()
    table.wait_until_not_exists()


run('lesson')
