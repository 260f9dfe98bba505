//! `provision up`: makes the stack as its file says.

use std::path::Path;

use serde_json::json;

use super::document::VERSION;
use super::format::text;
use super::options::UpOptions;
use super::outputs::exported;
use super::part::{complete, is_called};
use super::{GIVE_YES, Session, agree, answer, boundary, doctor, open_and_build, read, render, run};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::engine::{self, Report, Work, retag};
use crate::kinds::KINDS;
use crate::kinds::any::AnyLive;
use crate::kinds::facts::Address;
use crate::kinds::on_aws::LastWish;
use crate::plan::saved::Saved;
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan, Step};
use crate::printer::Printer;
use crate::review::Review;
use crate::review::sources::{File, Sources};

pub(crate) async fn up(file: &Path, global: &Global, options: &UpOptions, printer: Printer) -> Result<Exit, Failure> {
    let saved = options.plan.as_deref().map(saved).transpose()?;
    let session = open_and_build(file, global, printer).await?;
    if let Some(saved) = &saved {
        same_stack(saved, &session)?;
    }
    run::greet(&session, "bringing up", printer);
    let run = Run { session: &session, global, options, saved: saved.as_ref(), file, printer };
    run::under_lease(&session, global, |unclean| run.with_lease(unclean), printer).await
}

/// One run, with everything that the user asked for.
struct Run<'a> {
    session: &'a Session,
    global: &'a Global,
    options: &'a UpOptions,
    saved: Option<&'a Saved>,
    file: &'a Path,
    printer: Printer,
}

impl Run<'_> {
    async fn with_lease(&self, unclean: bool) -> Result<Exit, Failure> {
        let Run { session, global, options, printer, .. } = *self;
        let mut snapshot = run::take_carefully(session, unclean, printer).await?;
        let (scope, desired) = (&session.cx.scope, &session.expanded.desired);
        if !options.adopt.is_empty() {
            let plan = Plan::new(scope, desired, &snapshot);
            adopt(session, global, &options.adopt, (&plan, &snapshot), printer).await?;
            snapshot = run::take_carefully(session, false, printer).await?;
        }
        let (plan, left_out) = match self.saved {
            Some(saved) => agreed(saved, session, &snapshot)?,
            None => options.part.plan(scope, desired, &snapshot)?,
        };
        let (loaded, digests) = (&session.loaded, &session.digests);
        let sources = Sources::find(&File { loaded, scope, digests, desired, snapshot: &snapshot }, &plan);
        let review = Review { left_out, ..Review::new(scope, &plan, desired, &sources) };
        printer.talk(render::text(&review, &self.file.display().to_string(), printer));
        refuse(&plan, &options.delete_data, printer)?;
        options.part.allow(&plan)?;
        if !options.no_preflight {
            doctor::preflight(session, &plan, &snapshot, printer).await?;
        }
        if !plan.is_empty() {
            boundary::tell(session, self.file, printer);
            agree(global, "Go ahead? [y/N]", printer)?;
        }
        let report = self.apply(&plan, &snapshot, unclean).await;
        run::explain(&report, printer);
        tell(session, &report, global, printer);
        let exit = run::exit(&report);
        if exit == Exit::Done {
            answers(session, &report, printer).await?;
        }
        Ok(exit)
    }

    async fn apply(&self, plan: &Plan, snapshot: &Snapshot, unclean: bool) -> Report {
        // A user who names the data agrees that its protection is lifted.
        let named = |step: &&Step| step.loses_data && is_named(&step.address, &self.options.delete_data);
        let work = Work {
            kinds: KINDS,
            desired: &self.session.expanded.desired,
            plan,
            snapshot,
            unclean,
            last_wish: LastWish::Discard,
            unprotect: plan.steps.iter().filter(named).map(|step| step.address.clone()).collect(),
        };
        engine::apply(&self.session.cx, &work, &mut run::progress(self.printer)).await
    }
}

fn saved(path: &Path) -> Result<Saved, Failure> {
    Saved::read(&read(path)?).map_err(|why| {
        Failure::of(format!("{} cannot be carried out: {why}", path.display()))
            .hint("make the plan again with this program: `provision plan --out`")
    })
}

