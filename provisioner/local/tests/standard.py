"""The standard behaviour of queues and topics, as boto3 sees it. boto3 is not ours, and checks digests itself.

    python standard.py http://127.0.0.1:4566
"""

import json
import sys
import threading
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = sys.argv[1]
# If an answer takes longer than this, the test fails.
OPTIONS = dict(
    endpoint_url=ENDPOINT,
    region_name="eu-west-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
    config=Config(retries={"max_attempts": 0}, read_timeout=30, connect_timeout=5),
)
sqs = boto3.client("sqs", **OPTIONS)
sns = boto3.client("sns", **OPTIONS)


def name(suffix=""):
    return "q-" + uuid.uuid4().hex[:12] + suffix


def queue(suffix="", **attributes):
    if suffix == ".fifo":
        attributes["FifoQueue"] = "true"
    return sqs.create_queue(QueueName=name(suffix), Attributes={k: str(v) for k, v in attributes.items()})["QueueUrl"]


def arn(url):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(url, **more):
    more = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "MessageAttributeNames": ["All"], **more}
    return sqs.receive_message(QueueUrl=url, **more).get("Messages", [])


def bodies(messages):
    return [message["Body"] for message in messages]


def counts(url):
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
    return tuple(int(found[key]) for key in wanted)


def refused(code, call, status=400, text=None, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, f"{found} instead of {code}"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        assert text is None or text in found["Message"], found["Message"]
        return error
    raise AssertionError(f"not refused with {code}")


def test_send_receive_delete():
    url = queue()
    sent = sqs.send_message(QueueUrl=url, MessageBody="안녕 <&> \"\n\t🚚", MessageAttributes={
        "trace": {"DataType": "String", "StringValue": "00-한"},
        "count": {"DataType": "Number.int", "StringValue": "7"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"},
    }, MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}})
    [message] = receive(url)
    assert message["Body"] == "안녕 <&> \"\n\t🚚"
    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\x01\xff"
    assert message["MessageAttributes"]["count"] == {"DataType": "Number.int", "StringValue": "7"}
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["AWSTraceHeader"].startswith("Root=")
    assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 10
    assert receive(url) == []
    assert counts(url) == (0, 1, 0)
    for _ in range(2):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert counts(url) == (0, 0, 0)


def test_only_the_wanted_attributes():
    url = queue(VisibilityTimeout=0)
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes={
        key: {"DataType": "String", "StringValue": key} for key in ("foo.a", "foo.b", "bar")})
    assert "MessageAttributes" not in sqs.receive_message(QueueUrl=url)["Messages"][0]
    [message] = receive(url, MessageAttributeNames=["foo.*"], AttributeNames=["SentTimestamp"])
    assert set(message["MessageAttributes"]) == {"foo.a", "foo.b"}
    assert set(message["Attributes"]) == {"SentTimestamp"}
    [message] = receive(url, MessageAttributeNames=["bar"], AttributeNames=[], MessageSystemAttributeNames=["SenderId"])
    assert set(message["MessageAttributes"]) == {"bar"} and set(message["Attributes"]) == {"SenderId"}


