//! `provision outputs`: prints the addresses and names that others need.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::session::{open, take};
use crate::aws::Proof;
use crate::commands::failure::{Exit, Failure};
use crate::commands::format::{Format, chosen, write};
use crate::commands::options::Global;
use crate::kind::board::Board;
use crate::printer::Printer;
use crate::sections::aws::Expanded;

pub(crate) async fn outputs(
    file: &Path,
    global: &Global,
    format: Option<Format>,
    printer: Printer,
) -> Result<Exit, Failure> {
    let format = chosen(format, global)?;
    let session = open(file, global).await?;
    let snapshot = take(&session, Proof::Index, printer).await?;
    write(&exported(&session.expanded, &snapshot.board()), format, printer)
}

/// The outputs that are known, by the names that people use: `queues.work.url`.
pub(super) fn exported(expanded: &Expanded, board: &Board) -> BTreeMap<String, Value> {
    let mut outputs = BTreeMap::new();
    for export in &expanded.exports {
        let Some(published) = board.get(&export.of) else {
            continue;
        };
        let parts = [Some(&published.output), published.ready.as_ref()];
        let values = parts.into_iter().flatten().map(|part| part.get(export.field));
        if let Some(value) = values.into_iter().find(|value| !value.is_null()) {
            outputs.insert(export.name.clone(), value);
        }
    }
    outputs
}
