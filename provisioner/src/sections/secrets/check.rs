//! Finds mistakes in `secrets:`.

use crate::local::keys;
use crate::sections::Loaded;
use crate::sections::say::Say;
use crate::sections::whereabouts::other_partition;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    own_names(loaded, say);
    places(loaded, say);
}

/// Refuses the names of passwords that `provision` itself keeps beside the secrets of a stack on this machine.
fn own_names(loaded: &Loaded, say: &mut Say<'_>) {
    for name in loaded.stack.secrets.keys().filter(|name| keys::NAMES.contains(&name.0.as_str())) {
        let what = format!("`{name}` is the name of a password of provision's own on a laptop");
        say.problem(format!("/secrets/{name}"), what, Some(format!("for example `{name}-key`")));
    }
}

/// Refuses a secret of another region. ECS reads secrets of its own region only, and so does the runtime. A secret of
/// another account is not refused: its policy may let this one in.
fn places(loaded: &Loaded, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    for (name, arn) in stack.existing_secrets().filter(|(_, from)| from.starts_with("arn:")) {
        let place = format!("/secrets/{name}/from");
        let (there, here) = (arn.split(':').nth(3).unwrap_or_default(), stack.region.as_deref());
        let Some(here) = here.filter(|here| *here != there) else { continue };
        let before = say.problems.len();
        other_partition(arn, "the secret", place.clone(), stack, say);
        if say.problems.len() == before {
            let what = format!("the secret is of {there}, and the stack is in {here}");
            say.problem(place, what, Some(format!("replicate the secret to {here}, and name that replica")));
        }
    }
}
