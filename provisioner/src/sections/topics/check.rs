//! Finds names that a topic cannot have.

use crate::sections::Loaded;
use crate::sections::say::Say;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    for name in loaded.stack.topics.keys().filter(|name| name.0 == "alerts") {
        say.taken("topics", name);
    }
}
