//! The filter patterns of `logs.ship`. AWS reads them only after everything before the subscription is made, which
//! takes as long as a search domain. So they are checked here.

use std::collections::BTreeMap;

use pattern::Pattern;
use serde_json::json;

use super::Shipping;
use crate::sections::functions::probe::SEEN;
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

/// Whether the pattern of a service takes the line by which the service says that it has counted a probe's event. Of a
/// pattern that only AWS understands nobody can say, so the probe does not look for its line.
pub(crate) fn takes_probes(logs: Shipping<'_>, service: &Name) -> bool {
    let Some(Ok(pattern)) = logs.ship.get(service).map(|filter| filter.parse::<Pattern>()) else { return false };
    let (timestamp, probe) = ("2026-11-21T12:00:00Z", "probe-0123456789abcdef");
    let line = json!({"timestamp": timestamp, "level": "info", "event": SEEN, "service": service.0, "probe": probe});
    pattern.matches(&line.to_string())
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sections::load::load;

    #[test]
    fn a_pattern_takes_the_line_of_a_probe_or_it_does_not() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacks/sendy.yaml");
        let text = std::fs::read_to_string(file).expect("the stack");
        let sendys = r#"'{ $.event = "reservation.created" || $.event = "probe.seen" }'"#;
        assert!(text.contains(sendys), "the stack has another pattern");
        for (pattern, takes) in [
            (sendys, true),
            (r#"'{ $.event = "reservation.created" }'"#, false),
            (r#"'{ $.level = "info" && $.service = "reservation" }'"#, true),
            (r#""""#, true),
            ("'{ $.event = %probe% }'", false),
        ] {
            let loaded = load(&text.replace(sendys, pattern), "dev").expect("no problems");
            let logs = loaded.stack.shipping().expect("logs");
            assert_eq!(takes_probes(logs, &Name("reservation".to_owned())), takes, "{pattern}");
            assert!(!takes_probes(logs, &Name("lookup".to_owned())), "nothing of it is shipped");
        }
    }
}
