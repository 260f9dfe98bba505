//! The only place that prints. Data goes to stdout, messages for people go to stderr. Both are readable without colour.
//!
//! Most texts hold words from outside. So everything is printed through [`shown`], and a method prints one line: a line end
//! in its text is shown as an escape too, so that no text looks like several messages. Whether stdout is a terminal does not
//! matter, because files and CI logs come to a terminal later. Only a [`Document`] has several lines.

#![allow(clippy::disallowed_methods, reason = "the one place")]

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdin, stdout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::yaml::{MOST_PROBLEMS, Problem};

pub(crate) mod shown;

/// A text of several lines that this program has laid out: JSON, YAML, Markdown, a drawing. Texts from outside are strings
/// in it, in the quotes of its language. Programs read it, so a control character has the form of an escape of JSON there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(pub(crate) String);

/// The error at which stdout stopped to take data. This is one for the whole process, as its stdout is.
static LOST: OnceLock<String> = OnceLock::new();
static GONE: AtomicBool = AtomicBool::new(false);
static WRITTEN: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, Debug)]
pub struct Printer {
    colour: bool,
    /// Whether stderr is a terminal, so that progress may rewrite a line.
    terminal: bool,
    verbose: bool,
}

impl Printer {
    pub fn new(no_colour: bool, verbose: bool) -> Printer {
        let terminal = stderr().is_terminal();
        let colour = terminal && !no_colour && std::env::var_os("NO_COLOR").is_none();
        Printer { colour, terminal, verbose }
    }

    /// Prints a line of data, for people and programs. After a part that could not be written nothing more is written: a
    /// document with a hole in it would look whole.
    pub fn data(&self, line: impl Display) {
        self.write(&(shown::coloured(&line.to_string(), shown::line) + "\n"));
    }

    /// Prints data of several lines.
    pub fn document(&self, document: &Document) {
        self.write(&(shown::lines(&document.0).into_owned() + "\n"));
    }

    /// Writes a text of this program as it is: help, and the completions of a shell. Nothing in it comes from outside.
    pub fn own(&self, text: &str) {
        self.write(text);
    }

    fn write(&self, text: &str) {
        if self.is_over() {
            return;
        }
        WRITTEN.store(true, Ordering::Relaxed);
        let mut out = stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            // If the reader has gone away, as `head` does, that is not a failure of this program.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => GONE.store(true, Ordering::Relaxed),
            Err(error) => {
                let _ = LOST.set(error.to_string());
            }
        }
    }

    /// Whether any data was printed.
    pub fn has_written(&self) -> bool {
        WRITTEN.load(Ordering::Relaxed)
    }

    /// Whether nobody gets any more data, so that a command that would go on for ever may end.
    pub fn is_over(&self) -> bool {
        GONE.load(Ordering::Relaxed) || LOST.get().is_some()
    }

    /// Whether data goes to a terminal, where people read it as a table.
    pub fn is_table(&self) -> bool {
        stdout().is_terminal()
    }

    /// Why some of the data is missing, a full disk for instance. A reader must not take the rest for the whole.
    pub fn lost(&self) -> Option<&'static str> {
        LOST.get().map(String::as_str)
    }

    /// Prints a line for people.
    pub fn talk(&self, line: impl Display) {
        let _ = writeln!(stderr(), "{}", shown::coloured(&line.to_string(), shown::line));
    }

    pub fn detail(&self, line: impl Display) {
        if self.verbose {
            self.talk(line);
        }
    }

    /// Prints an error: what has failed, and below it the reasons. Further lines of the text are set off, because another
    /// program may have written them.
    pub fn error(&self, text: impl Display) {
        let text = text.to_string();
        let mut lines = text.trim_end().split('\n');
        self.talk(format!("{}: {}", self.red("error"), lines.next().unwrap_or_default()));
        lines.for_each(|line| self.talk(format!("  | {line}")));
    }

    pub fn hint(&self, line: impl Display) {
        self.talk(format!("  hint: {line}"));
    }

    /// Prints the first mistakes of a file, each as `stacks/a.yaml:12:5: what` and a hint, one line each, as editors and CI
    /// systems understand it. Then it prints how many more there are.
    pub fn problems(&self, file: &str, problems: &[Problem]) {
        for problem in problems.iter().take(MOST_PROBLEMS) {
            self.talk(format!("{file}:{}:{}: {}", problem.at.line, problem.at.column, problem.what));
            if let Some(hint) = &problem.hint {
                self.hint(hint);
            }
        }
        self.more(problems.len());
    }

    /// Prints how many of so many problems were left out.
    pub(crate) fn more(&self, all: usize) {
        if all > MOST_PROBLEMS {
            self.talk(format!("and {} more", all - MOST_PROBLEMS));
        }
    }

    /// Asks a question, and returns the answer. `None` if there is no terminal to ask on.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !stdin().is_terminal() || !self.terminal {
            return None;
        }
        let _ = write!(stderr(), "{} ", shown::coloured(question, shown::line));
        let _ = stderr().flush();
        let mut answer = String::new();
        stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }

    pub fn bold(&self, text: impl Display) -> String {
        self.paint("1", text)
    }

    pub fn green(&self, text: impl Display) -> String {
        self.paint("32", text)
    }

    pub fn red(&self, text: impl Display) -> String {
        self.paint("31", text)
    }

    pub fn yellow(&self, text: impl Display) -> String {
        self.paint("33", text)
    }

    pub fn dim(&self, text: impl Display) -> String {
        self.paint("2", text)
    }

    fn paint(&self, code: &str, text: impl Display) -> String {
        if self.colour { shown::paint(code, &text.to_string()) } else { text.to_string() }
    }
}
