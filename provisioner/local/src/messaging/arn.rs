//! Names of queues, topics and subscriptions.

use md5::{Digest, Md5};

use crate::hex;

/// The partition, region and account of all things here. Requests choose none of them: the SDK's region and keys are
/// whatever the laptop has.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub account: String,
    pub region: String,
}

impl Place {
    pub fn queue(&self, name: &str) -> String {
        format!("{}{name}", self.begin("sqs"))
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.begin("sns"))
    }

    pub fn function(&self, name: &str) -> String {
        format!("{}function:{name}", self.begin("lambda"))
    }

    /// The ARN of the subscription of a function. The same topic and function always give the same one.
    pub fn function_subscription(&self, topic: &str, function: &str) -> String {
        format!("{}:{}", self.topic(topic), id_of(&format!("{topic} lambda {function}")))
    }

    /// The ARN of the account's root user, to whom everything belongs.
    pub fn root(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition(), self.account)
    }

    /// The text with the partition, region and account of this place in every ARN of a topic or queue. There is no
    /// other place here, but an ARN may have been written down when the stack file named another region or account, or
    /// none.
    pub fn rewrite(&self, text: &str) -> String {
        let (mut whole, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("arn:") {
            whole.push_str(&rest[..at]);
            let parts: Vec<&str> = rest[at..].splitn(6, ':').collect();
            rest = match parts[..] {
                [_, partition, service @ ("sqs" | "sns"), region, account, rest]
                    if is_word(partition) && is_word(region) && is_word(account) =>
                {
                    whole.push_str(&self.begin(service));
                    rest
                }
                _ => {
                    whole.push_str("arn:");
                    &rest[at + 4..]
                }
            };
        }
        whole + rest
    }

    fn begin(&self, service: &str) -> String {
        format!("arn:{}:{service}:{}:{}:", self.partition(), self.region, self.account)
    }

    fn partition(&self) -> &'static str {
        partition::of(&self.region).map_or("aws", |partition| partition.id)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
}

/// An id in the form of a UUID, which is always the same for a text.
pub fn id_of(text: &str) -> String {
    let hex = hex(&Md5::digest(text.as_bytes()));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The name in the ARN of a queue, whatever its region and account.
pub fn queue_name(arn: &str) -> Option<&str> {
    is_of(arn, "sqs").then(|| last(arn))
}

/// The name in the ARN of a topic.
pub fn topic_name(arn: &str) -> Option<&str> {
    (is_of(arn, "sns") && arn.split(':').count() == 6).then(|| last(arn))
}

/// Whether this is an ARN of the service, in any partition.
fn is_of(arn: &str, service: &str) -> bool {
    let mut parts = arn.split(':');
    let begins =
        parts.next() == Some("arn") && parts.next().is_some_and(|part| part == "aws" || part.starts_with("aws-"));
    begins && parts.next() == Some(service) && parts.next().is_some()
}

/// The last part of a subscription's ARN, in which the subscriptions of one topic differ.
pub fn subscription_id(arn: &str) -> &str {
    last(arn)
}

pub fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO)
}

/// Whether a name is made of letters, digits, `-` and `_`, and at most one suffix.
pub fn is_name(name: &str, longest: usize) -> bool {
    let stem = name.strip_suffix(FIFO).unwrap_or(name);
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !stem.is_empty() && name.len() <= longest && stem.chars().all(fits)
}

const FIFO: &str = ".fifo";

fn last(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_partition_of_their_region() {
        let place = |region: &str| Place { account: "123456789012".into(), region: region.into() };
        assert_eq!(place("ap-northeast-2").queue("a"), "arn:aws:sqs:ap-northeast-2:123456789012:a");
        assert_eq!(place("cn-north-1").topic("a"), "arn:aws-cn:sns:cn-north-1:123456789012:a");
        assert_eq!(queue_name("arn:aws-us-gov:sqs:us-gov-west-1:1:a"), Some("a"));
        assert_eq!(queue_name("arn:aws:sns:us-east-1:1:a"), None);
        assert_eq!(topic_name("arn:aws-cn:sns:cn-north-1:1:a"), Some("a"));
        assert_eq!(topic_name("arn:aws-cn:sns:cn-north-1:1:a:b"), None);
    }

    #[test]
    fn what_was_written_for_another_place_is_of_this_one() {
        let place = Place { account: "123456789012".into(), region: "ap-northeast-2".into() };
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":2}"#;
        let moved = r#"{"deadLetterTargetArn":"arn:aws:sqs:ap-northeast-2:123456789012:dead","maxReceiveCount":2}"#;
        assert_eq!(place.rewrite(policy), moved);
        assert_eq!(place.rewrite(moved), moved);
        let others = "arn:aws:iam::0:root arn:aws:sqs:*:*:a arn: arn:aws:sqs:x:1:a";
        let rewritten = "arn:aws:iam::0:root arn:aws:sqs:*:*:a arn: arn:aws:sqs:ap-northeast-2:123456789012:a";
        assert_eq!(place.rewrite(others), rewritten);
    }
}
