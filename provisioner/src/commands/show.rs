//! Shows a plan, for AWS or for this machine: in the form that the options ask for, and in a file for `up --plan`.

use std::path::Path;

use super::document::pretty;
use super::files::write_whole;
use super::options::{Form, Global, PlanOptions};
use super::render;
use crate::commands::failure::{Exit, Failure};
use crate::kind::facts::Address;
use crate::plan::Plan;
use crate::plan::saved::Saved;
use crate::printer::{Document, Printer};
use crate::review::sources::{File, Sources};
use crate::review::{Against, Review};

/// A plan with all that its readers need.
pub(super) struct Shown<'a> {
    pub(super) of: File<'a>,
    pub(super) plan: &'a Plan,
    pub(super) left_out: Vec<Address>,
    pub(super) against: Against,
    /// The name of the stack file.
    pub(super) name: String,
}

/// The form that `--format` and `--json` ask for together.
pub(super) fn form(options: &PlanOptions, global: &Global) -> Result<Form, Failure> {
    match (options.format, global.json) {
        (Some(Form::Text | Form::Markdown), true) => Err(Failure::usage("--json and another --format")),
        (None, true) => Ok(Form::Json),
        (format, _) => Ok(format.unwrap_or(Form::Text)),
    }
}

impl Shown<'_> {
    /// Prints the plan as data.
    pub(super) fn print(&self, form: Form, printer: Printer) {
        let Shown { of, plan, name, .. } = self;
        let sources = Sources::find(of, plan);
        let review = self.review(&sources);
        let saved = Saved::of(of.scope, plan).hash();
        let hash = (!plan.is_empty() && self.against.is_live()).then_some(saved.as_str());
        match form {
            Form::Json => printer.document(&pretty(&render::json(&review, plan, hash))),
            Form::Markdown => printer.document(&Document(render::markdown(&review, name, hash))),
            Form::Text => {
                render::text(&review, name, printer).iter().for_each(|line| printer.data(line));
                if let Some(hash) = hash {
                    printer.data(format!("Hash: {hash}"));
                }
            }
        }
    }

    /// Tells what `up` is about to do.
    pub(super) fn tell(&self, printer: Printer) {
        let sources = Sources::find(&self.of, self.plan);
        let lines = render::text(&self.review(&sources), &self.name, printer);
        lines.iter().for_each(|line| printer.talk(line));
    }

    /// Writes the plan to the file that the options name, looks whether it deletes too much, and gives the exit code.
    pub(super) fn end(&self, options: &PlanOptions) -> Result<Exit, Failure> {
        if let Some(out) = &options.out {
            write(out, &Saved::of(self.of.scope, self.plan))?;
        }
        options.part.allow(self.plan)?;
        match options.exit_code && !self.plan.is_empty() {
            true => Ok(Exit::Difference),
            false => Ok(Exit::Done),
        }
    }

    fn review<'a>(&'a self, sources: &Sources) -> Review<'a> {
        let mut review = Review::new(self.of.scope, self.plan, self.of.desired, sources, self.against);
        review.left_out.clone_from(&self.left_out);
        review
    }
}

fn write(out: &Path, saved: &Saved) -> Result<(), Failure> {
    let refused = saved.refused();
    if !refused.is_empty() {
        let refused = refused.join(", ");
        return Err(Failure::of(format!("a plan with this cannot be carried out, so it is not written: {refused}")));
    }
    write_whole(out, &pretty(&saved.document()))
}