def test_visibility():
    url = queue(VisibilityTimeout=1)
    sqs.send_message(QueueUrl=url, MessageBody="a")
    [first] = receive(url)
    [second] = receive(url, WaitTimeSeconds=5)
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    [third] = receive(url, VisibilityTimeout=30)
    assert third["Attributes"]["ApproximateReceiveCount"] == "3"
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"], VisibilityTimeout=0)
    # It is too late. A standard queue does not refuse that.
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=third["ReceiptHandle"], VisibilityTimeout=10)
    refused("InvalidParameterValue", sqs.change_message_visibility,
            QueueUrl=url, ReceiptHandle=third["ReceiptHandle"], VisibilityTimeout=43201)
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[
        {"Id": "a", "ReceiptHandle": receive(url)[0]["ReceiptHandle"], "VisibilityTimeout": 20},
        {"Id": "b", "ReceiptHandle": "nonsense", "VisibilityTimeout": 20}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["a"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("b", "ReceiptHandleIsInvalid")]


def test_long_poll_waits_and_wakes():
    url = queue()
    start = time.monotonic()
    assert receive(url, WaitTimeSeconds=1) == []
    assert 0.95 < time.monotonic() - start < 5
    threading.Timer(0.5, lambda: sqs.send_message(QueueUrl=url, MessageBody="late")).start()
    start = time.monotonic()
    assert bodies(receive(url, WaitTimeSeconds=20)) == ["late"]
    assert time.monotonic() - start < 5
    waiting = queue(ReceiveMessageWaitTimeSeconds=1)
    start = time.monotonic()
    assert receive(waiting) == []
    assert time.monotonic() - start > 0.95
    assert receive(waiting, WaitTimeSeconds=0) == []


def test_delay():
    url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=1)
    assert receive(url) == [] and counts(url) == (0, 0, 1)
    assert bodies(receive(url, WaitTimeSeconds=5)) == ["later"]
    delayed = queue(DelaySeconds=1)
    sqs.send_message(QueueUrl=delayed, MessageBody="now", DelaySeconds=0)
    sqs.send_message(QueueUrl=delayed, MessageBody="later")
    assert bodies(receive(delayed)) == ["now"]
    assert bodies(receive(delayed, WaitTimeSeconds=5)) == ["later"]
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x", DelaySeconds=901)


def test_batches():
    url = queue()
    entries = [{"Id": str(at), "MessageBody": f"m{at}"} for at in range(10)]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == [str(at) for at in range(10)]
    messages = receive(url)
    assert sorted(bodies(messages)) == sorted(f"m{at}" for at in range(10))
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=[
        {"Id": f"d{at}", "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)][:9]
        + [{"Id": "wrong", "ReceiptHandle": "wrong"}])
    assert len(answer["Successful"]) == 9 and answer["Failed"][0]["Id"] == "wrong" and answer["Failed"][0]["SenderFault"]
    assert counts(url) == (0, 1, 0)
    batch = sqs.send_message_batch
    refused("AWS.SimpleQueueService.EmptyBatchRequest", batch, QueueUrl=url, Entries=[])
    refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", batch, QueueUrl=url, Entries=entries + [{"Id": "x", "MessageBody": "x"}])
    refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", batch, text="Id 0 repeated.", QueueUrl=url, Entries=[entries[0], entries[0]])
    refused("AWS.SimpleQueueService.InvalidBatchEntryId", batch, QueueUrl=url, Entries=[{"Id": "a b", "MessageBody": "x"}])
    refused("AWS.SimpleQueueService.BatchRequestTooLong", batch, QueueUrl=url,
            Entries=[{"Id": str(at), "MessageBody": "x" * 600_000} for at in range(2)])
    answer = batch(QueueUrl=url, Entries=[{"Id": "good", "MessageBody": "x"}, {"Id": "bad", "MessageBody": "\x01"}])
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert answer["Failed"][0]["Code"] == "InvalidMessageContents"


def test_errors():
    gone = ENDPOINT + "/000000000000/nothing-here"
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    refused(missing, sqs.get_queue_url, QueueName="nothing-here")
    refused(missing, sqs.send_message, QueueUrl=gone, MessageBody="x")
    refused(missing, sqs.receive_message, QueueUrl=gone)
    refused(missing, sqs.delete_queue, QueueUrl=gone)
    try:
        sqs.purge_queue(QueueUrl=gone)
        raise AssertionError("not refused")
    except sqs.exceptions.QueueDoesNotExist:
        pass
    url = queue()
    refused("ReceiptHandleIsInvalid", sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense")
    refused("InvalidParameterValue", sqs.receive_message, QueueUrl=url, MaxNumberOfMessages=11)
    refused("InvalidParameterValue", sqs.receive_message, QueueUrl=url, WaitTimeSeconds=21)
    refused("MissingParameter", sqs.send_message, QueueUrl=url, MessageBody="")
    refused("InvalidMessageContents", sqs.send_message, QueueUrl=url, MessageBody="a\x00b")
    refused("InvalidParameterValue", sqs.send_message, text="shorter than 1048576 bytes", QueueUrl=url, MessageBody="x" * 1048577)
    refused("InvalidParameterValue", sqs.send_message, text="must contain a non-empty value", QueueUrl=url, MessageBody="x",
            MessageAttributes={"a": {"DataType": "String", "StringValue": ""}})
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x",
            MessageAttributes={"a": {"DataType": "Number", "StringValue": "one"}})
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x", MessageDeduplicationId="x")
    small = queue(MaximumMessageSize=1024)
    sqs.send_message(QueueUrl=small, MessageBody="x" * 1024)
    refused("InvalidParameterValue", sqs.send_message, text="shorter than 1024 bytes", QueueUrl=small, MessageBody="x" * 1025)
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1048576)
    assert len(receive(url)[0]["Body"]) == 1048576


