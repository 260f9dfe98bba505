//! The statement of a key's policy that names the user or the role that made the key. The key can be used by `up` before
//! KMS counts its tags.

use serde_json::{Value, json};

use crate::aws::policy;

/// The name of the statement for the maker of the key.
const MAKER: &str = "Maker";

/// What `up` does with a key.
const OF_UP: &[&str] = &[
    "kms:CreateAlias",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DeleteAlias",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:PutKeyPolicy",
    "kms:RetireGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
];

pub(super) fn with_maker(policy: &Value, maker: Option<&str>) -> Value {
    let mut policy = policy.clone();
    if let (Some(maker), Some(statements)) = (maker, policy["Statement"].as_array_mut()) {
        statements.push(json!({
            "Sid": MAKER, "Effect": "Allow", "Principal": {"AWS": maker}, "Action": OF_UP, "Resource": "*",
        }));
    }
    policy::normal(&policy)
}

/// Takes the statement for the maker out of a policy. A statement that says anything else than ours, or that names
/// somebody of another account, stays: it is a difference.
pub(super) fn without_maker(account: &str, policy: &Value) -> (Value, Option<String>) {
    let mut rest = policy.clone();
    let Some(statements) = rest["Statement"].as_array_mut() else { return (rest, None) };
    let Some(at) = statements.iter().position(|statement| statement["Sid"] == MAKER) else { return (rest, None) };
    let who = statements[at]["Principal"]["AWS"][0].as_str().unwrap_or_default().to_owned();
    let is_own = who.split(':').nth(4) == Some(account) && [":user/", ":role/"].iter().any(|part| who.contains(part));
    // IAM's ids for a user and for a role that are gone.
    let is_gone = who.starts_with("AIDA") || who.starts_with("AROA");
    let ours = with_maker(&json!({"Statement": []}), Some(&who));
    if !(is_own || is_gone) || statements[at] != ours["Statement"][0] {
        return (rest, None);
    }
    statements.remove(at);
    (rest, Some(who))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maker_is_chosen_once_and_nobody_else_hides_behind_it() {
        let bare =
            policy::normal(&json!({"Version": "2012-10-17", "Statement": [{"Sid": "Account", "Effect": "Allow"}]}));
        let read = |policy: &Value| without_maker("1", &policy::parse(&policy.to_string()));
        for maker in ["arn:aws:iam::1:role/ci/deploy", "arn:aws:iam::1:user/me", "AROAEXAMPLE"] {
            assert_eq!(read(&with_maker(&bare, Some(maker))), (bare.clone(), Some(maker.to_owned())));
        }
        let from_elsewhere = with_maker(&bare, Some("arn:aws:iam::2:role/deploy"));
        assert_eq!(read(&from_elsewhere), (from_elsewhere.clone(), None));
        let mut wider = with_maker(&bare, Some("arn:aws:iam::1:user/me"));
        for statement in wider["Statement"].as_array_mut().expect("statements") {
            statement["Action"] = json!(["kms:*"]);
        }
        assert_eq!(read(&wider).1, None);
    }
}
