//! Checks the health check of a service against the limits of AWS.

use crate::sections::Stack;
use crate::sections::say::Say;
use crate::sections::services::Http;
use crate::sections::services::health::{Check, Health, ranges};
use crate::sections::words::Span;

pub(super) fn check(stack: &Stack, say: &mut Say<'_>) {
    for (name, service) in &stack.services {
        let Some(Http { health: Some(Health::Check(check)), .. }) = &service.http else { continue };
        let path = format!("/services/{name}/http/health");
        let spoken = format!("services.{name}.http.health");
        let Check { path: _, codes, interval, grace } = check;
        if let Some(Err(what)) = codes.as_ref().map(|codes| ranges(&codes.to_string())) {
            let hint = "one as in `200`, several as in `200,204`, or a range as in `200-299`";
            say.problem(format!("{path}/codes"), format!("`{spoken}.codes`: {what}"), Some(hint.into()));
        }
        let mut within = |key: &str, span: &Option<Span>, (least, most): (u64, u64), words: &str| {
            if let Some(span) = span.as_ref().filter(|span| !(least..=most).contains(&span.seconds())) {
                let what = format!("`{spoken}.{key}` is {}, outside of {words}", span.0);
                say.problem(format!("{path}/{key}"), what, None);
            }
        };
        // Elastic Load Balancing API reference, CreateTargetGroup.
        within("interval", interval, (5, 300), "5s to 5m");
        within("grace", grace, (0, 1800), "0s to 30m");
    }
}
