//! A queue's attributes: which ones SQS takes, and what they mean.
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>

use serde_json::Value;

use super::arn;
use super::config::Attributes;
use super::refusal::Refusal;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub visibility: u64,
    pub delay: u64,
    pub retention: u64,
    pub wait: u64,
    pub largest: usize,
    pub fifo: bool,
    pub content_based: bool,
    /// Whether a deduplication id counts in its group only.
    pub per_group: bool,
    pub redrive: Option<Redrive>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub queue: String,
    pub limit: u32,
}

/// The most bytes of one message, and of one batch.
pub const LARGEST: u64 = 1024 * 1024;

struct Number {
    name: &'static str,
    least: u64,
    most: u64,
    default: u64,
}

const NUMBERS: [Number; 5] = [
    Number { name: "VisibilityTimeout", least: 0, most: 43_200, default: 30 },
    Number { name: "DelaySeconds", least: 0, most: 900, default: 0 },
    Number { name: "MessageRetentionPeriod", least: 60, most: 1_209_600, default: 345_600 },
    Number { name: "ReceiveMessageWaitTimeSeconds", least: 0, most: 20, default: 0 },
    Number { name: "MaximumMessageSize", least: 1024, most: LARGEST, default: LARGEST },
];

const FLAGS: [&str; 2] = ["FifoQueue", "ContentBasedDeduplication"];

/// The attributes that are taken and answered, and have no effect here.
const OTHERS: [&str; 7] = [
    "Policy",
    "RedriveAllowPolicy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
    "SqsManagedSseEnabled",
    "DeduplicationScope",
    "FifoThroughputLimit",
];

pub fn parse(name: &str, attributes: &Attributes) -> Result<Settings, Refusal> {
    if !arn::is_name(name, 80) {
        let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    for (attribute, value) in attributes {
        if !is_known(attribute) {
            return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {attribute}.")));
        }
        if FLAGS.contains(&attribute.as_str()) && value != "true" && value != "false" {
            return Err(invalid(attribute));
        }
    }
    let flag = |attribute: &str| attributes.get(attribute).is_some_and(|value| value == "true");
    let fifo = flag("FifoQueue");
    if !fifo && (attributes.contains_key("FifoQueue") || attributes.contains_key("ContentBasedDeduplication")) {
        let wrong = if attributes.contains_key("FifoQueue") { "FifoQueue" } else { "ContentBasedDeduplication" };
        return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {wrong}.")));
    }
    if fifo != arn::is_fifo(name) {
        let message = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must \
                       end with .fifo suffix and be 1 to 80 in length.";
        return Err(Refusal::new("InvalidParameterValue", message));
    }
    let [visibility, delay, retention, wait, largest] = NUMBERS.map(|number| numeric(attributes, &number));
    Ok(Settings {
        visibility: visibility?,
        delay: delay?,
        retention: retention?,
        wait: wait?,
        largest: largest? as usize,
        fifo,
        content_based: flag("ContentBasedDeduplication"),
        per_group: attributes.get("DeduplicationScope").is_some_and(|scope| scope == "messageGroup"),
        redrive: redrive(name, attributes)?,
    })
}

pub fn is_known(attribute: &str) -> bool {
    let is_number = NUMBERS.iter().any(|number| number.name == attribute);
    is_number || attribute == "RedrivePolicy" || FLAGS.contains(&attribute) || OTHERS.contains(&attribute)
}

/// The attributes with the defaults that GetQueueAttributes gives for those that nobody has set.
pub fn with_defaults(attributes: &Attributes) -> Attributes {
    let mut all: Attributes =
        NUMBERS.iter().map(|number| (number.name.to_owned(), number.default.to_string())).collect();
    if !attributes.contains_key("KmsMasterKeyId") {
        all.insert("SqsManagedSseEnabled".to_owned(), "true".to_owned());
    }
    if attributes.contains_key("FifoQueue") {
        all.insert("ContentBasedDeduplication".to_owned(), "false".to_owned());
        all.insert("DeduplicationScope".to_owned(), "queue".to_owned());
        all.insert("FifoThroughputLimit".to_owned(), "perQueue".to_owned());
    }
    all.extend(attributes.clone());
    all
}

fn numeric(attributes: &Attributes, number: &Number) -> Result<u64, Refusal> {
    let Some(value) = attributes.get(number.name) else {
        return Ok(number.default);
    };
    match value.parse() {
        Ok(value) if (number.least..=number.most).contains(&value) => Ok(value),
        _ => Err(invalid(number.name)),
    }
}

fn redrive(name: &str, attributes: &Attributes) -> Result<Option<Redrive>, Refusal> {
    let Some(policy) = attributes.get("RedrivePolicy") else {
        return Ok(None);
    };
    let refused = |reason: &str| {
        let message = format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
        Err(Refusal::new("InvalidParameterValue", message))
    };
    let Ok(Value::Object(parsed)) = serde_json::from_str(policy) else {
        return refused("Redrive policy is not a valid JSON map.");
    };
    let Some(target) = parsed.get("deadLetterTargetArn").and_then(Value::as_str) else {
        return refused("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
    };
    // The limit is taken as a number or as text.
    let limit = match parsed.get("maxReceiveCount") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
        None => return refused("Redrive policy does not contain mandatory attribute: maxReceiveCount."),
    };
    let Some(limit) = limit.filter(|limit| (1..=1000).contains(limit)) else {
        return refused("Invalid value for maxReceiveCount: must be an integer between 1 and 1000.");
    };
    let Some(queue) = arn::queue_name(target).filter(|queue| *queue != name) else {
        return refused("Invalid value for deadLetterTargetArn.");
    };
    if arn::is_fifo(queue) != arn::is_fifo(name) {
        return refused("Dead-letter queue must be same type of queue as the source.");
    }
    Ok(Some(Redrive { queue: queue.to_owned(), limit: limit as u32 }))
}

fn invalid(attribute: &str) -> Refusal {
    Refusal::new("InvalidAttributeValue", format!("Invalid value for the parameter {attribute}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_panics(
            name in "[a-c.]{0,4}(\\.fifo)?",
            attribute in prop_oneof![Just("RedrivePolicy"), Just("DelaySeconds"), Just("FifoQueue"), Just("한")],
            value in prop_oneof![
                ".{0,20}",
                "\\{\"deadLetterTargetArn\":\"arn:aws:sqs:[a:]{0,4}\",\"maxReceiveCount\":[0-9\"-]{0,9}\\}",
            ],
        ) {
            let attributes = Attributes::from([(attribute.to_owned(), value)]);
            let _ = parse(&name, &attributes);
            with_defaults(&attributes);
        }
    }

    #[test]
    fn a_redrive_policy_takes_its_number_as_text_too() {
        for limit in ["5", "\"5\""] {
            let policy = format!("{{\"deadLetterTargetArn\":\"arn:aws:sqs:x:0:dead\",\"maxReceiveCount\":{limit}}}");
            let attributes = Attributes::from([("RedrivePolicy".to_owned(), policy)]);
            let redrive = parse("live", &attributes).expect("it is right").redrive;
            assert_eq!(redrive, Some(Redrive { queue: "dead".to_owned(), limit: 5 }));
        }
    }
}
