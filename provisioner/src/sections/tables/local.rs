//! Expands `tables:` to the engine of tables, one process for all of them, behind the server of messages: one address
//! serves topics, queues and tables.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use local::supervisor::part::Part;
use local::supervisor::place::private_directory;
use local::supervisor::probe::Probe;
use local::tables;

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
    let words = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    let part = Part {
        args: vec![
            "local".into(),
            "tables".into(),
            words(&directory.join(CONFIG))?,
            words(&directory)?,
            port.to_string(),
        ],
        port: Some(port),
        ready: Probe::Tcp { port },
        // An engine that was made for another form of the file could not take another declaration.
        generation: FORM.to_owned(),
        ..Part::new(ENGINE, "tables", &making.program)
    };
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
/// The version of that file's form, and of the requests that the engine takes from this program.
const FORM: &str = "1";

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
