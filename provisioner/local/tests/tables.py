"""DynamoDB and its streams, as boto3 sees them. boto3 is not ours, and checks ids and checksums itself.

    python tables.py http://127.0.0.1:4566
"""

import sys
import threading
import time
from decimal import Decimal

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.config import Config
from botocore.exceptions import ClientError

# If an answer takes longer than this, the test fails.
OPTIONS = dict(
    endpoint_url=sys.argv[1],
    region_name="eu-west-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"max_attempts": 0}, read_timeout=30, connect_timeout=5),
)
dynamodb = boto3.resource("dynamodb", **OPTIONS)
client = boto3.client("dynamodb", **OPTIONS)
streams = boto3.client("dynamodbstreams", **OPTIONS)


def made(name, **more):
    return dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
            {"AttributeName": "user", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-user",
                "KeySchema": [{"AttributeName": "user", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response["Error"]["Message"]
    raise AssertionError(f"it should have been refused with {code}")


def items_are_written_and_found():
    table = made("items")
    table.wait_until_exists()
    with table.batch_writer() as batch:
        for at in range(60):
            batch.put_item(Item={"id": "a", "at": at, "user": f"u{at % 3}", "half": Decimal(at) / 2, "all": {"x", "y"}})
    assert table.query(KeyConditionExpression=Key("id").eq("a") & Key("at").between(10, 19))["Count"] == 10
    assert table.query(IndexName="by-user", KeyConditionExpression=Key("user").eq("u1"))["Count"] == 20
    pages = list(client.get_paginator("scan").paginate(TableName="items", PaginationConfig={"PageSize": 7}))
    assert len(pages) > 8 and sum(page["Count"] for page in pages) == 60
    assert table.scan(FilterExpression=Attr("half").lt(Decimal("1.5")))["Count"] == 3
    changed = table.update_item(
        Key={"id": "a", "at": 1},
        UpdateExpression="SET half = half + :one REMOVE #all",
        ExpressionAttributeNames={"#all": "all"},
        ExpressionAttributeValues={":one": 1},
        ReturnValues="ALL_NEW",
    )
    assert changed["Attributes"] == {"id": "a", "at": 1, "user": "u1", "half": Decimal("1.5")}, changed
    large = "x" * (400 * 1024)
    refused("ValidationException", table.put_item, Item={"id": "large", "at": 1, "text": large})


def guards_hold():
    table = made("guards")
    table.put_item(Item={"id": "stock", "at": 0, "left": 3})
    taken = []

    def take():
        # A client of boto3 may be shared by threads, but a resource may not.
        try:
            client.update_item(
                TableName="guards",
                Key={"id": {"S": "stock"}, "at": {"N": "0"}},
                UpdateExpression="SET #left = #left - :one",
                ConditionExpression="#left >= :one",
                ExpressionAttributeNames={"#left": "left"},
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
            taken.append(1)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException", error

    threads = [threading.Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 3 and table.get_item(Key={"id": "stock", "at": 0})["Item"]["left"] == 0
    item = {"id": {"S": "new"}, "at": {"N": "0"}}
    put = {"Put": {"TableName": "guards", "Item": item, "ConditionExpression": "attribute_not_exists(id)"}}
    check = {
        "ConditionCheck": {
            "TableName": "guards",
            "Key": {"id": {"S": "stock"}, "at": {"N": "0"}},
            "ConditionExpression": "attribute_not_exists(id)",
        }
    }
    try:
        client.transact_write_items(TransactItems=[put, check])
        raise AssertionError("it should have been cancelled")
    except client.exceptions.TransactionCanceledException as error:
        codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
        assert codes == ["None", "ConditionalCheckFailed"], codes
    assert "Item" not in table.get_item(Key={"id": "new", "at": 0})
    for _ in range(2):
        client.transact_write_items(TransactItems=[put], ClientRequestToken="same")


def a_stream_is_read():
    # With a short name the engine's own id of the shard is shorter than boto3 takes.
    table = made("s-1", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    arn = table.latest_stream_arn
    assert arn.startswith("arn:aws:dynamodb:ap-northeast-2:123456789012:table/s-1/stream/20"), arn
    assert [it["StreamArn"] for it in streams.list_streams(TableName="s-1")["Streams"]] == [arn]
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    assert len(shards) == 1
    latest = iterator(arn, shards[0], "LATEST")
    for at in range(5):
        table.put_item(Item={"id": "a", "at": at, "user": "u"})
    table.put_item(Item={"id": "a", "at": 4, "user": "u"})
    table.put_item(Item={"id": "a", "at": 4, "user": "other"})
    table.delete_item(Key={"id": "a", "at": 4})
    first, rest = read(latest, Limit=3)
    last, _ = read(rest)
    names = [record["eventName"] for record in first + last]
    assert names == ["INSERT"] * 5 + ["MODIFY", "REMOVE"], names
    assert {record["awsRegion"] for record in first + last} == {"ap-northeast-2"}
    after, _ = read(iterator(arn, shards[0], "AFTER_SEQUENCE_NUMBER", first[2]["dynamodb"]["SequenceNumber"]))
    assert after == last
    at, _ = read(iterator(arn, shards[0], "AT_SEQUENCE_NUMBER", last[-1]["dynamodb"]["SequenceNumber"]))
    assert at == last[-1:] and at[0]["dynamodb"]["OldImage"]["user"] == {"S": "other"}
    assert abs(at[0]["dynamodb"]["ApproximateCreationDateTime"].timestamp() - time.time()) < 600


def iterator(arn, shard, kind, number=None):
    more = {"SequenceNumber": number} if number else {}
    asked = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType=kind, **more)
    return asked["ShardIterator"]


def read(iterator, **more):
    told = streams.get_records(ShardIterator=iterator, **more)
    return told["Records"], told["NextShardIterator"]


def tables_are_described():
    made("described")
    table = client.describe_table(TableName="described")["Table"]
    assert table["TableArn"] == "arn:aws:dynamodb:ap-northeast-2:123456789012:table/described"
    assert table["DeletionProtectionEnabled"] is False and table["TableStatus"] == "ACTIVE"
    client.tag_resource(ResourceArn=table["TableArn"], Tags=[{"Key": "a", "Value": "b"}])
    assert client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    client.update_time_to_live(
        TableName="described", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    assert client.describe_time_to_live(TableName="described")["TimeToLiveDescription"]["AttributeName"] == "expires"
    client.describe_continuous_backups(TableName="described")
    client.delete_table(TableName="described")
    client.get_waiter("table_not_exists").wait(TableName="described")
    refused("ResourceNotFoundException", client.describe_table, TableName="described")
    refused("ResourceInUseException", made, name="items")


for test in [items_are_written_and_found, guards_hold, a_stream_is_read, tables_are_described]:
    test()
    print("ok", test.__name__)
