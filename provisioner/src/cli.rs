//! The command line.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::commands;
use crate::commands::command::Command;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::printer::Printer;

/// Infrastructure as code with a bundled runtime: from one YAML file to a running event-driven backend on AWS.
#[derive(Parser)]
#[command(version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 failed or refused; 2 there is a difference (only `plan --exit-code`); 64 wrong usage, also when a
question had to be asked and there is no terminal and no `--yes`; 75 somebody else holds the lease; 130 interrupted.

Environment: the AWS SDK's own variables; PROVISION_TIME_SCALE divides all waits (tests only, default 1); NO_COLOR.";

pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let printer = Printer::new(false, false);
            let text = error.render();
            if error.use_stderr() {
                // Such a text repeats words of the command line, so it has no colours of clap's.
                text.to_string().trim_end().lines().for_each(|line| printer.talk(line));
                return code(Exit::Usage);
            }
            let text = if printer.is_table() { text.ansi().to_string() } else { text.to_string() };
            printer.own(&text);
            return ended(Ok(Exit::Done), false, printer);
        }
    };
    let Cli { command, global } = cli;
    let printer = Printer::new(global.no_color, global.verbose);
    let as_json = global.json;
    let result = match command {
        Command::Check { file } => commands::check::check(&file, &global, printer),
        Command::Ci { pipeline } => Ok(commands::ci::ci(pipeline, printer)),
        Command::Schema { plan: true } => Ok(commands::schema_of_plans(printer)),
        Command::Schema { .. } => Ok(commands::schema(printer)),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "provision", &mut text);
            printer.own(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
        command if global.local => commands::laptop::run(command, global, printer).await,
        command @ Command::Local(_) => commands::laptop::run(command, global, printer).await,
        command => commands::aws::run(command, &global, printer).await,
    };
    ended(result, as_json, printer)
}

/// Prints why the command failed, if it did. Returns the exit code. Output that is not whole is a failure, however the
/// command ended.
fn ended(result: Result<Exit, Failure>, as_json: bool, printer: Printer) -> ExitCode {
    let told = |result: Result<Exit, Failure>| result.unwrap_or_else(|failure| failure.tell(as_json, printer));
    let exit = told(result);
    match printer.lost() {
        None => code(exit),
        Some(why) => code(told(Err(Failure::of(format!("writing the output: {why}"))))),
    }
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}
