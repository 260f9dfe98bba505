//! The commands, as they are written on the command line. [`super::aws`] and [`super::laptop`] run them.

use std::path::PathBuf;

use clap::Subcommand;

use super::fault::Fault;
use super::options::{By, DataFlags, Drawing, Language, PlanOptions, UpOptions, Which};
use super::{ci, format};
use crate::sections::words::Span;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Find every mistake in a stack file, offline
    Check { file: PathBuf },
    /// Show the difference between the stack file and what is live
    Plan {
        file: PathBuf,
        #[command(flatten)]
        options: PlanOptions,
    },
    /// Create and change whatever is needed
    Up {
        file: PathBuf,
        #[command(flatten)]
        options: UpOptions,
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
        pipeline: ci::Pipeline,
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
        format: Option<format::Format>,
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
    Local(Fault),
    /// Follow one marked event on its whole way through the live stack, each hop with its time
    ///
    /// All count the event, and none applies it: lists, stocks and the next ids stay as they were. In a stack of services the
    /// runtime follows it, as one Fargate task with the image, role, subnets and firewall of the service that has the role
    /// `reservation`. In a stack of functions, each function with `http` also gets a request that only reads. Exit code 0:
    /// every hop was ok.
    Probe {
        file: PathBuf,
        /// The public entry, on port 443 or 80: needed with `network.certificate` and no `network.domain`. Default: the load balancer or the HTTP API
        #[arg(long, value_name = "URL", value_parser = entry)]
        url: Option<String>,
    },
    /// Move the messages of a queue's dead-letter queue back to it, or call a function again with what it failed at
    ///
    /// For a queue, SQS moves them, and this watches. Ctrl-C cancels: what has been moved stays moved, the rest stays
    /// where it is. A function that a topic or a schedule calls is called again with each event of `<function>-failed`.
    /// An event that it handles is deleted there, and the others are kept.
    Redrive {
        file: PathBuf,
        /// The queue that gets them back, or the function, by its name in the stack file
        queue: String,
    },
    /// Print the IAM policies that `provision` needs for the stack, and a boundary for the roles that it makes, offline
    Policy {
        file: PathBuf,
        #[command(flatten)]
        which: Which,
    },
    /// Draw what uses what, offline
    Graph {
        file: PathBuf,
        /// The language of the drawing
        #[arg(long, value_enum, default_value_t = Drawing::Mermaid)]
        format: Drawing,
        /// What a node is
        #[arg(long, value_enum, default_value_t = By::Section)]
        by: By,
    },
    /// Print the stack for another tool, to go on without this one, offline
    Export {
        /// The language of the other tool
        #[arg(value_enum)]
        language: Language,
        file: PathBuf,
    },
    /// Print the JSON Schema of stack files, for editors
    Schema {
        /// Print the schema of what `plan --json` prints instead
        #[arg(long)]
        plan: bool,
    },
    /// Print the completions of a shell
    Completions { shell: clap_complete::Shell },
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
