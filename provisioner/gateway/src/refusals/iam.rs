//! Policies that are too long, and names that deleted secrets still hold.

use super::{Verdict, refuse};
use crate::account::Account;
use crate::request::Request;

/// The longest managed policy, in characters without white space.
const POLICY_SIZE: usize = 6144;
const INLINE_SIZE: usize = 10_240;

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    match request.action.as_str() {
        "CreatePolicy" | "CreatePolicyVersion" => document(request, POLICY_SIZE),
        "PutRolePolicy" => document(request, INLINE_SIZE),
        "CreateSecret" => {
            let secret = account.get(&request.home, "secretsmanager.secret", request.text("Name")?)?;
            secret.text("scheduled")?;
            let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
            refuse("secret-in-recovery", 400, "InvalidRequestException", message)
        }
        _ => None,
    }
}

fn document(request: &Request, limit: usize) -> Option<Verdict> {
    let text = request.text("PolicyDocument")?;
    if serde_json::from_str::<serde_json::Value>(text).is_err() {
        return refuse("policy-json", 400, "MalformedPolicyDocument", "Syntax errors in policy.");
    }
    let size = text.chars().filter(|c| !c.is_whitespace()).count();
    let message = format!("Cannot exceed quota for PolicySize: {limit}");
    if size > limit { refuse("policy-size", 409, "LimitExceeded", message) } else { None }
}
