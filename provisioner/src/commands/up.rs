//! `provision up`: make it so.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::document::VERSION;
use super::format::text;
use super::outputs::exported;
use super::{Session, agree, doctor, open, render, run};
use crate::any::AnyLive;
use crate::cli::{Exit, Global};
use crate::engine::{self, Report, Work};
use crate::kind::{LastWish, Owner};
use crate::kinds;
use crate::plan::{Action, Plan, Step};
use crate::printer::Printer;
use crate::snapshot::Snapshot;

pub(crate) async fn up(file: &Path, global: &Global, adopt: &[String], preflight: bool, printer: Printer) -> Exit {
    let session = match open(file, global, printer).await {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    run::greet(&session, "bringing up", printer);
    run::listen_for_stop(session.cx.stop.clone(), printer);
    let lease = match run::lease(&session, printer).await {
        Ok(lease) => lease,
        Err(exit) => return exit,
    };
    let work = with_lease(&session, global, adopt, (lease.unclean, preflight), printer);
    let result = run::unless_forced(&session, work, printer).await;
    let clean = matches!(result, Ok(()) | Err(Exit::Usage));
    run::release(lease, clean, printer).await;
    result.err().unwrap_or(Exit::Done)
}

async fn with_lease(
    session: &Session,
    global: &Global,
    names: &[String],
    (unclean, preflight): (bool, bool),
    printer: Printer,
) -> Result<(), Exit> {
    let mut snapshot = run::take_carefully(session, unclean, printer).await?;
    let mut plan = Plan::new(&session.cx.scope, &session.expanded.desired, &snapshot);
    if !names.is_empty() {
        adopt(session, global, names, (&plan, &snapshot), printer).await?;
        snapshot = run::take_carefully(session, false, printer).await?;
        plan = Plan::new(&session.cx.scope, &session.expanded.desired, &snapshot);
    }
    refuse(&plan, printer)?;
    printer.talk(render::text(&plan, printer));
    if preflight {
        doctor::preflight(session, &plan, &snapshot, printer).await?;
    }
    if !plan.is_empty() {
        agree(global, "Go ahead? [y/N]", printer)?;
    }
    let report = apply(session, &plan, &snapshot, unclean, printer).await;
    run::explain(&report, printer);
    tell(session, &report, global, printer);
    match run::exit(&report) {
        Exit::Done => answers(session, &report, printer).await,
        exit => Err(exit),
    }
}

/// Puts our tags on what is named; nothing else of it changes yet. What is ours by now is passed over: a run that was cut
/// off is run again as it was.
async fn adopt(
    session: &Session,
    global: &Global,
    names: &[String],
    (plan, snapshot): (&Plan, &Snapshot),
    printer: Printer,
) -> Result<(), Exit> {
    let mut chosen: Vec<&AnyLive> = Vec::new();
    for name in names {
        match named(name, plan, snapshot) {
            Some(live) if live.owner == Owner::Ours => printer.talk(format!("{name} is this stack's already")),
            Some(live) => {
                printer.talk(format!("adopting {name}: {}", live.id));
                chosen.push(live);
            }
            None => {
                printer.error(format!("nothing of another is in the place of `{name}`"));
                printer.hint(foreign(plan));
                return Err(Exit::Usage);
            }
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    if !global.yes && printer.ask("Take these over? `down` will delete them. [y/N]").is_none_or(|said| said != "y") {
        printer.error("not adopted");
        printer.hint("give --yes to go ahead without a question");
        return Err(Exit::Usage);
    }
    for live in chosen {
        let kind = kinds::find(live.address.kind).expect("what is live is of a kind");
        if let Err(error) = kind.adopt(&session.cx, live).await {
            printer.error(format!("adopting {}: {error}", live.address));
            return Err(Exit::Failed);
        }
    }
    Ok(())
}

/// What is live in the place of a resource that the stack file asks for.
fn named<'a>(name: &str, plan: &Plan, snapshot: &'a Snapshot) -> Option<&'a AnyLive> {
    let wanted = |step: &&Step| step.action != Action::Delete && step.address.to_string() == name;
    let step = plan.steps.iter().find(wanted)?;
    snapshot.live.get(&step.address)
}

fn foreign(plan: &Plan) -> String {
    let there = plan.steps.iter().filter(|step| step.action == Action::Refuse);
    let there: Vec<String> = there.map(|step| format!("`{}`", step.address)).collect();
    match there.is_empty() {
        true => "nothing has to be adopted: leave --adopt out".to_owned(),
        false => format!("there are: {}", there.join(", ")),
    }
}

/// One GET to the load balancer, where its name resolves. Any answer will do but an error of its own: a 404 is the
/// service's business.
async fn answers(session: &Session, report: &Report, printer: Printer) -> Result<(), Exit> {
    let outputs = exported(&session.expanded, &report.board);
    let Some(host) = outputs.get("services.address").and_then(|address| address.as_str()) else { return Ok(()) };
    if tokio::net::lookup_host((host, 80)).await.is_err() {
        printer.detail(format!("{host} does not resolve here, so no request was tried"));
        return Ok(());
    }
    let mut last = String::new();
    for attempt in 0..6 {
        match get(host).await {
            Ok(status) if status < 500 => return Ok(()),
            Ok(status) => last = format!("HTTP {status}"),
            Err(error) => last = error,
        }
        session.cx.clock.sleep(crate::wait::back_off(attempt)).await;
    }
    printer.error(format!("http://{host}/ does not answer, although everything is ready: {last}"));
    printer.hint("`provision logs` shows what the services say");
    Err(Exit::Failed)
}

/// The status of `GET /`.
async fn get(host: &str) -> Result<u16, String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect((host, 80)).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: provision\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0u8; 12];
        stream.read_exact(&mut start).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&start).into_owned())
    };
    match tokio::time::timeout(std::time::Duration::from_secs(10), exchange).await {
        Ok(Ok(line)) => line.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| "no HTTP".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer within 10 s".to_owned()),
    }
}

