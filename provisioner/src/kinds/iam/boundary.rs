//! The permissions boundary of a stack: the policy `provision-<stack>-<env>`, which `provision policy` prints.
//!
//! The program looks for the policy and never makes it. The rights that `up` has allow roles only within the boundary,
//! so somebody else has to make it: who makes the boundary decides what the roles may do.

use crate::aws::{Cx, Error};
use crate::scope::Scope;

/// The name of the policy. It has at most 128 characters (IAM API reference, CreatePolicy).
pub fn name(scope: &Scope) -> String {
    format!("provision-{}", scope.prefix())
}

pub fn arn(scope: &Scope) -> String {
    scope.global_arn("iam", &format!("policy/{}", name(scope)))
}

/// Whether the account has the policy. Credentials that may not ask see none, and each role keeps the boundary that it
/// has.
pub async fn is_there(cx: &Cx) -> Result<bool, Error> {
    match cx.iam.get_policy().policy_arn(arn(&cx.scope)).send().await.map_err(Error::from) {
        Ok(_) => Ok(true),
        Err(error) if error.is(&["NoSuchEntity", "NoSuchEntityException"]) || error.is_denied() => Ok(false),
        Err(error) => Err(error),
    }
}
