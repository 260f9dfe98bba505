//! The commands with `--local`, one file each: the same stack on this machine.

mod doctor;
mod down;
mod faults;
mod logs;
mod looked;
mod outputs;
mod plan;
mod probe;
mod redrive;
mod stacks;
mod status;
mod strays;
mod up;
mod words;

use local::hidden;

use super::command::Command;
use super::failure::{Exit, Failure};
use super::options::Global;
use crate::printer::Printer;

/// Runs the background process that the arguments ask for. This program calls itself with such arguments. `None` for
/// all other arguments.
pub fn hidden() -> Option<std::process::ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    hidden::run(&arguments)
}

/// Runs a command on this machine. Its work blocks, so it is kept away from the threads that wait.
pub(crate) async fn run(command: Command, global: Global, printer: Printer) -> Result<Exit, Failure> {
    let work = move || match command {
        Command::Plan { file, options } => plan::plan(&file, &global, &options, printer),
        Command::Up { file, options } => up::up(&file, &global, &options, printer),
        Command::Doctor { file: _, install } => doctor::doctor(&global, install, printer),
        Command::Down { file, data } => down::down(&file, &global, &data, printer),
        Command::Status { file: Some(file), snapshot: None } => status::status(&file, &global, printer),
        Command::Status { file: None, snapshot: None } => stacks::list(&global, printer),
        Command::Outputs { file, format } => outputs::outputs(&file, &global, format, printer),
        Command::Logs { file, services, follow, since: _ } => logs::logs(&file, &global, &services, follow, printer),
        Command::Probe { file, url: None } => probe::probe(&file, &global, printer),
        Command::Redrive { file, queue } => redrive::redrive(&file, &global, &queue, printer),
        Command::Local(fault) => faults::fault(&fault, &global, printer),
        _ => Err(Failure::usage("this has no meaning with --local")),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Ok(Exit::Failed))
}