async fn apply(session: &Session, plan: &Plan, snapshot: &Snapshot, unclean: bool, printer: Printer) -> Report {
    let work = Work {
        desired: &session.expanded.desired,
        plan,
        snapshot,
        unclean,
        last_wish: LastWish::Discard,
        unprotect: BTreeSet::new(),
    };
    engine::apply(&session.cx, &work, &mut run::progress(printer)).await
}

/// Nothing is begun that cannot be ended, and no data is lost that nobody named.
fn refuse(plan: &Plan, printer: Printer) -> Result<(), Exit> {
    let mut refused = false;
    for step in &plan.steps {
        if step.action == Action::Refuse {
            printer.error(format!(
                "{}: `{}` exists, but this stack did not make it",
                step.address,
                step.id.as_deref().unwrap_or_default()
            ));
            printer.hint(format!(
                "rename the resource in the stack file, delete the other one, or take it over: --adopt '{}'",
                step.address
            ));
            refused = true;
        }
        if step.loses_data {
            let verb = if matches!(step.action, Action::Delete) { "deleting" } else { "replacing" };
            printer.error(format!("{verb} {} loses its data", step.address));
            printer.hint(
                "`up` never does that: change the stack file back, or remove the data with `down --delete-data` first",
            );
            refused = true;
        }
    }
    match refused {
        true => {
            printer.talk(render::text(plan, printer));
            Err(Exit::Failed)
        }
        false => Ok(()),
    }
}

fn tell(session: &Session, report: &Report, global: &Global, printer: Printer) {
    let outputs = exported(&session.expanded, &report.board);
    if global.json {
        let complete = (!report.failed()).then_some(report.seconds);
        printer.data(json!({
            "version": VERSION,
            "stack": session.cx.scope.stack, "env": session.cx.scope.env,
            "serving_seconds": report.serving_seconds, "complete_seconds": complete,
            "outcomes": run::outcomes(report), "outputs": outputs,
        }));
        return;
    }
    if report.failed() {
        return;
    }
    let serving = report.serving_seconds.map_or_else(String::new, |seconds| format!("serving after {seconds:.1} s, "));
    printer.talk(format!("{}: {serving}complete after {:.1} s", printer.green("done"), report.seconds));
    for (name, value) in &outputs {
        printer.data(format!("{name} = {}", text(value)));
    }
}
