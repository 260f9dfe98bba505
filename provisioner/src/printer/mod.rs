//! The only place that prints. Data goes to stdout, messages for people go to stderr. Both are readable without colour.

#![allow(clippy::disallowed_methods, reason = "the one place")]

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdin, stdout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::yaml::Problem;

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

    /// Prints data, for people and programs. After a part that could not be written nothing more is written: a document
    /// with a hole in it would look whole.
    pub fn data(&self, text: impl Display) {
        self.write(&format!("{text}\n"));
    }

    /// Writes data as it is, and adds no line end.
    pub fn write(&self, text: &str) {
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

    /// Prints a message for people.
    pub fn talk(&self, text: impl Display) {
        let _ = writeln!(stderr(), "{text}");
    }

    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.talk(text);
        }
    }

    /// Prints an error: what has failed, and below it the reasons.
    pub fn error(&self, text: impl Display) {
        self.talk(format!("{}: {text}", self.red("error")));
    }

    pub fn hint(&self, text: impl Display) {
        self.talk(format!("  hint: {text}"));
    }

    /// Prints the mistakes of a file, each as `stacks/a.yaml:12:5: what` and a hint, one line each, as editors and CI
    /// systems understand it.
    pub fn problems(&self, file: &str, problems: &[Problem]) {
        for problem in problems {
            self.talk(format!("{file}:{}:{}: {}", problem.at.line, problem.at.column, problem.what));
            if let Some(hint) = &problem.hint {
                self.hint(hint);
            }
        }
    }

    /// Asks a question, and returns the answer. `None` if there is no terminal to ask on.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !stdin().is_terminal() || !self.terminal {
            return None;
        }
        let _ = write!(stderr(), "{question} ");
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
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}
