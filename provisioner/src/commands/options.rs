//! What `plan` and `up` can be asked for.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    /// Whether it asks for nothing that only a plan against AWS has.
    pub(crate) fn is_plain(&self) -> bool {
        let asks_nobody = self.offline || self.snapshot.is_some();
        self.format.is_none() && self.out.is_none() && !asks_nobody && self.part.is_plain()
    }
}

impl UpOptions {
    /// Whether it asks for nothing that only AWS has.
    pub(crate) fn is_plain(&self) -> bool {
        self.adopt.is_empty() && self.plan.is_none() && self.delete_data.is_empty() && self.part.is_plain()
    }
}

impl Part {
    fn is_plain(&self) -> bool {
        self.only.is_empty() && self.except.is_empty() && self.max_deletes.is_none()
    }
}
