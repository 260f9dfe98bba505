//! The commands for a stack on AWS, one file each. They share the account of a stack ([`session`]), and the lease that is
//! held while something is written ([`run`]).

pub mod actions;
mod boundary;
pub mod doctor;
pub mod down;
mod existing_secrets;
mod explain;
pub mod export;
pub mod graph;
pub mod health;
pub mod logs;
pub mod outputs;
pub mod plan;
pub mod policy;
pub mod probe;
pub mod redrive;
mod run;
mod session;
pub mod status;
pub mod up;

use super::command::Command;
use super::failure::{Exit, Failure};
use super::options::Global;
use crate::printer::Printer;

pub(crate) async fn run(command: Command, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    match command {
        Command::Plan { file, options } => plan::plan(&file, global, &options, printer).await,
        Command::Up { file, options } => up::up(&file, global, &options, printer).await,
        Command::Doctor { file, install: _ } => doctor::doctor(file.as_deref(), global, printer).await,
        Command::Down { file, data } => down::down(&file, global, &data, printer).await,
        Command::Status { file: Some(file), snapshot } => {
            status::status(&file, global, snapshot.as_deref(), printer).await
        }
        Command::Status { file: None, .. } => Err(Failure::usage("`status` needs a stack file")
            .hint("without one, `status --local` lists the stacks of this machine")),
        Command::Outputs { file, format } => outputs::outputs(&file, global, format, printer).await,
        Command::Logs { file, services, follow, since } => {
            let which = logs::Which { services, follow, since };
            logs::logs(&file, global, &which, printer).await
        }
        Command::Probe { file, url } => probe::probe(&file, global, url.as_deref(), printer).await,
        Command::Redrive { file, queue } => redrive::redrive(&file, global, &queue, printer).await,
        Command::Policy { file, which } => policy::policy(&file, global, &which, printer),
        Command::Graph { file, format, by } => graph::graph(&file, global, format, by, printer),
        Command::Export { language, file } => export::export(language, &file, global, printer),
        Command::Local(_)
        | Command::Check { .. }
        | Command::Ci { .. }
        | Command::Schema { .. }
        | Command::Completions { .. } => Ok(Exit::Usage),
    }
}
