//! Tells the mistakes that a check finds.

use super::mend::Mended;
use super::similar::similar;
use super::words::Name;
use crate::yaml::{Position, Positions, Problem};

/// After this many mistakes no more guesses are made at what was meant: each guess looks at every name.
const GUESSES: usize = 50;

/// Tells problems, except those of a value that only stands in for another.
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

    /// Tells a problem at the key, if the value is right and the key is not.
    pub(crate) fn at_key(&mut self, pointer: &str, what: String, hint: &str) {
        if !self.mended.is(pointer) {
            self.problems.push(Problem::new(self.positions.key(pointer), what).hint(hint));
        }
    }

    /// Refuses a name that one of the stack's own parts has, on AWS or on a laptop.
    pub(crate) fn taken(&mut self, section: &str, name: &Name) {
        let what = format!("`{name}` is the name of a part that provision makes itself");
        self.problem(format!("/{section}/{name}"), what, None);
    }

    /// The place of a value in the file.
    pub(crate) fn place(&self, pointer: &str) -> Position {
        self.positions.of(pointer)
    }

    /// Whether the file itself says this value and all that is in it. If not, a consequence of the value is not a
    /// mistake of the file.
    pub(crate) fn sound(&self, pointer: &str) -> bool {
        !self.mended.touches(pointer)
    }

    /// Tells a reference to a missing thing, unless the thing may have been in a value that was taken out.
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
