//! How a command ends: with an exit code, or with a failure that says why. Commands pass a failure on with `?`, and only
//! [`Failure::tell`] prints it.

use schemars::JsonSchema;
use serde::Serialize;

use super::document::pretty;
use crate::printer::Printer;
use crate::yaml::{MOST_PROBLEMS, Problem};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Difference = 2,
    Usage = 64,
    LeaseHeld = 75,
    Interrupted = 130,
}

/// The reason why a command did not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: What,
    /// The lines that `-v` shows below the error: all that another program said, for instance.
    details: Vec<String>,
    hints: Vec<String>,
}

#[derive(Debug)]
enum What {
    Error(String),
    /// Several errors, each with its own hint.
    Errors(Vec<(String, Option<String>)>),
    /// A signal ended the run. The text says how to go on.
    Interruption(String),
    /// The user answered a question with no. They know that, so no text repeats it.
    Declined,
    /// The mistakes of a stack file, each with its place.
    Problems {
        file: String,
        problems: Vec<Problem>,
    },
}

impl Failure {
    /// A failure with exit code 1.
    pub(crate) fn of(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Failed, what)
    }

    /// Wrong usage: exit code 64.
    pub(crate) fn usage(what: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, what)
    }

    /// A failure with another exit code.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Failure {
        Failure::from_what(exit, What::Error(what.into()))
    }

    /// Several errors, each with its own hint: exit code 1.
    pub(crate) fn errors(mut all: Vec<(String, Option<String>)>) -> Failure {
        match all.pop() {
            Some((what, hint)) if all.is_empty() => Failure { hints: hint.into_iter().collect(), ..Failure::of(what) },
            last => {
                all.extend(last);
                Failure::from_what(Exit::Failed, What::Errors(all))
            }
        }
    }

    /// The mistakes of a stack file: exit code 1.
    pub(crate) fn problems(file: String, problems: Vec<Problem>) -> Failure {
        Failure::from_what(Exit::Failed, What::Problems { file, problems })
    }

    /// A signal ended the run: exit code 130.
    pub(crate) fn interrupted(how_to_go_on: &str) -> Failure {
        Failure::from_what(Exit::Interrupted, What::Interruption(how_to_go_on.to_owned()))
    }

    /// The user answered a question with no: exit code 1.
    pub(crate) fn declined() -> Failure {
        Failure::from_what(Exit::Failed, What::Declined)
    }

    /// Adds a hint, below those that are there.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Adds a text that only `-v` shows.
    pub(crate) fn detail(mut self, text: &str) -> Failure {
        self.details.extend(text.lines().map(str::to_owned));
        self
    }

    /// Prints the failure on stderr. With `--json` it is also a document on stdout, unless the command has printed
    /// something there: that is the document then. Returns the exit code.
    pub(crate) fn tell(self, as_json: bool, printer: Printer) -> Exit {
        match &self.what {
            What::Error(text) => printer.error(text),
            What::Errors(all) => {
                for (text, hint) in all.iter().take(MOST_PROBLEMS) {
                    printer.error(text);
                    hint.iter().for_each(|hint| printer.hint(hint));
                }
                printer.more(all.len());
            }
            What::Interruption(how_to_go_on) => printer.talk(format!("interrupted: {how_to_go_on}")),
            What::Declined => {}
            What::Problems { file, problems } => printer.problems(file, problems),
        }
        self.details.iter().for_each(|line| printer.detail(line));
        self.hints.iter().for_each(|hint| printer.hint(hint));
        let exit = self.exit;
        if as_json && !printer.has_written() {
            printer.document(&pretty(&self.document()));
        }
        exit
    }

    fn from_what(exit: Exit, what: What) -> Failure {
        Failure { exit, what, details: Vec::new(), hints: Vec::new() }
    }

    /// The failure as a document for programs.
    pub(super) fn document(self) -> Document {
        let (what, mut problems) = match self.what {
            What::Error(text) => (Some(text), Vec::new()),
            What::Errors(all) => (None, all.into_iter().map(One::of).collect()),
            What::Interruption(how_to_go_on) => (Some(format!("interrupted: {how_to_go_on}")), Vec::new()),
            What::Declined => (Some("the answer was no".to_owned()), Vec::new()),
            What::Problems { file, problems } => {
                (None, problems.into_iter().map(|problem| One::located(&file, problem)).collect())
            }
        };
        let hint = (!self.hints.is_empty()).then(|| self.hints.join("\n"));
        let more_problems = problems.len().saturating_sub(MOST_PROBLEMS);
        problems.truncate(MOST_PROBLEMS);
        Document { error: Told { what, hint, problems, more_problems }, exit: self.exit as u8 }
    }
}

