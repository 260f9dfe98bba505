//! Explains a run that failed, on one screen: root causes and no cascade, the evidence for each, and what to do next.

use std::collections::BTreeMap;

use crate::aws::evidence::Evidence;
use crate::engine::{Ending, Outcome, Report};
use crate::kind::facts::Address;
use crate::printer::{Printer, shown};

/// How many lines of evidence there are for all failures together, and for one of them at least. `--json` prints all of
/// it.
const SCREEN: usize = 24;
const LEAST: usize = 3;
/// The longest line, in characters.
const WIDTH: usize = 180;

/// Prints the root causes, what they stopped, and what to do next.
pub(super) fn explain(report: &Report, printer: Printer) {
    let roots = roots(&report.outcomes);
    let room = (SCREEN / roots.len().max(1)).max(LEAST);
    for root in &roots {
        printer.error(root.error);
        for line in root.evidence.told(room) {
            printer.talk(line);
        }
        for unread in &root.evidence.unread {
            printer.talk(printer.dim(format!("  {}", cut(unread))));
        }
        if !root.alike.is_empty() {
            printer.talk(format!("  for the same reason: {}", names(&root.alike)));
        }
        if !root.behind.is_empty() {
            printer.talk(format!("  skipped because of it: {}", names(&root.behind)));
        }
    }
    match report.stopped {
        Some("interrupted") => printer.talk("interrupted: run the same command again to go on"),
        Some("the credentials have expired") => {
            printer.error("the credentials have expired");
            printer.hint("log in, then run the same command again: it goes on where this one ended");
        }
        Some(reason) => {
            printer.error(reason);
            printer.hint("run the same command again");
        }
        None if report.failed() => {
            printer.hint("fix the cause, then run the same command again: what is done stays done")
        }
        None => {}
    }
}

/// A failure, with all that failed for the same reason, and all that they stopped.
struct Root<'a> {
    error: &'a str,
    evidence: &'a Evidence,
    alike: Vec<&'a Address>,
    behind: Vec<&'a Address>,
}

fn roots(outcomes: &[Outcome]) -> Vec<Root<'_>> {
    let mut roots: Vec<Root> = Vec::new();
    // The place of each reason and of each failure in `roots`.
    let (mut by_reason, mut by_address) = (BTreeMap::new(), BTreeMap::new());
    for outcome in outcomes {
        let Ending::Failed { error, evidence } = &outcome.result else {
            continue;
        };
        let place = *by_reason.entry(reason(error, evidence)).or_insert(roots.len());
        by_address.insert(&outcome.address, place);
        match roots.get_mut(place) {
            Some(root) => root.alike.push(&outcome.address),
            None => roots.push(Root { error, evidence, alike: Vec::new(), behind: Vec::new() }),
        }
    }
    for outcome in outcomes {
        if let Ending::Skipped { after } = &outcome.result
            && let Some(place) = by_address.get(after)
        {
            roots[*place].behind.push(&outcome.address);
        }
    }
    roots
}

/// The reason of a failure. Failures with the same one have one root: the same action that is not allowed, the same
/// cause, or the same words of AWS.
fn reason(error: &str, evidence: &Evidence) -> String {
    let text = evidence.cause.as_deref().unwrap_or(error);
    for before in ["is not authorized to perform: ", " may not "] {
        if let Some((_, action)) = text.split_once(before) {
            return format!("not allowed: {}", action.split_whitespace().next().unwrap_or_default());
        }
    }
    match &evidence.cause {
        Some(cause) => cause.clone(),
        // Takes the text after `creating sqs.queue work: `.
        None => error
            .split_once(": ")
            .map_or(error, |(_, text)| text)
            .split(" (request id")
            .next()
            .unwrap_or(error)
            .to_owned(),
    }
}

impl Evidence {
    /// The lines to show: the cause, then as many lines of evidence as there is room for. The first ones are the most
    /// helpful.
    fn told(&self, room: usize) -> Vec<String> {
        let cause = self.cause.as_ref().map(|cause| format!("  cause: {}", cut(cause)));
        let mut told: Vec<String> = cause.into_iter().collect();
        // If a log line is the cause, it is not shown twice.
        let repeats = |line: &&String| self.cause.as_deref() != Some(line.trim_start_matches("event: "));
        let lines: Vec<&String> = self.lines.iter().filter(repeats).collect();
        told.extend(lines.iter().take(room).map(|line| format!("  {}", cut(line))));
        if lines.len() > room {
            told.push(format!("  and {} lines more: --json has them", lines.len() - room));
        }
        told
    }
}

fn names(addresses: &[&Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The text on one line that is not too long. Programs wrote it, so the terminal must not obey it.
fn cut(text: &str) -> String {
    let clean = shown::line(text);
    match clean.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: &'static str, name: &str, result: Ending) -> Outcome {
        Outcome { address: Address { kind, name: name.into() }, result, seconds: 0.0 }
    }

    fn failed(kind: &'static str, name: &str, error: &str, cause: Option<&str>) -> Outcome {
        let evidence = Evidence { cause: cause.map(str::to_owned), ..Evidence::default() };
        outcome(kind, name, Ending::Failed { error: format!("creating {kind} {name}: {error}"), evidence })
    }

    /// Six subnets that may not be made are one problem. The resources that stand on them are not problems of their
    /// own.
    #[test]
    fn one_root_and_no_cascade() {
        let denied = |n: u8| {
            format!(
                "UnauthorizedOperation: User: u is not authorized to perform: ec2:CreateSubnet on resource: arn/{n} (request id: {n})"
            )
        };
        let behind = |name: &str, after: &str| {
            let after = Address { kind: "ec2.subnet", name: after.into() };
            outcome("rds.instance", name, Ending::Skipped { after })
        };
        let outcomes = [
            failed("ec2.subnet", "a", &denied(1), None),
            failed("ec2.subnet", "b", &denied(2), None),
            failed("sqs.queue", "c", "InvalidAttributeValue: no", None),
            behind("main", "a"),
            behind("other", "b"),
        ];
        let seen = roots(&outcomes);
        let told: Vec<_> = seen.iter().map(|root| (names(&root.alike), names(&root.behind))).collect();
        let one = ("ec2.subnet b".to_owned(), "rds.instance main, rds.instance other".to_owned());
        assert_eq!(told, [one, (String::new(), String::new())]);
    }

    #[test]
    fn a_screen_is_not_flooded() {
        let lines = (0..40).map(|n| format!("log: {n}\u{1b}[31m{}", "x".repeat(500))).collect();
        let evidence = Evidence { cause: Some("it broke".into()), lines, unread: Vec::new() };
        let told = evidence.told(5);
        assert_eq!(
            (told.len(), told[0].as_str(), told[6].as_str()),
            (7, "  cause: it broke", "  and 35 lines more: --json has them")
        );
        assert!(told.iter().all(|line| line.chars().count() <= WIDTH + 3 && !line.contains('\u{1b}')));
    }
}
