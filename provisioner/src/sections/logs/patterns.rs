//! The filter patterns of `logs.ship`. AWS reads them only after everything before the subscription is made, which
//! takes as long as a search domain. So they are checked here.

use std::collections::BTreeMap;

use crate::sections::say::Say;
use crate::sections::words::Name;
use crate::sections::{Loaded, Stack};
use crate::yaml::{below, inside};

/// Checks the patterns. A mistake is told at the pattern, as any other value's, and with the place inside of it.
pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    for (service, filter) in loaded.stack.logs.iter().flat_map(|logs| &logs.ship) {
        let Err(mistake) = pattern::check(filter) else { continue };
        let pointer = below("/logs/ship", &service.0);
        let place = inside(&loaded.text, say.place(&pointer), mistake.column - 1);
        let what = format!(
            "`logs.ship.{service}` is not a filter pattern: in column {} of it, which is {}:{}, {}",
            mistake.column, place.line, place.column, mistake.what
        );
        say.problem(pointer, what, Some(HINT.to_owned()));
    }
}

const HINT: &str = "as in `{ $.level = \"error\" && $.status >= 500 }`, `{ $.event EXISTS }`, `ERROR -health`, `?ERROR ?WARN`, or \"\" for all";

/// The services whose logs are shipped on AWS, and not on a laptop, each with the reason.
pub fn only_on_aws(stack: &Stack) -> BTreeMap<Name, String> {
    let mut all = BTreeMap::new();
    for (service, filter) in stack.logs.iter().flat_map(|logs| &logs.ship) {
        if let Ok(Some(lack)) = pattern::check(filter) {
            let why = format!(
                "the logs of `{service}` are shipped on AWS and not here: {} by the forwarder of this machine (column {} of \
                 `logs.ship.{service}`)",
                lack.what, lack.column
            );
            all.insert(service.clone(), why);
        }
    }
    all
}
