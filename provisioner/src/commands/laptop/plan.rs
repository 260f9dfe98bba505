//! `provision plan --local`: shows the difference between the stack file and what runs on this machine. Writes nothing.

use std::path::Path;

use super::looked::{Looked, found};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::{Global, PlanOptions};
use crate::commands::show::form;
use crate::printer::Printer;

pub(crate) fn plan(file: &Path, global: &Global, options: &PlanOptions, printer: Printer) -> Result<Exit, Failure> {
    if options.asks_nobody() {
        return Err(Failure::usage("--offline and --snapshot have no meaning with --local")
            .hint("`plan --local` needs no network and no credentials"));
    }
    let form = form(options, global)?;
    let (loaded, state) = found(file, global)?;
    let looked = Looked::at(loaded, state)?;
    let (plan, left_out) = options.part.plan(&looked.scope, &looked.laptop.desired, &looked.snapshot)?;
    looked.show(file, &plan, left_out, |shown| {
        shown.print(form, printer);
        shown.end(options)
    })
}
