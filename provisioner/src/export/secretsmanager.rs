//! Secrets, and references to their values.

use serde_json::{Value, json};

use super::it::It;
use super::template::Data;
use crate::kinds::secretsmanager::{Form, SecretState};

/// Adds a secret. Secrets Manager makes the value, so that no template holds one. It has letters and digits, as with
/// `up`.
pub(super) fn secret(it: &mut It<'_>, want: SecretState) {
    let SecretState { name, description, kms_key, has_value: _, statements: _, form } = want;
    let inside = |template: Value, key: &str, length: usize| {
        json!({
            "SecretStringTemplate": template.to_string(), "GenerateStringKey": key, "PasswordLength": length,
            "ExcludePunctuation": true,
        })
    };
    let generated = match form {
        Some(Form::Login { username, length }) => inside(json!({"username": username}), "password", length),
        Some(Form::Token { length }) => inside(json!({}), "token", length),
        // A letter or digit carries more than five bits.
        Some(Form::Bytes(bytes)) => json!({"PasswordLength": (bytes * 8).div_ceil(5), "ExcludePunctuation": true}),
        None => json!({"ExcludePunctuation": true}),
    };
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
