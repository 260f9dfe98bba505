//! The rules that all batches have in common.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::messaging::arn;
use crate::messaging::refusal::{INTERNAL, Refusal};

/// The most entries. <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
const MOST: usize = 10;

#[derive(Default)]
pub struct Outcome {
    successful: Vec<Value>,
    failed: Vec<Value>,
}

pub fn check<'a>(kind: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    let ids: Vec<&str> = ids.collect();
    if ids.is_empty() {
        let message = format!("There should be at least one {kind} in the request.");
        return Err(Refusal::new("EmptyBatchRequest", message));
    }
    if ids.len() > MOST {
        let message = format!("Maximum number of entries per request are {MOST}. You have sent {}.", ids.len());
        return Err(Refusal::new("TooManyEntriesInBatchRequest", message));
    }
    let mut seen = HashSet::new();
    for id in ids {
        // An id has the same letters as a queue's name, without a suffix.
        if !arn::is_name(id, 80) || id.contains('.') {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be \
                           at most 80 letters long.";
            return Err(Refusal::new("InvalidBatchEntryId", message));
        }
        if !seen.insert(id) {
            return Err(Refusal::new("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

impl Outcome {
    pub fn add(&mut self, id: &str, result: Result<Value, Refusal>) {
        match result {
            Ok(mut value) => {
                value["Id"] = json!(id);
                self.successful.push(value);
            }
            Err(refusal) => self.failed.push(json!({
                "Id": id,
                "Code": super::query_code(refusal.code),
                "Message": refusal.message,
                "SenderFault": refusal.code != INTERNAL,
            })),
        }
    }

    pub fn answer(self) -> Value {
        let mut answer = json!({ "Successful": self.successful });
        if !self.failed.is_empty() {
            answer["Failed"] = json!(self.failed);
        }
        answer
    }
}
