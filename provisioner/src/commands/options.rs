//! The options of the commands: those of all commands, of `plan` and `up`, and of commands that delete data.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Debug)]
pub struct Global {
    /// The AWS profile, as in ~/.aws/config
    #[arg(long, global = true)]
    pub profile: Option<String>,
    /// The AWS region. Default: the stack file's, then the profile's
    #[arg(long, global = true)]
    pub region: Option<String>,
    /// Another address for all of AWS, such as an emulator's
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// The environment. Required when the stack file has several
    #[arg(long, global = true)]
    pub env: Option<String>,
    /// Print one JSON document on stdout instead of text. A failure is one too: {"error": {…}, "exit": 1}
    #[arg(long, global = true)]
    pub json: bool,
    /// On this machine instead of AWS, on real engines: `check`, `plan`, `up`, `down`, `status`, `outputs`, `logs`, `probe`. Of several
    /// environments it takes `dev`
    #[arg(long, global = true)]
    pub local: bool,
    /// Do not ask
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// No colours. Also: the variable NO_COLOR
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Say more
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PlanOptions {
    /// Exit with 2 if there is a difference
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// How it is written. Default: text
    #[arg(long, value_enum)]
    pub(super) format: Option<Form>,
    /// Write the plan to a file too, for `up --plan`: it does what was shown, or nothing
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Ask nobody: compare with an empty account, or with --snapshot. Needs no credentials
    #[arg(long, conflicts_with = "out")]
    pub(super) offline: bool,
    /// Compare with what `status --snapshot` kept, and ask nobody
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(super) snapshot: Option<PathBuf>,
    #[command(flatten)]
    pub(super) part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people at a terminal
    Text,
    /// For a comment on a pull request: under 65,536 characters, the biggest risk first
    Markdown,
    /// For programs, as `provision schema --plan` describes it; also --json
    Json,
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UpOptions {
    /// Take over what another made under the name of a resource of this stack, as in `sqs.queue work`. It gets the stack's
    /// tags first, then it is changed as the plan shows
    #[arg(long, value_name = "KIND NAME")]
    pub(super) adopt: Vec<String>,
    /// Do what this plan shows, which `plan --out` wrote, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["adopt", "only", "except"])]
    pub(super) plan: Option<PathBuf>,
    /// Delete or replace these although they hold data
    #[arg(long, value_name = "NAME,…", require_equals = true, value_delimiter = ',')]
    pub(super) delete_data: Vec<String>,
    /// With --local: get the engines that are missing, after asking
    #[arg(long, requires = "local")]
    pub(crate) install: bool,
    /// Do not look first for what would stop the plan half-way, as `doctor` does
    #[arg(long)]
    pub(super) no_preflight: bool,
    #[command(flatten)]
    pub(super) part: Part,
}

/// Which part of a stack, and how much may go.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Part {
    /// Only these sections of the stack file, as in `queues` or `queues.work`
    #[arg(long, value_name = "SECTION,…", value_delimiter = ',', conflicts_with = "except")]
    pub(super) only: Vec<String>,
    /// All but these sections
    #[arg(long, value_name = "SECTION,…", value_delimiter = ',')]
    pub(super) except: Vec<String>,
    /// Do nothing if more resources than this would be deleted or replaced
    #[arg(long, value_name = "N")]
    pub(super) max_deletes: Option<usize>,
}

impl PlanOptions {
    /// Whether the options ask to look at nothing that is live.
    pub(super) fn asks_nobody(&self) -> bool {
        self.offline || self.snapshot.is_some()
    }
}

/// What becomes of databases, caches and search domains. Without one of these `down` asks.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub struct DataFlags {
    /// Keep the data and what it stands on
    #[arg(long)]
    pub keep_data: bool,
    /// Take a last snapshot of each, then delete
    #[arg(long)]
    pub snapshot_data: bool,
    /// Delete the data: all of it, or only of the names given
    #[arg(long, value_name = "NAME,…", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "*")]
    pub delete_data: Option<Vec<String>>,
}

/// The language of a drawing.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Drawing {
    /// For Markdown, as GitHub draws it
    Mermaid,
    /// For Graphviz
    Dot,
}

/// What a node of a drawing is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum By {
    /// One node per section of the stack file
    Section,
    /// One node per resource, in the frame of its section
    Resource,
}

/// The tool that a stack is printed for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Language {
    /// A CloudFormation template, as YAML; with --json as JSON
    Cloudformation,
}

/// Which policy is printed.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct Which {
    /// Only the rights of `plan`: reads, and no data
    #[arg(long)]
    pub(super) plan: bool,
    /// Only the rights that `up --adopt` needs beside those of `up`
    #[arg(long)]
    pub(super) adopt: bool,
    /// Only the document of the permissions boundary, as `aws iam create-policy` takes it
    #[arg(long)]
    pub(super) boundary: bool,
}
