//! Queues, each with its policy.

use serde_json::json;

use super::it::It;
use super::template::Data;
use crate::kinds::sqs::QueueState;

pub(super) fn queue(it: &mut It<'_>, want: QueueState) {
    let QueueState { name, visibility_timeout, retention, delay, receive_wait, managed_encryption, redrive, policy } =
        want;
    let fifo = name.ends_with(".fifo");
    let mut properties = json!({
        "QueueName": name, "VisibilityTimeout": visibility_timeout, "MessageRetentionPeriod": retention,
        "DelaySeconds": delay, "ReceiveMessageWaitTimeSeconds": receive_wait,
        "SqsManagedSseEnabled": managed_encryption, "Tags": it.tags(),
    });
    if fifo {
        properties["FifoQueue"] = true.into();
        properties["ContentBasedDeduplication"] = true.into();
    }
    if redrive != json!({}) {
        properties["RedrivePolicy"] = redrive;
    }
    it.put("AWS::SQS::Queue", properties).data = Data::Delete;
    let own = it.own();
    it.part("Policy", "AWS::SQS::QueuePolicy", json!({"Queues": [own], "PolicyDocument": policy}));
}
