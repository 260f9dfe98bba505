//! `provision up`: makes the stack as its file says.

use std::path::Path;

use serde_json::json;

use super::outputs::exported;
use super::session::{Session, open_and_build};
use super::{boundary, doctor, existing_secrets, run};
use crate::commands::document::PLAN_VERSION;
use crate::commands::failure::{Exit, Failure};
use crate::commands::format::text;
use crate::commands::guards::{agreed, is_named, refuse, same_stack, saved};
use crate::commands::options::Global;
use crate::commands::options::UpOptions;
use crate::commands::show::Shown;
use crate::commands::{GIVE_YES, agree, answer};
use crate::engine::{self, Report, Work, retag};
use crate::kind::any::AnyLive;
use crate::kinds::on_aws::LastWish;
use crate::kinds::{KINDS, REGISTRY};
use crate::plan::saved::Saved;
use crate::plan::snapshot::Snapshot;
use crate::plan::{Action, Plan, Step};
use crate::printer::Printer;
use crate::review::Against;
use crate::review::sources::File;
use crate::sections::Loaded;
use crate::sections::aws::other;

pub(crate) async fn up(file: &Path, global: &Global, options: &UpOptions, printer: Printer) -> Result<Exit, Failure> {
    let saved = options.plan.as_deref().map(|path| saved(path, REGISTRY)).transpose()?;
    let session = open_and_build(file, global, printer).await?;
    existing_secrets::all_usable(&session, file)?;
    if let Some(saved) = &saved {
        same_stack(saved, &session.cx.scope)?;
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
            Some(saved) => agreed(saved, scope, desired, &snapshot)?,
            None => options.part.plan(scope, desired, &snapshot)?,
        };
        let expand = |loaded: &Loaded, built| other(loaded, scope, &session.digests, built);
        let of = File { loaded: &session.loaded, scope, desired, snapshot: &snapshot, expand: &expand };
        let name = self.file.display().to_string();
        Shown { of, plan: &plan, left_out, against: Against::Aws, name }.tell(printer);
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

fn tell(session: &Session, report: &Report, global: &Global, printer: Printer) {
    let outputs = exported(&session.expanded, &report.board);
    if global.json {
        let complete = (!report.failed()).then_some(report.seconds);
        printer.data(json!({
            "version": PLAN_VERSION,
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
