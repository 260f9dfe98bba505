//! Expands `secrets:` to secrets in Secrets Manager, under the stack's key.

use super::value;
use crate::kinds::secretsmanager::{Form, Secret, SecretSpec};
use crate::sections::aws::making::{Expand, Making};

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    for name in making.loaded.stack.secrets.keys() {
        let description = format!("The secret {name}");
        let spec = SecretSpec { description, kms_key: making.key(), form: Form::Bytes(super::BYTES) };
        making.add::<Secret>(&format!("secrets.{name}"), value(&name.0), spec);
    }
}
