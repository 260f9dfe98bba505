//! Roles, each with its one policy.

use serde_json::{Value, json};

use super::it::It;
use crate::kinds::iam::RoleState;
use crate::scope::Scope;

/// The ARN that follows from the role's name. A resource that names the role in this way still has to come after it.
pub(super) fn known(scope: &Scope, want: &Value) -> String {
    let text = |field: &str| want[field].as_str().unwrap_or_default().to_owned();
    scope.global_arn("iam", &format!("role{}{}", text("path"), text("name")))
}

pub(super) fn role(it: &mut It<'_>, want: RoleState) {
    let RoleState { name, path, trust, policy, inline_policies: _, managed, permissions_boundary } = want;
    let mut properties = json!({"RoleName": name, "Path": path, "AssumeRolePolicyDocument": trust, "Tags": it.tags()});
    if policy != json!({}) {
        properties["Policies"] = json!([{"PolicyName": "provision", "PolicyDocument": policy}]);
    }
    if !managed.is_empty() {
        properties["ManagedPolicyArns"] = json!(managed);
    }
    if let Some(boundary) = permissions_boundary.filter(|boundary| !boundary.is_empty()) {
        properties["PermissionsBoundary"] = boundary.into();
    }
    it.put("AWS::IAM::Role", properties);
}
