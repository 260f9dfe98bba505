//! Finds mistakes in `secrets:`.

use crate::local::keys;
use crate::sections::Loaded;
use crate::sections::say::Say;

/// Refuses the names of passwords that `provision` itself keeps beside the secrets of a stack on this machine.
pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    for name in loaded.stack.secrets.keys().filter(|name| keys::NAMES.contains(&name.0.as_str())) {
        let what = format!("`{name}` is the name of a password of provision's own on a laptop");
        say.problem(format!("/secrets/{name}"), what, Some(format!("for example `{name}-key`")));
    }
}
