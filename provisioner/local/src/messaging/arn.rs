//! Names of queues, topics and subscriptions.

/// Whose they are. Requests pick neither: the SDK's region and keys are whatever the laptop has.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub account: String,
    pub region: String,
}

impl Place {
    pub fn queue(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{}:{name}", self.region, self.account)
    }

    pub fn topic(&self, name: &str) -> String {
        format!("arn:aws:sns:{}:{}:{name}", self.region, self.account)
    }
}

/// The name in the ARN of a queue, whatever its region and account.
pub fn queue_name(arn: &str) -> Option<&str> {
    arn.starts_with("arn:aws:sqs:").then(|| last(arn))
}

/// The name in the ARN of a topic.
pub fn topic_name(arn: &str) -> Option<&str> {
    (arn.starts_with("arn:aws:sns:") && arn.split(':').count() == 6).then(|| last(arn))
}

/// The ARN of the topic in that of a subscription.
pub fn topic_of_subscription(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(topic, _)| topic)
}

pub fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO)
}

/// Letters, digits, `-` and `_`, and one suffix.
pub fn is_name(name: &str, longest: usize) -> bool {
    let stem = name.strip_suffix(FIFO).unwrap_or(name);
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    !stem.is_empty() && name.len() <= longest && stem.chars().all(fits)
}

const FIFO: &str = ".fifo";

fn last(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}