def test_queues():
    base = name()
    urls = [sqs.create_queue(QueueName=f"{base}-{at}", tags={"team": "한"})["QueueUrl"] for at in range(3)]
    assert sqs.list_queues(QueueNamePrefix=base)["QueueUrls"] == urls
    page = sqs.list_queues(QueueNamePrefix=base, MaxResults=2)
    assert page["QueueUrls"] == urls[:2]
    assert sqs.list_queues(QueueNamePrefix=base, MaxResults=2, NextToken=page["NextToken"])["QueueUrls"] == urls[2:]
    assert sqs.get_queue_url(QueueName=f"{base}-1")["QueueUrl"] == urls[1]
    assert sqs.list_queue_tags(QueueUrl=urls[0])["Tags"] == {"team": "한"}
    sqs.tag_queue(QueueUrl=urls[0], Tags={"a": "b"})
    sqs.untag_queue(QueueUrl=urls[0], TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=urls[0])["Tags"] == {"a": "b"}
    # The same call again gives the same queue. A call with another attribute is refused.
    assert sqs.create_queue(QueueName=f"{base}-0", Attributes={"VisibilityTimeout": "30"})["QueueUrl"] == urls[0]
    refused("QueueAlreadyExists", sqs.create_queue, QueueName=f"{base}-0", Attributes={"VisibilityTimeout": "31"})
    refused("InvalidAttributeName", sqs.create_queue, QueueName=name(), Attributes={"Nonsense": "1"})
    refused("InvalidAttributeValue", sqs.create_queue, QueueName=name(), Attributes={"DelaySeconds": "901"})
    refused("InvalidParameterValue", sqs.create_queue, QueueName="a b")
    refused("InvalidParameterValue", sqs.create_queue, QueueName=name(".fifo"))
    refused("InvalidParameterValue", sqs.create_queue, QueueName=name(), Attributes={"FifoQueue": "true"})
    found = sqs.get_queue_attributes(QueueUrl=urls[0], AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "30" and found["MessageRetentionPeriod"] == "345600"
    assert found["MaximumMessageSize"] == "1048576" and found["SqsManagedSseEnabled"] == "true"
    assert found["QueueArn"].startswith("arn:aws:sqs:") and found["QueueArn"].endswith(f":{base}-0")
    sqs.set_queue_attributes(QueueUrl=urls[0], Attributes={"VisibilityTimeout": "5", "Policy": '{"Version":"2012-10-17"}'})
    found = sqs.get_queue_attributes(QueueUrl=urls[0], AttributeNames=["VisibilityTimeout", "Policy"])["Attributes"]
    assert found == {"VisibilityTimeout": "5", "Policy": '{"Version":"2012-10-17"}'}
    refused("InvalidAttributeName", sqs.get_queue_attributes, QueueUrl=urls[0], AttributeNames=["Nonsense"])
    sqs.send_message(QueueUrl=urls[0], MessageBody="x")
    sqs.purge_queue(QueueUrl=urls[0])
    assert receive(urls[0]) == []
    sqs.delete_queue(QueueUrl=urls[0])
    assert sqs.list_queues(QueueNamePrefix=base)["QueueUrls"] == urls[1:]


def test_dead_letters():
    dead = queue()
    policy = json.dumps({"deadLetterTargetArn": arn(dead), "maxReceiveCount": 2})
    url = queue(VisibilityTimeout=0, RedrivePolicy=policy)
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison", MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}})
    assert len(receive(url)) == 1 and len(receive(url)) == 1 and receive(url) == []
    [message] = receive(dead, VisibilityTimeout=0)
    assert message["MessageId"] == sent["MessageId"] and message["MessageAttributes"]["a"]["StringValue"] == "b"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == arn(url)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sqs.start_message_move_task(SourceArn=arn(dead))
    [task] = sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"]
    assert task["Status"] == "COMPLETED" and task["ApproximateNumberOfMessagesMoved"] == 1
    assert bodies(receive(url)) == ["poison"] and receive(dead) == []
    refused("ResourceNotFoundException", sqs.start_message_move_task, SourceArn="arn:aws:sqs:us-east-1:000000000000:nothing")
    refused("InvalidParameterValue", sqs.start_message_move_task, SourceArn=arn(url))
    refused("InvalidParameterValue", sqs.create_queue, text="Dead letter target does not exist", QueueName=name(),
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn(dead) + "x", "maxReceiveCount": 2})})
    refused("InvalidParameterValue", sqs.set_queue_attributes, text="must be same type", QueueUrl=url,
            Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn(queue(".fifo")), "maxReceiveCount": 2})})
    # If the policy is taken away, the message stays.
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
    for _ in range(4):
        assert len(receive(url)) == 1


