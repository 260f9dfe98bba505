//! Stands in the place of `aws/` in a build that knows only this machine.

use super::command::Command;
use super::failure::{Exit, Failure};
use super::options::Global;
use crate::printer::Printer;

pub(crate) async fn run(_: Command, _: &Global, _: Printer) -> Result<Exit, Failure> {
    Err(Failure::usage("this build knows only this machine, not AWS")
        .hint("give --local, or build it with the feature `aws`, which is on by default"))
}
