//! Secrets, and references to their values.

use serde_json::json;

use super::it::It;
use super::template::Data;
use crate::kinds::secretsmanager::SecretState;

/// Adds a secret. Secrets Manager makes the value, so that no template holds one. It has letters and digits, as with
/// `up`.
pub(super) fn secret(it: &mut It<'_>, want: SecretState) {
    let SecretState { name, description, kms_key, has_value: _, statements: _, username, length } = want;
    let (template, key) = match username {
        Some(username) => (json!({"username": username}), "password"),
        None => (json!({}), "token"),
    };
    let generated = json!({
        "SecretStringTemplate": template.to_string(), "GenerateStringKey": key, "PasswordLength": length,
        "ExcludePunctuation": true,
    });
    let properties = json!({
        "Name": name, "Description": description, "KmsKeyId": kms_key, "GenerateSecretString": generated,
        "Tags": it.tags(),
    });
    it.put("AWS::SecretsManager::Secret", properties).data = Data::Delete;
}

/// A dynamic reference. CloudFormation puts the value in, and shows it to nobody.
pub(super) fn dynamic(arn: &str, key: &str) -> String {
    format!("{{{{resolve:secretsmanager:{arn}:SecretString:{key}}}}}")
}