fn same_stack(saved: &Saved, session: &Session) -> Result<(), Failure> {
    let scope = &session.cx.scope;
    let now = [&scope.stack, &scope.env, &scope.account, &scope.region];
    let then = [&saved.stack, &saved.env, &saved.account, &saved.region];
    let words = ["stack", "environment", "account", "region"];
    match (0..4).find(|place| now[*place] != then[*place]) {
        None => Ok(()),
        Some(place) => {
            let (word, then, now) = (words[place], then[place], now[place]);
            Err(Failure::of(format!("the plan is for {word} {then}, and this is {now}")))
        }
    }
}

/// Plans the resources that a saved plan touches again. The new plan has to be what was shown. All other resources stay
/// as they are.
fn agreed(saved: &Saved, session: &Session, snapshot: &Snapshot) -> Result<(Plan, Vec<Address>), Failure> {
    let (scope, desired) = (&session.cx.scope, &session.expanded.desired);
    let touched = |_: &str, address: &Address| saved.touches(address);
    let (plan, lacks) = Plan::part(scope, desired, snapshot, &touched);
    let moved = saved.compare(&plan, snapshot);
    if !moved.is_empty() {
        let told = moved.iter().map(|one| (format!("{}: {}", one.address, one.how), None));
        return Err(Failure::errors(told.collect())
            .hint("nothing was done. Make the plan again, look at it, and bring that one up"));
    }
    complete(&lacks, desired)?;
    let whole = Plan::new(scope, desired, snapshot);
    let beside = whole.changes().filter(|step| !saved.touches(&step.address));
    Ok((plan, beside.map(|step| step.address.clone()).collect()))
}

fn is_named(address: &Address, names: &[String]) -> bool {
    names.iter().any(|name| is_called(address, name))
}

/// Puts our tags on the named resources, and changes nothing else of them yet. Resources that are ours already are
/// passed over, so that a run that was cut off can be repeated as it was.
async fn adopt(
    session: &Session,
    global: &Global,
    names: &[String],
    (plan, snapshot): (&Plan, &Snapshot),
    printer: Printer,
) -> Result<(), Failure> {
    let mut chosen: Vec<&AnyLive> = Vec::new();
    for name in names {
        match named(name, plan, snapshot) {
            Some(live) if live.owner.is_ours() => printer.talk(format!("{name} is this stack's already")),
            Some(live) => {
                printer.talk(format!("adopting {name}: {}", live.id));
                chosen.push(live);
            }
            None => {
                return Err(
                    Failure::usage(format!("nothing of another is in the place of `{name}`")).hint(foreign(plan))
                );
            }
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    if answer(global, "Take these over? `down` will delete them. [y/N]", printer) != Some(true) {
        return Err(Failure::usage("not adopted").hint(GIVE_YES));
    }
    for live in chosen {
        let retagged = retag(&session.cx, live).await;
        retagged.map_err(|error| Failure::of(format!("adopting {}: {error}", live.address)))?;
    }
    Ok(())
}

/// The live resource in the place of a resource that the stack file asks for.
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

/// Sends a GET to the load balancer, if its name resolves here. Any answer below 500 will do: a 404 is the service's
/// business.
async fn answers(session: &Session, report: &Report, printer: Printer) -> Result<(), Failure> {
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
    Err(Failure::of(format!("http://{host}/ does not answer, although everything is ready: {last}"))
        .hint("`provision logs` shows what the services say"))
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

/// Refuses a plan with a step that cannot be done, or that loses data which nobody named.
fn refuse(plan: &Plan, delete_data: &[String], printer: Printer) -> Result<(), Failure> {
    let mut refused = Vec::new();
    for step in &plan.steps {
        if step.action == Action::Refuse {
            let (address, id) = (&step.address, step.id.as_deref().unwrap_or_default());
            let what = format!("{address}: `{id}` exists, but this stack did not make it");
            let hint = format!(
                "rename the resource in the stack file, delete the other one, or take it over: --adopt '{address}'"
            );
            refused.push((what, Some(hint)));
        }
        if step.loses_data && !is_named(&step.address, delete_data) {
            let verb = if matches!(step.action, Action::Delete) { "deleting" } else { "replacing" };
            let loss = step.loss.as_deref().unwrap_or("its data");
            let hint = format!("change the stack file back, or name it: --delete-data={}", step.address.name);
            refused.push((format!("{verb} {} loses {loss}", step.address), Some(hint)));
        }
    }
    let unknown = |name: &&String| !plan.steps.iter().any(|step| step.loses_data && is_called(&step.address, name));
    if let Some(name) = delete_data.iter().find(unknown) {
        printer.talk(format!("--delete-data={name}: this plan loses no data of that name"));
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::errors(refused)) }
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