/// The error with its causes, on one line: exit code 1.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::of(format!("{error:#}"))
    }
}

/// The document that a command with `--json` prints when it fails and has printed nothing else.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure", deny_unknown_fields)]
pub(crate) struct Document {
    error: Told,
    /// The exit code.
    exit: u8,
}

/// The text of one error is in `what`, several errors are in `problems`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailureError", deny_unknown_fields)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    /// What to do about it. Several hints are a line each.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The first problems.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<One>,
    /// How many more problems there are.
    #[serde(skip_serializing_if = "is_none")]
    more_problems: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// One error of several. A mistake in a stack file has a place; lines and columns count from 1.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailureProblem", deny_unknown_fields)]
struct One {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl One {
    fn of((what, hint): (String, Option<String>)) -> One {
        One { file: None, line: None, column: None, what, hint }
    }

    fn located(file: &str, Problem { at, what, hint }: Problem) -> One {
        One { file: Some(file.to_owned()), line: Some(at.line), column: Some(at.column), what, hint }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::yaml::Position;

    /// The document on one line.
    fn document(failure: Failure) -> String {
        serde_json::to_string(&failure.document()).expect("it is plain data")
    }

    #[test]
    fn what_is_absent_is_left_out() {
        insta::assert_snapshot!(document(Failure::of("no")), @r#"{"error":{"what":"no"},"exit":1}"#);
        let held = Failure::new(Exit::LeaseHeld, "somebody is at work").hint("wait");
        insta::assert_snapshot!(document(held), @r#"{"error":{"what":"somebody is at work","hint":"wait"},"exit":75}"#);
        let usage = Failure::usage("which?").detail("for -v\nonly").hint("this").hint("or that");
        insta::assert_snapshot!(document(usage), @r#"{"error":{"what":"which?","hint":"this\nor that"},"exit":64}"#);
    }

    #[test]
    fn a_run_that_somebody_ended_says_so() {
        let interrupted = Failure::interrupted("run it again");
        insta::assert_snapshot!(document(interrupted), @r#"{"error":{"what":"interrupted: run it again"},"exit":130}"#);
        insta::assert_snapshot!(document(Failure::declined()), @r#"{"error":{"what":"the answer was no"},"exit":1}"#);
    }

    #[test]
    fn several_errors_are_problems_and_one_is_not() {
        let (first, second) = (("a".to_owned(), Some("mend a".to_owned())), ("b".to_owned(), None));
        let both = Failure::errors(vec![first.clone(), second]).hint("then again");
        insta::assert_snapshot!(
            document(both),
            @r#"{"error":{"hint":"then again","problems":[{"what":"a","hint":"mend a"},{"what":"b"}]},"exit":1}"#
        );
        insta::assert_snapshot!(
            document(Failure::errors(vec![first])),
            @r#"{"error":{"what":"a","hint":"mend a"},"exit":1}"#
        );
    }

    #[test]
    fn mistakes_of_a_stack_file_have_a_place() {
        let problem = Problem { at: Position { line: 2, column: 5 }, what: "no".into(), hint: Some("yes".into()) };
        insta::assert_snapshot!(
            document(Failure::problems("a.yaml".into(), vec![problem])),
            @r#"{"error":{"problems":[{"file":"a.yaml","line":2,"column":5,"what":"no","hint":"yes"}]},"exit":1}"#
        );
    }

    #[test]
    fn of_many_problems_the_first_are_told() {
        let at = |line| Position { line, column: 1 };
        let problem = |line| Problem { at: at(line), what: "no".into(), hint: None };
        let many = |count: usize| document(Failure::problems("a.yaml".into(), (1..=count).map(problem).collect()));
        assert!(many(MOST_PROBLEMS).ends_with(r#"{"file":"a.yaml","line":100,"column":1,"what":"no"}]},"exit":1}"#));
        let more = many(MOST_PROBLEMS + 7);
        assert!(more.ends_with(r#""line":100,"column":1,"what":"no"}],"more_problems":7},"exit":1}"#), "{more}");
        let errors = Failure::errors(vec![("no".to_owned(), None); 300]);
        assert!(document(errors).ends_with(r#"{"what":"no"}],"more_problems":200},"exit":1}"#));
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = Err::<(), _>(std::io::Error::other("disk full")).context("writing a").context("starting b");
        let failure = Failure::from(error.expect_err("it fails"));
        insta::assert_snapshot!(document(failure), @r#"{"error":{"what":"starting b: writing a: disk full"},"exit":1}"#);
    }
}
