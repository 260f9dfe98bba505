//! `provision plan`: the difference between the stack file and what is live.

use std::path::Path;

use super::render;
use crate::aws::Proof;
use crate::cli::{Exit, Global};
use crate::commands::{open, take};
use crate::plan::Plan;
use crate::printer::Printer;

pub(crate) async fn plan(file: &Path, global: &Global, exit_code: bool, printer: Printer) -> Exit {
    match differences(file, global, printer).await {
        Ok(true) if exit_code => Exit::Difference,
        Ok(_) => Exit::Done,
        Err(exit) => exit,
    }
}

async fn differences(file: &Path, global: &Global, printer: Printer) -> Result<bool, Exit> {
    let session = open(file, global, printer).await?;
    let snapshot = take(&session, Proof::Index, printer).await?;
    let plan = Plan::new(&session.cx.scope, &session.expanded.desired, &snapshot);
    match global.json {
        true => printer.data(render::json(&session.cx.scope, &plan)),
        false => printer.data(render::text(&plan, printer)),
    }
    Ok(!plan.is_empty())
}
