//! The meaning of a subscription's attributes.

use serde_json::Value;

use super::filter::{Policy, Scope};
use crate::messaging::arn;
use crate::messaging::attribute::MessageAttributes;
use crate::messaging::config::Attributes;
use crate::messaging::refusal::Refusal;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivery {
    pub raw: bool,
    filter: Option<Policy>,
    scope: Scope,
    /// The name of the queue for messages that the subscribed queue does not take.
    pub dead_letters: Option<String>,
}

/// Reads the attributes. <https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html>
pub fn parse(attributes: &Attributes) -> Result<Delivery, Refusal> {
    let mut delivery = Delivery::default();
    // The scope comes first, because a policy depends on it.
    match attributes.get("FilterPolicyScope").map(String::as_str) {
        None | Some("MessageAttributes") => {}
        Some("MessageBody") => delivery.scope = Scope::Body,
        Some(other) => {
            return Err(invalid(&format!(
                "FilterPolicyScope: Invalid value [{other}]. Please use either MessageBody or MessageAttributes"
            )));
        }
    }
    for (name, value) in attributes {
        match name.as_str() {
            "RawMessageDelivery" => {
                delivery.raw = match value.as_str() {
                    "true" => true,
                    "false" => false,
                    _ => return Err(invalid("RawMessageDelivery: Must be true or false")),
                }
            }
            // An empty policy takes the policy away.
            "FilterPolicy" if value.is_empty() || value == "{}" => {}
            "FilterPolicy" => {
                let policy = Policy::parse(value, delivery.scope);
                delivery.filter = Some(policy.map_err(wrong_policy)?);
            }
            "RedrivePolicy" if value.is_empty() => {}
            "RedrivePolicy" => {
                let parsed: Option<Value> = serde_json::from_str(value).ok();
                let target = parsed.as_ref().and_then(|policy| policy.get("deadLetterTargetArn")?.as_str());
                let queue = target.and_then(arn::queue_name);
                let queue = queue.ok_or_else(|| invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn"))?;
                delivery.dead_letters = Some(queue.to_owned());
            }
            "FilterPolicyScope" | "DeliveryPolicy" | "SubscriptionRoleArn" => {}
            _ => return Err(invalid("AttributeName")),
        }
    }
    Ok(delivery)
}

impl Delivery {
    pub fn takes(&self, message: &str, attributes: &MessageAttributes) -> bool {
        match (&self.filter, self.scope) {
            (None, _) => true,
            (Some(policy), Scope::Attributes) => policy.takes_attributes(attributes),
            (Some(policy), Scope::Body) => policy.takes_body(message),
        }
    }
}

fn wrong_policy(error: String) -> Refusal {
    // SNS gives this error without the attribute's name.
    if error.starts_with("Filter policy scope") { invalid(&error) } else { invalid(&format!("FilterPolicy: {error}")) }
}

pub fn invalid(what: &str) -> Refusal {
    Refusal::new("InvalidParameter", format!("Invalid parameter: {what}"))
}