def test_fifo():
    url = queue(".fifo", ContentBasedDeduplication="true")

    def send(body, group, **more):
        return sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, **more)

    first = send("a1", "a")
    assert int(first["SequenceNumber"]) < int(send("a2", "a")["SequenceNumber"])
    send("b1", "b")
    again = send("a1", "a")
    assert again["MessageId"] == first["MessageId"] and again["SequenceNumber"] == first["SequenceNumber"]
    send("other body", "a", MessageDeduplicationId="own")
    send("another body", "a", MessageDeduplicationId="own")
    [message] = receive(url, MaxNumberOfMessages=1)
    assert message["Body"] == "a1" and message["Attributes"]["MessageGroupId"] == "a"
    assert len(message["Attributes"]["SequenceNumber"]) == 20
    # Group a is blocked by its message in flight, and b is not.
    assert bodies(receive(url)) == ["b1"]
    assert receive(url) == []
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    refused("AWS.SimpleQueueService.MessageNotInflight", sqs.change_message_visibility,
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=10)
    messages = receive(url)
    assert bodies(messages) == ["a1", "a2", "other body"]
    refused("InvalidParameterValue", sqs.delete_message, text="has expired", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert counts(url) == (0, 1, 0)
    refused("MissingParameter", sqs.send_message, QueueUrl=url, MessageBody="x")
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x", MessageGroupId="a", DelaySeconds=5)
    plain = queue(".fifo")
    for entry in ({"MessageGroupId": "a"}, {"MessageDeduplicationId": "a"}):
        refused("InvalidParameterValue", sqs.send_message_batch, QueueUrl=plain, Entries=[{"Id": "a", "MessageBody": "x", **entry}])
    refused("InvalidAttributeValue", sqs.set_queue_attributes, text="Modifying queue type", QueueUrl=plain, Attributes={"FifoQueue": "false"})
    refused("InvalidParameterValue", sqs.send_message, text="ContentBasedDeduplication", QueueUrl=plain, MessageBody="x", MessageGroupId="a")


def test_deduplication_in_groups():
    url = queue(".fifo", DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "aba":
        sqs.send_message(QueueUrl=url, MessageBody=group, MessageGroupId=group, MessageDeduplicationId="same")
    assert sorted(bodies(receive(url))) == ["a", "b"]


def test_fifo_wakes_when_its_group_is_free():
    url = queue(".fifo", ContentBasedDeduplication="true")
    for body in "12":
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId="g")
    [message] = receive(url, MaxNumberOfMessages=1)
    threading.Timer(0.5, lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])).start()
    start = time.monotonic()
    assert bodies(receive(url, WaitTimeSeconds=20)) == ["2"]
    assert time.monotonic() - start < 5


def topic(suffix="", **attributes):
    if suffix == ".fifo":
        attributes["FifoTopic"] = "true"
    return sns.create_topic(Name=name(suffix), Attributes=attributes)["TopicArn"]


