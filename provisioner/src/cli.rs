//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::{DataFlags, Global};
use crate::printer::Printer;
use crate::sections::words::Span;

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

#[derive(Subcommand)]
enum Command {
    /// Find every mistake in a stack file, offline
    Check { file: PathBuf },
    /// Show the difference between the stack file and what is live
    Plan {
        file: PathBuf,
        #[command(flatten)]
        options: commands::options::PlanOptions,
    },
    /// Create and change whatever is needed
    Up {
        file: PathBuf,
        #[command(flatten)]
        options: commands::options::UpOptions,
    },
    /// Look for what would stop an `up` half-way: credentials, permissions, quotas, classes and versions, names, certificate,
    /// images
    ///
    /// Without a stack file only who the credentials belong to. A warning that something could not be checked is no failure; exit
    /// code 1: something would be refused. With --local: what this machine needs to run stacks, and what is missing.
    Doctor {
        file: Option<PathBuf>,
        /// With --local: get what is missing, after asking
        #[arg(long, requires = "local")]
        install: bool,
    },
    /// Print a CI pipeline: plan and comment on a pull request, `up` with the plan that was seen on the main branch
    Ci {
        #[arg(value_enum)]
        pipeline: commands::ci::Pipeline,
    },
    /// Remove the stack, and prove that nothing is left
    Down {
        /// With --local also the name of a stack, as `status --local` lists it: its file may be gone
        file: PathBuf,
        #[command(flatten)]
        data: DataFlags,
    },
    /// Show what is live. With --local and without a stack file: all stacks of this machine, and their files
    #[command(visible_alias = "ps")]
    Status {
        file: Option<PathBuf>,
        /// Keep what is live in a file, without secrets: reviews without credentials compare with it
        #[arg(long, value_name = "FILE")]
        snapshot: Option<PathBuf>,
    },
    /// Print addresses and names that others need
    Outputs {
        file: PathBuf,
        /// How they are written. Default: text
        #[arg(long, value_enum)]
        format: Option<commands::format::Format>,
    },
    /// Show what the services say
    Logs {
        file: PathBuf,
        /// Only of these services
        services: Vec<String>,
        /// Go on until interrupted
        #[arg(long, short)]
        follow: bool,
        /// Begin so long ago, as in 30s, 10m, 2h or 1d
        #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = seconds)]
        since: u64,
    },
    /// Do something to one part of a stack on this machine, to see what the others make of it
    #[command(subcommand)]
    Local(commands::laptop::faults::Fault),
    /// Follow one reservation on its whole way through the live stack, each hop with its time
    ///
    /// The runtime does it, as one Fargate task with the image, role, subnets and firewall of the service that has the role
    /// `reservation`. What it reserves it deletes. Exit code 0: every hop was ok.
    Probe {
        file: PathBuf,
        /// The public entry, on port 443 or 80: needed with `network.certificate`. Default: the load balancer
        #[arg(long, value_name = "URL", value_parser = entry)]
        url: Option<String>,
    },
    /// Move the messages of a queue's dead-letter queue back to it
    ///
    /// SQS does it, and this watches. Ctrl-C cancels: what has been moved stays moved, the rest stays where it is.
    Redrive {
        file: PathBuf,
        /// The queue that gets them back, by its name in the stack file
        queue: String,
    },
    /// Print the IAM policies that `provision` needs for the stack, and a boundary for the roles that it makes, offline
    #[cfg(feature = "aws")]
    Policy {
        file: PathBuf,
        #[command(flatten)]
        which: commands::policy::Which,
    },
    /// Draw what uses what, offline
    #[cfg(feature = "aws")]
    Graph {
        file: PathBuf,
        /// The language of the drawing
        #[arg(long, value_enum, default_value_t = commands::graph::Format::Mermaid)]
        format: commands::graph::Format,
        /// What a node is
        #[arg(long, value_enum, default_value_t = commands::graph::By::Section)]
        by: commands::graph::By,
    },
    /// Print the stack for another tool, to go on without this one, offline
    #[cfg(feature = "aws")]
    Export {
        /// The language of the other tool
        #[arg(value_enum)]
        language: commands::export::Language,
        file: PathBuf,
    },
    /// Print the JSON Schema of stack files, for editors
    Schema {
        /// Print the schema of what `plan --json` prints instead
        #[cfg(feature = "aws")]
        #[arg(long)]
        plan: bool,
    },
    /// Print the completions of a shell
    Completions { shell: clap_complete::Shell },
}

pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let printer = Printer::new(false, false);
            if error.use_stderr() {
                // If this error cannot be printed, there is nobody left to tell.
                let _ = error.print();
                return code(Exit::Usage);
            }
            let text = error.render();
            let text = if printer.is_table() { text.ansi().to_string() } else { text.to_string() };
            printer.write(&text);
            return ended(Ok(Exit::Done), false, printer);
        }
    };
    let Cli { command, global } = cli;
    let printer = Printer::new(global.no_color, global.verbose);
    let as_json = global.json;
    let result = match command {
        Command::Check { file } => commands::check::check(&file, &global, printer),
        Command::Ci { pipeline } => Ok(commands::ci::ci(pipeline, printer)),
        #[cfg(feature = "aws")]
        Command::Schema { plan: true } => Ok(commands::schema_of_plans(printer)),
        Command::Schema { .. } => Ok(commands::schema(printer)),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "provision", &mut text);
            printer.write(&String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
        command if global.local => on_this_machine(command, global, printer).await,
        command @ Command::Local(_) => on_this_machine(command, global, printer).await,
        command => on_aws(command, &global, printer).await,
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

#[cfg(feature = "aws")]
async fn on_aws(command: Command, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    match command {
        Command::Plan { file, options } => commands::plan::plan(&file, global, &options, printer).await,
        Command::Up { file, options } => commands::up::up(&file, global, &options, printer).await,
        Command::Doctor { file, install: _ } => commands::doctor::doctor(file.as_deref(), global, printer).await,
        Command::Down { file, data } => commands::down::down(&file, global, &data, printer).await,
        Command::Status { file: Some(file), snapshot } => {
            commands::status::status(&file, global, snapshot.as_deref(), printer).await
        }
        Command::Status { file: None, .. } => Err(Failure::usage("`status` needs a stack file")
            .hint("without one, `status --local` lists the stacks of this machine")),
        Command::Outputs { file, format } => commands::outputs::outputs(&file, global, format, printer).await,
        Command::Logs { file, services, follow, since } => {
            let which = commands::logs::Which { services, follow, since };
            commands::logs::logs(&file, global, &which, printer).await
        }
        Command::Probe { file, url } => commands::probe::probe(&file, global, url.as_deref(), printer).await,
        Command::Redrive { file, queue } => commands::redrive::redrive(&file, global, &queue, printer).await,
        Command::Policy { file, which } => commands::policy::policy(&file, global, &which, printer),
        Command::Graph { file, format, by } => commands::graph::graph(&file, global, format, by, printer),
        Command::Export { language, file } => commands::export::export(language, &file, global, printer),
        Command::Local(_) => Ok(Exit::Usage),
        Command::Check { .. } | Command::Ci { .. } | Command::Schema { .. } | Command::Completions { .. } => {
            Ok(Exit::Usage)
        }
    }
}

#[cfg(not(feature = "aws"))]
async fn on_aws(_: Command, _: &Global, _: Printer) -> Result<Exit, Failure> {
    Err(Failure::usage("this build knows only this machine, not AWS")
        .hint("give --local, or build it with the feature `aws`, which is on by default"))
}

/// Runs a command on this machine. Its work blocks, so it is kept away from the threads that wait.
async fn on_this_machine(command: Command, global: Global, printer: Printer) -> Result<Exit, Failure> {
    use commands::laptop;
    let work = move || match command {
        Command::Plan { file, options } if options.is_plain() => {
            laptop::plan(&file, &global, options.exit_code, printer)
        }
        Command::Up { file, options } if options.is_plain() => laptop::up(&file, &global, options.install, printer),
        Command::Doctor { file: _, install } => laptop::doctor::doctor(&global, install, printer),
        Command::Down { file, data } => laptop::down(&file, &global, &data, printer),
        Command::Status { file: Some(file), snapshot: None } => laptop::status::status(&file, &global, printer),
        Command::Status { file: None, snapshot: None } => laptop::stacks::list(&global, printer),
        Command::Outputs { file, format } => laptop::outputs(&file, &global, format, printer),
        Command::Logs { file, services, follow, since: _ } => laptop::logs(&file, &global, &services, follow, printer),
        Command::Probe { file, url: None } => laptop::probe(&file, &global, printer),
        Command::Redrive { file, queue } => laptop::redrive::redrive(&file, &global, &queue, printer),
        Command::Local(fault) => laptop::faults::fault(&fault, &global, printer),
        _ => Err(Failure::usage("this has no meaning with --local")),
    };
    tokio::task::spawn_blocking(work).await.unwrap_or(Ok(Exit::Failed))
}

fn entry(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host.map(|host| host.strip_suffix('/').unwrap_or(host)) {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(text.to_owned()),
        _ => Err("http:// or https:// and a host, nothing behind it".to_owned()),
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let known = matches!(unit, "s" | "m" | "h" | "d") && text.len() > unit.len() && text.len() < 8;
    match known {
        true => Ok(Span(text.to_owned()).seconds()),
        false => Err("a number with a unit: 30s, 10m, 2h or 1d".to_owned()),
    }
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}
