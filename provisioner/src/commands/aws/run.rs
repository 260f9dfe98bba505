//! What `up` and `down` share: the lease, Ctrl-C, progress and the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::session::{Session, login_hint, take};
use crate::aws::lease::{self, Lease, Refused};
use crate::aws::{Proof, Stop};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::engine::{Ending, News, Progress, Report};
use crate::kind::facts::Address;
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::wait::pause;

pub(super) use super::explain::explain;

/// Prints which stack, account and region the command is about, before anything happens.
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

/// Does the work under the lease of the stack, until it is done or a signal ends it. The work is told whether the last
/// run was cut off. If the work fails, the failure is printed before the lease is given back, because that may take a
/// minute.
pub(super) async fn under_lease<W>(
    session: &Session,
    global: &Global,
    work: impl FnOnce(bool) -> W,
    printer: Printer,
) -> Result<Exit, Failure>
where
    W: Future<Output = Result<Exit, Failure>>,
{
    listen_for_stop(session.cx.stop.clone(), printer);
    let lease = lease(session, printer).await?;
    let exit = match unless_forced(session, work(lease.unclean)).await {
        Ok(exit) => exit,
        Err(failure) => failure.tell(global.json, printer),
    };
    release(lease, matches!(exit, Exit::Done | Exit::Usage), printer).await;
    Ok(exit)
}

async fn lease(session: &Session, printer: Printer) -> Result<Lease, Failure> {
    match lease::acquire(&session.cx, &session.principal, &|text| printer.talk(text)).await {
        Ok(lease) => {
            if lease.unclean {
                printer.talk("the last run was cut off: looking twice at what there is");
            }
            Ok(lease)
        }
        Err(Refused::Held(who)) => Err(Failure::new(Exit::LeaseHeld, format!("{who} is at work on this stack"))
            .hint("try again when that run is over")),
        Err(Refused::Stopped) => Err(Failure::interrupted("run the same command again to go on")),
        Err(Refused::Failed(error)) => {
            Err(Failure::of(format!("taking the lease in the DynamoDB table `{}`: {error}", lease::TABLE))
                .hint(login_hint(&error)))
        }
    }
}

async fn release(lease: Lease, clean: bool, printer: Printer) {
    let failed = "giving the lease back failed, it ends by itself in a minute";
    tokio::select! {
        result = lease.release(clean) => if let Err(error) = result {
            printer.talk(format!("{failed}: {error}"));
        },
        () = pause(Duration::from_secs(60)) => printer.talk(format!("{failed}: no answer")),
    }
}

/// Takes a snapshot of what is live. After a run that was cut off, new resources may not show at once. Then this looks
/// several times, and everything that was seen once counts.
pub(super) async fn take_carefully(session: &Session, unclean: bool, printer: Printer) -> Result<Snapshot, Failure> {
    let mut snapshot = take(session, Proof::Service, printer).await?;
    for _ in 0..if unclean { 4 } else { 0 } {
        session.cx.clock.sleep(1.0).await;
        let again = take(session, Proof::Service, printer).await?;
        // A resource that could not be told from others in an earlier look may have its right name now.
        snapshot.live.retain(|_, old| !again.live.values().any(|new| new.id == old.id));
        snapshot.live.extend(again.live);
    }
    Ok(snapshot)
}

/// Waits for Ctrl-C, or for the end of a CI job. After the first signal no new call that changes something starts, and
/// the run waits for those in flight. After the second one (CI sends SIGTERM 7.5 s after SIGINT, and SIGKILL 2.5 s
/// later) it only gives the lease back.
pub(super) fn listen_for_stop(stop: Arc<Stop>, printer: Printer) {
    tokio::spawn(async move {
        let (mut int, mut term) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(int), Ok(term)) => (int, term),
            (Err(error), _) | (_, Err(error)) => return printer.detail(format!("signals cannot be caught: {error}")),
        };
        for force in [false, true] {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            match force {
                false => {
                    stop.interrupt();
                    printer.talk("stopping after the calls in flight; run again to go on");
                }
                true => stop.force(),
            }
        }
        // A program that waits for an answer of the user cannot end by itself, so it is ended here.
        pause(LAST_SECONDS).await;
        std::process::exit(Exit::Interrupted as i32);
    });
}

/// How long the process may still run after the second signal.
const LAST_SECONDS: Duration = Duration::from_secs(2);

/// Does the work, unless a second signal tells it to stop.
async fn unless_forced<T>(session: &Session, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let forced = async {
        while !session.cx.stop.is_forced() {
            pause(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        result = work => result,
        () = forced => {
            Err(Failure::interrupted("calls in flight were not waited for; the next run looks for what they made"))
        }
    }
}

/// Prints the news of a run, a line each. Waiting is shown once for each resource and state, on a terminal and
/// elsewhere.
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

pub(super) fn exit(report: &Report) -> Exit {
    match report {
        report if report.stopped == Some("interrupted") => Exit::Interrupted,
        report if report.failed() => Exit::Failed,
        _ => Exit::Done,
    }
}

/// The outcomes of a run, for programs.
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
            value["cause"] = json!(evidence.cause);
            value["evidence"] = json!(evidence.lines);
            value["unread"] = json!(evidence.unread);
        }
        value
    };
    report.outcomes.iter().map(told).collect()
}
