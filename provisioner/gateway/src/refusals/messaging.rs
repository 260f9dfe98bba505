//! Queues, topics and alarms: names that rest, FIFO and standard that do not mix, keys that keep messages from
//! arriving.

use super::{Verdict, refuse};
use crate::account::{Account, Thing};
use crate::lifecycle::Pace;
use crate::request::Request;
use serde_json::Value;

pub(super) fn judge(account: &Account, pace: &Pace, request: &Request) -> Option<Verdict> {
    match (request.service.as_str(), request.action.as_str()) {
        ("sqs", "CreateQueue") => {
            let name = request.text("QueueName")?;
            let deleted = account.deleted.get(&(request.home.clone(), format!("sqs.queue:{name}")));
            if deleted.is_some_and(|when| when.elapsed() < pace.real(60)) {
                let message = "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
                return refuse("queue-deleted-recently", 400, "AWS.SimpleQueueService.QueueDeletedRecently", message);
            }
            redrive(account, request, name)
        }
        ("sqs", "SetQueueAttributes") => {
            let url = request.text("QueueUrl")?;
            redrive(account, request, url.rsplit('/').next()?)
        }
        ("sns", "Subscribe") => subscribe(account, request),
        ("cloudwatch", "PutMetricAlarm" | "PutCompositeAlarm") => {
            for name in ["AlarmActions", "OKActions", "InsufficientDataActions"] {
                for arn in request.list(name) {
                    let topic = account.get(&request.home, "sns.topic", &arn);
                    if topic.is_some_and(|topic| key(topic) == Some("alias/aws/sns")) {
                        return Some(Verdict::Notice(
                            "alarm-to-default-key",
                            format!("{arn} is encrypted with alias/aws/sns: CloudWatch cannot publish to it"),
                        ));
                    }
                }
            }
            None
        }
        _ => None,
    }
}

fn key(thing: &Thing) -> Option<&str> {
    thing.text("attribute.KmsMasterKeyId").map(|key| key.rsplit_once("alias/").map_or(key, |(before, _)| &key[before.len()..]))
}

fn redrive(account: &Account, request: &Request, name: &str) -> Option<Verdict> {
    let text = request.params.get("Attributes")?["RedrivePolicy"].as_str().filter(|text| !text.is_empty())?;
    let policy: Value = serde_json::from_str(text).ok()?;
    let target = policy["deadLetterTargetArn"].as_str()?.rsplit(':').next()?;
    let invalid = |rule, reason: &str| {
        let message = format!("Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}.");
        refuse(rule, 400, "InvalidParameterValue", message)
    };
    if target.ends_with(".fifo") != name.ends_with(".fifo") {
        return invalid("dead-letter-type", "Dead-letter queue must be same type of queue as the source");
    }
    if account.get(&request.home, "sqs.queue", target).is_none() {
        return invalid("dead-letter-missing", "Dead letter target does not exist");
    }
    None
}

fn subscribe(account: &Account, request: &Request) -> Option<Verdict> {
    let (topic, endpoint) = (request.text("TopicArn")?, request.text("Endpoint")?);
    if request.text("Protocol") != Some("sqs") {
        return None;
    }
    // The other way round is allowed since September 2023: a FIFO topic to a standard queue.
    if endpoint.ends_with(".fifo") && !topic.ends_with(".fifo") {
        let message =
            "Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics";
        return refuse("standard-topic-to-fifo-queue", 400, "InvalidParameter", message);
    }
    let queue = account.get(&request.home, "sqs.queue", endpoint.rsplit(':').next()?)?;
    if key(queue) == Some("alias/aws/sqs") {
        return Some(Verdict::Notice(
            "topic-to-default-key",
            format!("{endpoint} is encrypted with alias/aws/sqs: SNS cannot send to it"),
        ));
    }
    None
}