def subscribe(topic_arn, url, **attributes):
    return sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn(url), Attributes=attributes, ReturnSubscriptionArn=True)["SubscriptionArn"]


ATTRIBUTES = {
    "FactoryId": {"DataType": "String", "StringValue": "FF-500293"},
    "Count": {"DataType": "Number", "StringValue": "10"},
    "Raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}


def test_fan_out():
    here, raw = queue(), queue()
    topic_arn = topic()
    subscription = subscribe(topic_arn, here)
    subscribe(topic_arn, raw, RawMessageDelivery="true")
    published = sns.publish(TopicArn=topic_arn, Subject="재고", Message="<빈> & \"x\"", MessageAttributes=ATTRIBUTES)
    [message] = receive(here, WaitTimeSeconds=5)
    assert "MessageAttributes" not in message
    envelope = json.loads(message["Body"])
    assert list(envelope)[:5] == ["Type", "MessageId", "TopicArn", "Subject", "Message"]
    assert envelope["Type"] == "Notification" and envelope["MessageId"] == published["MessageId"]
    assert envelope["TopicArn"] == topic_arn and envelope["Subject"] == "재고" and envelope["Message"] == "<빈> & \"x\""
    assert envelope["MessageAttributes"]["FactoryId"] == {"Type": "String", "Value": "FF-500293"}
    assert envelope["MessageAttributes"]["Raw"] == {"Type": "Binary", "Value": "AP8="}
    time.strptime(envelope["Timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
    assert subscription in envelope["UnsubscribeURL"]
    [message] = receive(raw)
    assert message["Body"] == "<빈> & \"x\"" and message["MessageAttributes"]["Raw"]["BinaryValue"] == b"\x00\xff"
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.publish(TopicArn=topic_arn, Message="second")
    assert receive(here) == [] and bodies(receive(raw)) == ["second"]


def test_publish_batch():
    url, topic_arn = queue(), topic()
    subscribe(topic_arn, url, RawMessageDelivery="true")
    answer = sns.publish_batch(TopicArn=topic_arn, PublishBatchRequestEntries=[
        {"Id": str(at), "Message": f"m{at}", "MessageAttributes": {"at": {"DataType": "Number", "StringValue": str(at)}}}
        for at in range(10)])
    assert len(answer["Successful"]) == 10 and answer["Failed"] == []
    messages = receive(url)
    assert bodies(messages) == [f"m{at}" for at in range(10)]
    assert [message["MessageAttributes"]["at"]["StringValue"] for message in messages] == [str(at) for at in range(10)]
    batch = sns.publish_batch
    refused("EmptyBatchRequest", batch, TopicArn=topic_arn, PublishBatchRequestEntries=[])
    refused("BatchEntryIdsNotDistinct", batch, TopicArn=topic_arn, PublishBatchRequestEntries=[{"Id": "a", "Message": "x"}] * 2)
    refused("TooManyEntriesInBatchRequest", batch, TopicArn=topic_arn,
            PublishBatchRequestEntries=[{"Id": str(at), "Message": "x"} for at in range(11)])
    refused("BatchRequestTooLong", batch, TopicArn=topic_arn,
            PublishBatchRequestEntries=[{"Id": str(at), "Message": "x" * 200_000} for at in range(2)])
    answer = batch(TopicArn=topic_arn, PublishBatchRequestEntries=[{"Id": "good", "Message": "x"}, {"Id": "bad", "Message": ""}])
    assert answer["Successful"][0]["Id"] == "good" and answer["Failed"][0]["Id"] == "bad"


def test_sns_errors():
    topic_arn = topic()
    refused("ParameterValueInvalid", sns.publish, TopicArn=topic_arn, Message="x",
            text="The message attribute 'MessageAttributeFactoryId' must contain non-empty message attribute value for "
                 "message attribute type 'String'.",
            MessageAttributes={"MessageAttributeFactoryId": {"DataType": "String", "StringValue": ""}})
    refused("ParameterValueInvalid", sns.publish, TopicArn=topic_arn, Message="x",
            MessageAttributes={"a": {"DataType": "Number", "StringValue": "one"}})
    refused("NotFound", sns.publish, status=404, TopicArn=topic_arn + "x", Message="x")
    refused("InvalidParameter", sns.publish, TopicArn="nonsense", Message="x")
    refused("InvalidParameter", sns.publish, TopicArn=topic_arn, Message="")
    refused("InvalidParameter", sns.publish, TopicArn=topic_arn, Message="x" * 262145)
    refused("InvalidParameter", sns.publish, TopicArn=topic_arn, Message="x", Subject="a" * 101)
    refused("InvalidParameter", sns.create_topic, Name="a b")
    refused("InvalidParameter", sns.create_topic, Name="a.fifo")
    refused("NotFound", sns.subscribe, status=404, TopicArn=topic_arn + "x", Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:0:x")
    refused("NotFound", sns.get_topic_attributes, status=404, TopicArn=topic_arn + "x")
    refused("NotFound", sns.get_subscription_attributes, status=404, SubscriptionArn=topic_arn + ":x")
    refused("InvalidParameter", sns.subscribe, TopicArn=topic_arn, Protocol="sqs", Endpoint=arn(queue(".fifo")))
    url = queue()
    refused("InvalidParameter", sns.subscribe, TopicArn=topic_arn, Protocol="sqs", Endpoint=arn(url), Attributes={"FilterPolicy": "{"})
    refused("InvalidParameter", sns.subscribe, TopicArn=topic_arn, Protocol="sqs", Endpoint=arn(url), Attributes={"FilterPolicy": '{"a":"b"}'})


def test_topics():
    topic_name = name()
    topic_arn = sns.create_topic(Name=topic_name, Attributes={"DisplayName": "한"}, Tags=[{"Key": "team", "Value": "a"}])["TopicArn"]
    assert sns.create_topic(Name=topic_name)["TopicArn"] == topic_arn
    refused("InvalidParameter", sns.create_topic, Name=topic_name, Attributes={"DisplayName": "other"})
    assert topic_arn in [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    assert sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["DisplayName"] == "한"
    sns.set_topic_attributes(TopicArn=topic_arn, AttributeName="DisplayName", AttributeValue="<&>\r\n")
    assert sns.get_topic_attributes(TopicArn=topic_arn)["Attributes"]["DisplayName"] == "<&>\r\n"
    sns.tag_resource(ResourceArn=topic_arn, Tags=[{"Key": "b", "Value": "c"}])
    sns.untag_resource(ResourceArn=topic_arn, TagKeys=["team"])
    assert sns.list_tags_for_resource(ResourceArn=topic_arn)["Tags"] == [{"Key": "b", "Value": "c"}]
    url = queue()
    subscription = subscribe(topic_arn, url)
    assert subscribe(topic_arn, url) == subscription
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
    assert listed["SubscriptionArn"] == subscription and listed["Endpoint"] == arn(url) and listed["Protocol"] == "sqs"
    sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName="RawMessageDelivery", AttributeValue="true")
    found = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    assert found["RawMessageDelivery"] == "true" and found["TopicArn"] == topic_arn
    refused("InvalidParameter", sns.subscribe, TopicArn=topic_arn, Protocol="sqs", Endpoint=arn(url), Attributes={"RawMessageDelivery": "false"})
    sns.delete_topic(TopicArn=topic_arn)
    sns.delete_topic(TopicArn=topic_arn)
    assert subscription not in [each["SubscriptionArn"] for each in sns.list_subscriptions()["Subscriptions"]]


def test_filters():
    url, topic_arn = queue(), topic()
    refused("InvalidParameter", sns.subscribe, text="Invalid parameter: Attributes Reason: FilterPolicy: ", TopicArn=topic_arn,
            Protocol="sqs", Endpoint=arn(url), Attributes={"FilterPolicy": json.dumps({"a": list(range(151))})})
    subscription = subscribe(topic_arn, url, RawMessageDelivery="true", FilterPolicy=json.dumps({"FactoryId": [{"prefix": "FF-"}], "Count": [{"numeric": [">=", 10]}]}))
    sns.publish(TopicArn=topic_arn, Message="taken", MessageAttributes=ATTRIBUTES)
    sns.publish(TopicArn=topic_arn, Message="not taken")
    sns.publish(TopicArn=topic_arn, Message="not taken", MessageAttributes={**ATTRIBUTES, "Count": {"DataType": "Number", "StringValue": "9.5"}})
    assert bodies(receive(url)) == ["taken"]
    for attribute, value in [("FilterPolicyScope", "MessageBody"), ("FilterPolicy", json.dumps({"order": {"state": ["paid", {"exists": False}]}}))]:
        sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName=attribute, AttributeValue=value)
    for body in ['{"order":{"state":"paid"}}', '{"order":{"state":"open"}}', '{"order":{}}', "no json"]:
        sns.publish(TopicArn=topic_arn, Message=body)
    assert bodies(receive(url)) == ['{"order":{"state":"paid"}}', '{"order":{}}']


def test_message_structure():
    url, topic_arn = queue(), topic()
    subscribe(topic_arn, url, RawMessageDelivery="true")
    sns.publish(TopicArn=topic_arn, MessageStructure="json", Message=json.dumps({"default": "d", "sqs": "s"}))
    assert bodies(receive(url)) == ["s"]
    refused("InvalidParameter", sns.publish, TopicArn=topic_arn, MessageStructure="json", Message='{"sqs":"s"}')


def test_fifo_topic():
    topic_arn = topic(".fifo", ContentBasedDeduplication="true")
    fifo, standard = queue(".fifo"), queue()
    subscribe(topic_arn, fifo, RawMessageDelivery="true")
    subscribe(topic_arn, standard)
    first = sns.publish(TopicArn=topic_arn, Message="a", MessageGroupId="g")
    again = sns.publish(TopicArn=topic_arn, Message="a", MessageGroupId="g")
    assert first["MessageId"] == again["MessageId"] and first["SequenceNumber"] == again["SequenceNumber"]
    sns.publish(TopicArn=topic_arn, Message="b", MessageGroupId="g")
    messages = receive(fifo)
    assert bodies(messages) == ["a", "b"] and messages[0]["Attributes"]["MessageGroupId"] == "g"
    messages = receive(standard)
    assert [json.loads(body)["Message"] for body in bodies(messages)] == ["a", "b"]
    assert json.loads(messages[0]["Body"])["SequenceNumber"] == first["SequenceNumber"]
    refused("InvalidParameter", sns.publish, TopicArn=topic_arn, Message="x")


def test_what_does_not_fit_is_a_dead_letter_of_the_subscription():
    url, dead, topic_arn = queue(MaximumMessageSize=1024), queue(), topic()
    subscribe(topic_arn, url, RawMessageDelivery="true", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn(dead)}))
    sns.publish(TopicArn=topic_arn, Message="x" * 1025)
    assert receive(url) == [] and len(receive(dead)) == 1


def test_many_at_once():
    url = queue()
    received, lock = set(), threading.Lock()

    def send(part):
        client = boto3.session.Session().client("sqs", **OPTIONS)
        for at in range(50):
            client.send_message(QueueUrl=url, MessageBody=f"{part}-{at}")

    def take():
        client = boto3.session.Session().client("sqs", **OPTIONS)
        while True:
            messages = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            if not messages:
                return
            with lock:
                for message in messages:
                    assert message["Body"] not in received, "received twice"
                    received.add(message["Body"])
            client.delete_message_batch(QueueUrl=url, Entries=[
                {"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)])

    threads = [threading.Thread(target=send, args=(part,)) for part in range(3)] + [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(received) == 150 and counts(url) == (0, 0, 0)


def main():
    failed = 0
    for test, function in list(globals().items()):
        if not test.startswith("test_"):
            continue
        start = time.monotonic()
        try:
            function()
            print(f"ok      {test} ({time.monotonic() - start:.2f} s)")
        except Exception as error:  # All of them are to be seen, whatever they are.
            failed += 1
            import traceback
            traceback.print_exc()
            print(f"FAILED  {test}: {error!r}")
    sys.exit(1 if failed else 0)


main()
