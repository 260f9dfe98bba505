//! `provision outputs --local`: prints the addresses of a stack that runs here.

use std::path::Path;

use super::looked::look_running;
use crate::commands::failure::{Exit, Failure};
use crate::commands::format::{Format, chosen, write};
use crate::commands::options::Global;
use crate::printer::Printer;

pub(crate) fn outputs(file: &Path, global: &Global, format: Option<Format>, printer: Printer) -> Result<Exit, Failure> {
    let format = chosen(format, global)?;
    write(&look_running(file, global, printer)?.laptop.outputs, format, printer)
}
