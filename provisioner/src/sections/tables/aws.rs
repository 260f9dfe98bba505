//! Expands `tables:` to DynamoDB tables.

use crate::kinds::dynamodb::{KeyPart, Table, TableSpec, table_name};
use crate::sections::aws::making::{Expand, Making};
use crate::sections::tables::key::{Key, Type};

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let stack = &making.loaded.stack;
    let prod = making.loaded.profile.or(false, true);
    for (name, table) in &stack.tables {
        let section = format!("tables.{name}");
        let spec = TableSpec {
            key: parts(&table.key),
            stream: table.stream.map(|view| view.word().to_owned()),
            indexes: table.indexes.iter().map(|(index, key)| (index.0.clone(), parts(key))).collect(),
            ttl: table.ttl.clone(),
            protected: prod,
            backups: prod,
        };
        making.add::<Table>(&section, &name.0, spec);
        making.export::<Table>(format!("{section}.name"), &name.0, "name");
    }
}

/// The ARN of a table, which is known before there is one.
pub(crate) fn arn(making: &Making<'_>, name: &str) -> String {
    making.scope.arn("dynamodb", &format!("table/{}", table_name(making.scope, name)))
}

fn parts(key: &Key) -> Vec<KeyPart> {
    let part = |(name, of): &(String, Type)| KeyPart { name: name.clone(), of: of.word().to_owned() };
    key.0.iter().map(part).collect()
}
