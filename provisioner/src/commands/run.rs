//! What `up` and `down` share: the lease, Ctrl-C, progress, the report.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Session;
use crate::aws::{Proof, Stop};
use crate::cli::Exit;
use crate::engine::{Ending, News, Progress, Report};
use crate::kind::Address;
use crate::lease::{self, Lease, Refused};
use crate::printer::Printer;
use crate::snapshot::Snapshot;

/// Says where we are, before anything happens.
pub(super) fn greet(session: &Session, verb: &str, printer: Printer) {
    let scope = &session.cx.scope;
    printer.talk(format!(
        "{verb} {} in account {}, region {}, as {}",
        printer.bold(scope.tag()),
        scope.account,
        scope.region,
        session.principal
    ));
}

pub(super) async fn lease(session: &Session, printer: Printer) -> Result<Lease, Exit> {
    match lease::acquire(&session.cx, &session.principal, &|text| printer.talk(text)).await {
        Ok(lease) => {
            if lease.unclean {
                printer.talk("the last run was cut off: looking twice at what there is");
            }
            Ok(lease)
        }
        Err(Refused::Held(who)) => {
            printer.error(format!("{} is at work on this stack", who));
            printer.hint("try again when that run is over");
            Err(Exit::LeaseHeld)
        }
        Err(Refused::Failed(error)) => {
            printer.error(format!("taking the lease in the DynamoDB table `{}`: {error}", lease::TABLE));
            printer.hint(super::login_hint(&error));
            Err(Exit::Failed)
        }
    }
}

pub(super) async fn release(lease: Lease, clean: bool, printer: Printer) {
    if let Err(error) = lease.release(clean).await {
        printer.talk(format!("giving the lease back failed, it ends by itself in a minute: {error}"));
    }
}

/// What is live. After a run that was cut off new things may not show at once, so it is looked at again and again, and
/// whatever was seen once counts.
pub(super) async fn take_carefully(session: &Session, unclean: bool, printer: Printer) -> Result<Snapshot, Exit> {
    let mut snapshot = super::take(session, Proof::Service, printer).await?;
    for _ in 0..if unclean { 4 } else { 0 } {
        session.cx.clock.sleep(1.0).await;
        let again = super::take(session, Proof::Service, printer).await?;
        // What could not be told apart before may have its right name now.
        snapshot.live.retain(|_, old| !again.live.values().any(|new| new.id == old.id));
        snapshot.live.extend(again.live);
    }
    Ok(snapshot)
}

/// Ctrl-C, or the end of a CI job: no new call that changes something, those in flight are awaited.
pub(super) fn listen_for_stop(stop: Arc<Stop>, printer: Printer) {
    tokio::spawn(async move {
        let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(term) => term,
            Err(error) => return printer.detail(format!("SIGTERM cannot be caught: {error}")),
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        stop.interrupt();
        printer.talk("stopping after the calls in flight; run again to go on");
    });
}

/// Prints what happens, a line each. On a terminal waiting is shown once per resource and state, elsewhere too.
pub(super) fn progress(printer: Printer) -> impl FnMut(Progress) {
    let mut waiting: BTreeMap<Address, String> = BTreeMap::new();
    move |Progress { address, news, after, done: (done, all) }| {
        let text = match news {
            News::Creating | News::Updating | News::Deleting => return,
            News::Waiting(word) => {
                if waiting.insert(address.clone(), word.clone()).as_ref() == Some(&word) {
                    return;
                }
                format!("{} {address} is {word}", printer.dim("…"))
            }
            News::Created => format!("{} {address} created", printer.green("+")),
            News::Updated => format!("{} {address} changed", printer.yellow("~")),
            News::Deleted => format!("{} {address} deleted", printer.red("-")),
            News::Failed(error) => format!("{} {error}", printer.red("!")),
            News::Serving => printer.bold("serving: requests are answered"),
        };
        printer.talk(format!("{:>7.1}s {done:>4}/{all} {text}", after.as_secs_f64()));
    }
}

/// Root causes, what they stopped, and what to do next.
pub(super) fn explain(report: &Report, printer: Printer) {
    for outcome in &report.outcomes {
        if let Ending::Failed { error, evidence } = &outcome.result {
            printer.error(error);
            for line in evidence {
                printer.talk(format!("  {line}"));
            }
            let behind: Vec<String> = report
                .outcomes
                .iter()
                .filter(|other| matches!(&other.result, Ending::Skipped { after } if *after == outcome.address))
                .map(|other| other.address.to_string())
                .collect();
            if !behind.is_empty() {
                printer.talk(format!("  skipped because of it: {}", behind.join(", ")));
            }
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

pub(super) fn exit(report: &Report) -> Exit {
    match report {
        report if report.stopped == Some("interrupted") => Exit::Interrupted,
        report if report.failed() => Exit::Failed,
        _ => Exit::Done,
    }
}

/// The outcomes, for programs.
pub(super) fn outcomes(report: &Report) -> Vec<Value> {
    let told = |outcome: &crate::engine::Outcome| {
        let mut value = json!({"kind": outcome.address.kind, "name": outcome.address.name, "seconds": outcome.seconds});
        let (result, error) = match &outcome.result {
            Ending::Unchanged => ("unchanged", None),
            Ending::Created => ("created", None),
            Ending::Updated => ("updated", None),
            Ending::Deleted => ("deleted", None),
            Ending::Failed { error, .. } => ("failed", Some(error.clone())),
            Ending::Skipped { after } => ("skipped", Some(format!("after {after}"))),
            Ending::Stopped => ("stopped", None),
        };
        value["result"] = result.into();
        if let Some(error) = error {
            value["error"] = error.into();
        }
        if let Ending::Failed { evidence, .. } = &outcome.result {
            value["evidence"] = json!(evidence);
        }
        value
    };
    report.outcomes.iter().map(told).collect()
}
