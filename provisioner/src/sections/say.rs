//! How a check tells a mistake.

use super::mend::Mended;
use super::similar::similar;
use super::words::Name;
use crate::yaml::{Position, Positions, Problem};

/// Whoever has made this many mistakes needs no more guesses at what was meant: each takes a look at every name.
const GUESSES: usize = 50;

/// Tells problems, but none of what was only put in the place of something else.
pub(crate) struct Say<'a> {
    pub(super) positions: &'a Positions,
    pub(super) mended: &'a Mended,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Say<'_> {
    pub(crate) fn problem(&mut self, pointer: String, what: String, hint: Option<String>) {
        if !self.mended.is(&pointer) {
            self.problems.push(Problem { hint, ..Problem::new(self.positions.of(&pointer), what) });
        }
    }

    /// At the key, where the value is what it should be.
    pub(crate) fn at_key(&mut self, pointer: &str, what: String, hint: &str) {
        if !self.mended.is(pointer) {
            self.problems.push(Problem::new(self.positions.key(pointer), what).hint(hint));
        }
    }

    /// Names that the stack's own parts have, on AWS or on a laptop.
    pub(crate) fn taken(&mut self, section: &str, name: &Name) {
        let what = format!("`{name}` is the name of a part that provision makes itself");
        self.problem(format!("/{section}/{name}"), what, None);
    }

    /// The place of a value in the file.
    pub(crate) fn place(&self, pointer: &str) -> Position {
        self.positions.of(pointer)
    }

    /// Whether the file itself says this value and all that is in it. If not, what follows from it is no mistake of its
    /// own.
    pub(crate) fn sound(&self, pointer: &str) -> bool {
        !self.mended.touches(pointer)
    }

    /// A reference to something that is not there, unless it may have been in what was taken out.
    pub(crate) fn dangling(
        &mut self,
        place: String,
        word: &Name,
        sections: &[&str],
        what: String,
        hint: Option<String>,
    ) {
        let lost = self.mended.knew(&word.0) || sections.iter().any(|section| self.mended.is(&format!("/{section}")));
        if !lost {
            self.problem(place, what, hint);
        }
    }

    pub(crate) fn meant<'a>(&self, word: &Name, known: impl Iterator<Item = &'a Name>) -> Option<String> {
        if self.problems.len() > GUESSES {
            return None;
        }
        similar(&word.0, known.map(|name| name.0.as_str())).map(|near| format!("did you mean `{near}`?"))
    }
}
