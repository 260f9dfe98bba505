//! Expands `tables:` to the engine of tables, one process for all of them, behind the server of messages: one address
//! serves topics, queues and tables.

use std::collections::BTreeMap;

use local::supervisor::place::private_directory;
use local::tables::{self, part::part};

use super::key::{Key, Type};
use super::{ENGINE, View};
use crate::kind::Ref;
use crate::local::kinds::{Table, TableSpec, TableState};
use crate::sections::Loaded;
use crate::sections::machine::{Local, Making};

pub(crate) const LOCAL: Local = Local { ports, expand };

fn ports(loaded: &Loaded) -> Vec<String> {
    (!loaded.stack.tables.is_empty()).then(|| ENGINE.to_owned()).into_iter().collect()
}

fn expand(making: &mut Making<'_>) -> anyhow::Result<()> {
    let stack = &making.loaded.stack;
    if stack.tables.is_empty() {
        return Ok(());
    }
    let directory = making.directory(ENGINE);
    if making.writes(ENGINE) {
        private_directory(&directory)?;
    }
    let port = making.port(ENGINE);
    let part = part(ENGINE, &making.program, &directory.join(CONFIG), &directory, port)?;
    making.add("tables", part);
    let scope = making.scope();
    for (name, table) in &stack.tables {
        let section = format!("tables.{name}");
        let called = called(making, &name.0);
        let state = TableState {
            arn: scope.arn("dynamodb", &format!("table/{called}")),
            key: attributes(&table.key),
            stream: table.stream.map(view),
            indexes: table
                .indexes
                .iter()
                .map(|(index, key)| (index.0.clone(), attributes(key)))
                .collect::<BTreeMap<_, _>>(),
            ttl: table.ttl.clone().unwrap_or_default(),
            name: called.clone(),
        };
        making.laptop.desired.add::<Table>(&section, &name.0, TableSpec { state, engine: Ref::to(ENGINE) });
        making.export(format!("{section}.name"), called);
    }
    Ok(())
}

/// The file in the directory of the engine that it reads when it starts.
pub(crate) const CONFIG: &str = "config.json";

/// The name of a table, as on AWS.
pub(crate) fn called(making: &Making<'_>, name: &str) -> String {
    making.scope().name(name, 255)
}

fn attributes(key: &Key) -> Vec<tables::Attribute> {
    let kind = |of: Type| match of {
        Type::String => tables::Kind::String,
        Type::Number => tables::Kind::Number,
        Type::Binary => tables::Kind::Binary,
    };
    key.0.iter().map(|(name, of)| tables::Attribute { name: name.clone(), kind: kind(*of) }).collect()
}

fn view(view: View) -> tables::View {
    match view {
        View::Keys => tables::View::KeysOnly,
        View::NewImage => tables::View::NewImage,
        View::OldImage => tables::View::OldImage,
        View::Both => tables::View::NewAndOldImages,
    }
}
