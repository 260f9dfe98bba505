//! The key and its alias.

use serde_json::json;

use super::it::It;
use super::template::Data;
use crate::kinds::kms::KeyState;

/// Adds the key. It is kept when the stack is deleted: without it nobody can read the snapshots that it encrypted.
pub(super) fn key(it: &mut It<'_>, want: KeyState) {
    let KeyState { alias, enabled, rotation, policy, maker: _ } = want;
    let properties = json!({
        "Description": format!("Everything of {} that rests", it.prefix()),
        "Enabled": enabled, "EnableKeyRotation": rotation, "KeyPolicy": policy, "Tags": it.tags(),
    });
    it.put("AWS::KMS::Key", properties).data = Data::Retain;
    let own = it.own();
    it.part("Alias", "AWS::KMS::Alias", json!({"AliasName": alias, "TargetKeyId": own}));
}
