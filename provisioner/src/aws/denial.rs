//! Decodes the reasons of EC2's refusals. EC2 says why it refuses only in an encoded message, which users with
//! `sts:DecodeAuthorizationMessage` may read.

use serde_json::Value;

use super::{Cx, Error};
use crate::aws::evidence::Evidence;

/// The IAM actions of this file. Without them the message stays encoded.
pub const ACTIONS: &[&str] = &["sts:DecodeAuthorizationMessage"];

const MARK: &str = "Encoded authorization failure message: ";

/// Splits a message into the text for people, and the encoded message after it.
pub fn split(message: &str) -> (&str, Option<&str>) {
    match message.split_once(MARK) {
        Some((text, encoded)) => (text.trim_end(), encoded.split_whitespace().next()),
        None => (message, None),
    }
}

/// Decodes the message: who was refused which action, on which resource, and by which policy.
pub async fn decode(cx: &Cx, encoded: &str) -> Evidence {
    let mut evidence = Evidence::default();
    let answer = cx.sts.decode_authorization_message().encoded_message(encoded).send().await;
    let error = match answer.map_err(Error::from) {
        Ok(answer) => {
            evidence.cause = answer.decoded_message().and_then(|text| told(&serde_json::from_str(text).ok()?));
            return evidence;
        }
        Err(error) => error,
    };
    evidence.unread.push(match error.is_denied() {
        true => "why it was refused is encoded, and reading it takes `sts:DecodeAuthorizationMessage`".to_owned(),
        false => format!("why it was refused is encoded, and was not decoded: {error}"),
    });
    evidence
}

/// The cause in words. The fields of the message:
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>
fn told(decoded: &Value) -> Option<String> {
    let context = &decoded["context"];
    let action = context["action"].as_str()?;
    let (resource, principal) = (context["resource"].as_str(), context["principal"]["arn"].as_str());
    let why = match decoded["explicitDeny"].as_bool() {
        Some(true) => match statement(decoded) {
            Some(statement) => format!("the statement {statement} denies it"),
            None => "a policy denies it".to_owned(),
        },
        _ => "no policy allows it".to_owned(),
    };
    let (resource, principal) = (resource.unwrap_or("*"), principal.unwrap_or("these credentials"));
    Some(format!("{principal} may not {action} on {resource}: {why}"))
}

/// The statement that decided, with its id and its policy.
fn statement(decoded: &Value) -> Option<String> {
    let first = decoded["matchedStatements"]["items"].get(0)?;
    let id = first["statementId"].as_str().filter(|id| !id.is_empty()).unwrap_or("without an id");
    let policy = first["sourcePolicyId"].as_str().or(first["policyId"].as_str());
    Some(policy.map_or_else(|| format!("`{id}`"), |policy| format!("`{id}` of {policy}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_and_what_is_encoded_in_it() {
        let message =
            "You are not authorized to perform this operation. Encoded authorization failure message: AbC-1_x";
        assert_eq!(split(message), ("You are not authorized to perform this operation.", Some("AbC-1_x")));
        assert_eq!(split("no"), ("no", None));
    }

    /// The fields are those of the example in the IAM user guide, "Troubleshoot access denied messages".
    #[test]
    fn what_was_decoded() {
        let context = json!({"principal": {"arn": "arn:aws:iam::1:user/bob"}, "action": "ec2:CreateVpc", "resource": "arn:aws:ec2:eu-west-1:1:vpc/*"});
        let allowed = json!({"explicitDeny": false, "matchedStatements": {"items": []}, "context": context});
        let denied = json!({"explicitDeny": true, "matchedStatements": {"items": [{"statementId": "NoNetworks", "sourcePolicyId": "guard"}]}, "context": context});
        insta::assert_snapshot!([told(&allowed), told(&denied)].map(Option::unwrap_or_default).join("\n"), @r"
        arn:aws:iam::1:user/bob may not ec2:CreateVpc on arn:aws:ec2:eu-west-1:1:vpc/*: no policy allows it
        arn:aws:iam::1:user/bob may not ec2:CreateVpc on arn:aws:ec2:eu-west-1:1:vpc/*: the statement `NoNetworks` of guard denies it
        ");
        assert_eq!(told(&json!({})), None);
    }
}
