//! `provision ci`: prints a pipeline to begin with. The pipelines are the files of `templates/ci`, unchanged.

use clap::ValueEnum;

use crate::commands::failure::Exit;
use crate::printer::{Document, Printer};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pipeline {
    /// A workflow, for `.github/workflows/provision.yml`
    GithubActions,
    /// A shell script, for any other CI
    Shell,
}

pub(crate) fn ci(pipeline: Pipeline, printer: Printer) -> Exit {
    let text = match pipeline {
        Pipeline::GithubActions => include_str!("../../../templates/ci/github-actions.yml"),
        Pipeline::Shell => include_str!("../../../templates/ci/pipeline.sh"),
    };
    printer.document(&Document(text.trim_end().to_owned()));
    Exit::Done
}
