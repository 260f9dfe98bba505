//! `provision outputs`: addresses and names that others need.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::aws::Proof;
use crate::board::Board;
use crate::cli::{Exit, Global};
use crate::commands::{open, take};
use crate::expand::Expanded;
use crate::printer::Printer;

pub(crate) async fn outputs(file: &Path, global: &Global, printer: Printer) -> Exit {
    let session = match open(file, global, printer).await {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let snapshot = match take(&session, Proof::Index, printer).await {
        Ok(snapshot) => snapshot,
        Err(exit) => return exit,
    };
    let outputs = exported(&session.expanded, &snapshot.board());
    if global.json {
        printer.data(serde_json::to_string_pretty(&outputs).unwrap_or_default());
        return Exit::Done;
    }
    for (name, value) in outputs {
        printer.data(format!("{name} = {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    Exit::Done
}

/// The outputs that are known, by the names that people use: `queues.work.url`.
pub(super) fn exported(expanded: &Expanded, board: &Board) -> BTreeMap<String, Value> {
    let mut outputs = BTreeMap::new();
    for export in &expanded.exports {
        let Some(published) = board.get(&export.of) else {
            continue;
        };
        let ready = published.ready.as_ref().and_then(|ready| ready.get(export.field));
        let value = published.output.get(export.field).or(ready);
        if let Some(value) = value.filter(|value| !value.is_null()) {
            outputs.insert(export.name.clone(), value.clone());
        }
    }
    outputs
}
