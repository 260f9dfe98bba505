//! `provision probe`: sends one event that nobody applies on the whole way of a reservation, from outside in, and shows
//! each hop with its time. The runtime does the work, as a task of its own. The task takes the place of the service
//! whose role has the probe: it has the image, IAM role, subnets and firewall of that service. [`functions`] is the
//! probe of a stack without such a service.

pub(crate) mod functions;
mod task;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::aws::{Error, Proof};
use crate::commands::aws::outputs::exported;
use crate::commands::aws::run;
use crate::commands::aws::session::{Session, login_hint, open, take};
use crate::commands::failure::{Exit, Failure};
use crate::commands::load;
use crate::commands::options::Global;
use crate::kind::Kind;
use crate::kind::facts::Address;
use crate::kinds::ecs::{Service, TaskDefinition, evidence};
use crate::plan::desired::Desired;
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::sections::Stack;
use crate::sections::functions::probe::way;
use crate::sections::services::aws::probe;
use crate::sections::services::roles;
use crate::sections::words::Name;
use task::{Ending, News, Order};

/// The IAM actions of this file.
pub(crate) const ACTIONS: &[&str] = &[
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:RunTask",
    "ecs:StopTask",
    "ecs:TagResource",
    "iam:PassRole",
    "logs:GetLogEvents",
];

/// The runtime's last line when every hop was ok.
const PASSED: &str = "\"probe.passed\"";
/// How many lines that are not hops are shown if the probe failed.
const LAST_LINES: usize = 10;

/// Whether the stack has exactly one service in whose place the probe can run.
pub(crate) fn is_possible(desired: &Desired) -> bool {
    let definitions = desired.resources().iter().filter(|wanted| wanted.address.kind == TaskDefinition::FACTS.name);
    let is_probed = |command: Value| roles::probed().any(|role| command == json!(["serve", role.name]));
    definitions.filter(|wanted| is_probed(wanted.spec.get("command"))).count() == 1
}

pub(crate) async fn probe(file: &Path, global: &Global, url: Option<&str>, printer: Printer) -> Result<Exit, Failure> {
    let loaded = load(file, global)?;
    if let (Some(way), true) = (way(&loaded.stack), probe::candidates(&loaded.stack).is_empty()) {
        let session = open(file, global).await?;
        run::listen_for_stop(session.cx.stop.clone(), printer);
        let address = match url {
            Some(url) => url.to_owned(),
            None => {
                let snapshot = take(&session, Proof::Index, printer).await?;
                let outputs = exported(&session.expanded, &snapshot.board());
                let missing = || Failure::of("the HTTP API is not there").hint("`provision up` makes it");
                // A stack without requests has no address, and needs none.
                match way.reads.is_empty() {
                    true => String::new(),
                    false => text(outputs.get("functions.address")).ok_or_else(missing)?,
                }
            }
        };
        return functions::probe(&session.cx, global, (&way, &address), printer).await;
    }
    let service = place(&loaded.stack, url)?;
    let session = open(file, global).await?;
    let snapshot = take(&session, Proof::Index, printer).await?;
    let order = order(&session, &snapshot, &loaded.stack, service, url)?;
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| Failure::of(format!("drawing a random number: {error}")))?;
    run::listen_for_stop(session.cx.stop.clone(), printer);
    let table = !global.json && printer.is_table();
    let mut seen = Seen::default();
    let ending = task::run(&session.cx, &order, &token, &mut |news| match news {
        News::Status(status) => printer.talk(format!("… the task of `{}` is {status}", order.service)),
        News::Line(line) => seen.line(&line, global.json, table, printer),
    })
    .await
    .map_err(|error| unknown(&error))?;
    report(&ending, &seen, global, printer)
}

/// The service in whose place the probe runs. Refuses a stack in which the probe has no way in.
fn place<'a>(stack: &'a Stack, url: Option<&str>) -> Result<&'a Name, Failure> {
    let roles = roles::probed().map(|role| format!("`{}`", role.name)).collect::<Vec<_>>().join(" or ");
    let service = match probe::candidates(stack).as_slice() {
        [one] => *one,
        [] => {
            let what = format!("no service has the role {roles}, in whose place the probe runs");
            return Err(Failure::usage(what).hint(
                "the probe sends an event that nobody applies, and follows it to the database, the queue and the log",
            ));
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.0.as_str()).collect();
            let what = format!("several services have the role {roles}: {}", names.join(", "));
            return Err(Failure::usage(what)
                .hint("the probe runs in the place of the only one: give them stack files of their own"));
        }
    };
    match (url, &stack.network.certificate) {
        (None, _) if stack.services.values().all(|service| service.http.is_none()) => {
            Err(Failure::usage("no service is behind the load balancer, so the probe has no way in")
                .hint(format!("give the services `http:`, as `services.{service}.http`")))
        }
        (None, Some(_)) if !stack.network.has_own_address() => {
            Err(Failure::usage("the load balancer has a certificate, which is not for its own name")
                .hint("give the address that the certificate is for: --url https://…, or `network.domain`"))
        }
        _ => Ok(service),
    }
}

/// The order for the task. The live service says where it runs, and with which revision.
fn order(
    session: &Session,
    snapshot: &Snapshot,
    stack: &Stack,
    service: &Name,
    url: Option<&str>,
) -> Result<Order, Failure> {
    let missing =
        |what: String| Failure::of(what).hint("`provision up` makes it, `provision status` shows how far it is");
    let address = Address { kind: Service::FACTS.name, name: service.0.clone() };
    let live = match snapshot.live.get(&address) {
        Some(live) if live.owner.is_ours() => live,
        Some(live) => {
            return Err(Failure::of(format!("{address}: `{}` exists, but this stack did not make it", live.id)));
        }
        None => return Err(missing(format!("{address} is not there"))),
    };
    let outputs = exported(&session.expanded, &snapshot.board());
    let known = |name: &str| text(outputs.get(name)).ok_or_else(|| missing(format!("`{name}` is not known yet")));
    let url = match url {
        Some(url) => url.to_owned(),
        None => match stack.network.secure_address() {
            Some(address) => address,
            None => format!("http://{}", known("services.address")?),
        },
    };
    // The name tells the probe's lines from those of the service, whose log it shares. The level lets every line
    // through.
    let mut environment =
        vec![("PROBE_URL", url), ("SERVICE_NAME", "probe".to_owned()), ("LOG_LEVEL", "info".to_owned())];
    // A runtime from before this variable has only one probe, and does not read the variable.
    let role = stack.services.get(service).and_then(|service| roles::find(service.role.as_deref()?));
    environment.extend(role.map(|role| ("PROBE_SYSTEM", role.system.to_owned())));
    if let Some(shipped) = probe::shipped(stack, service) {
        environment.push(("SEARCH_ENDPOINT", known(&format!("search.{}.endpoint", shipped.domain))?));
        environment.push(("PROBE_INDEX", shipped.index));
    }
    let list = |field: &str| -> Vec<String> { serde_json::from_value(live.state.get(field)).unwrap_or_default() };
    Ok(Order {
        service: service.0.clone(),
        cluster: text(Some(&live.state.get("cluster"))).unwrap_or_default(),
        task_definition: text(Some(&live.state.get("task_definition"))).unwrap_or_default(),
        subnets: list("subnets"),
        security_groups: list("security_groups"),
        environment,
    })
}

/// What the probe has printed.
#[derive(Default)]
struct Seen {
    hops: BTreeMap<String, Hop>,
    /// The first hop that failed.
    failed: Option<Hop>,
    milliseconds: Option<f64>,
    /// Lines that are not hops.
    others: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Hop {
    name: String,
    status: String,
    milliseconds: Option<f64>,
    message: String,
}

impl Seen {
    fn line(&mut self, line: &str, as_json: bool, table: bool, printer: Printer) {
        let read: Value = serde_json::from_str(line).unwrap_or_default();
        let part = |name: &str| text(read.get(name)).unwrap_or_default();
        match part("event").as_str() {
            "probe.hop" => {
                let milliseconds = read["milliseconds"].as_f64();
                let hop = Hop { name: part("hop"), status: part("status"), milliseconds, message: part("message") };
                if hop.status == "failed" {
                    self.failed.get_or_insert_with(|| hop.clone());
                }
                match (as_json, table) {
                    (true, _) => printer.data(line),
                    (false, true) => {
                        if self.hops.is_empty() {
                            printer.data(printer.bold(format!("{:14}{:10}{:>12}", "hop", "result", "time")));
                        }
                        printer.data(row(&hop, printer));
                    }
                    (false, false) => printer.data(sentence(&hop)),
                }
                self.hops.insert(hop.name.clone(), hop);
            }
            "probe.passed" => {
                self.milliseconds = read["milliseconds"].as_f64();
                if as_json {
                    printer.data(line);
                }
            }
            _ => self.others.push(line.to_owned()),
        }
    }
}

fn row(hop: &Hop, printer: Printer) -> String {
    let Hop { name, status, milliseconds, message } = hop;
    let time = milliseconds.map_or_else(String::new, |time| format!("{time:.1} ms"));
    let padded = format!("{status:10}");
    let status = match status.as_str() {
        "ok" => printer.green(padded),
        "failed" => printer.red(padded),
        _ => printer.yellow(padded),
    };
    format!("{name:14}{status}{time:>12}  {message}").trim_end().to_owned()
}

fn sentence(hop: &Hop) -> String {
    let Hop { name, status, milliseconds, message } = hop;
    let time = milliseconds.map_or_else(String::new, |time| format!(", {time:.1} ms"));
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    format!("{name}: {status}{time}{message}")
}

fn report(ending: &Ending, seen: &Seen, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let stopped = match ending {
        Ending::Stopped(task) => Some(task),
        Ending::Late | Ending::Interrupted => None,
    };
    let code = stopped.and_then(|task| task::exit_code(task));
    let passed = code == Some(0) && seen.milliseconds.is_some() && seen.failed.is_none();
    if global.json {
        let reason = stopped.and_then(|task| task.stopped_reason());
        let arn = stopped.and_then(|task| task.task_arn());
        printer.data(json!({
            "event": "probe.ended", "version": 1,
            "passed": passed, "task": arn, "exit_code": code, "stopped_reason": reason, "log": seen.others,
        }));
    }
    if passed {
        let time = seen.milliseconds.unwrap_or_default() / 1000.0;
        let hops = seen.hops.values().filter(|hop| hop.status == "ok").count();
        printer.talk(format!("{}: {hops} hops ok in {time:.1} s", printer.green("passed")));
        return Ok(Exit::Done);
    }
    let mut lines = Vec::new();
    match ending {
        Ending::Interrupted => {
            printer.talk("the task was stopped: its event goes on, and nobody applies it");
            return Ok(Exit::Interrupted);
        }
        Ending::Late => {
            let minutes = task::DEADLINE_SECONDS / 60.0;
            lines.push(format!("the probe did not end within {minutes:.0} minutes, and was stopped"));
        }
        Ending::Stopped(task) => {
            lines.push(match (&seen.failed, code) {
                (Some(hop), _) => format!("the probe failed at `{}`: {}", hop.name, hop.message),
                (None, None) => "the task of the probe did not start".to_owned(),
                (None, Some(0)) => "the probe ended well, but its log does not show so".to_owned(),
                (None, Some(code)) => format!("the probe ended with exit code {code}"),
            });
            lines.extend(evidence::why_it_stopped(task));
        }
    }
    let last = &seen.others[seen.others.len().saturating_sub(LAST_LINES)..];
    lines.extend(last.iter().map(|line| format!("log: {line}")));
    Err(Failure::of(lines.join("\n")).hint(advice(seen)))
}

fn advice(seen: &Seen) -> &'static str {
    match &seen.failed {
        Some(hop) if hop.name == "log" && hop.message.contains("403") => {
            "the log forwarder maps the role of the service in the domain, with its first event: `provision logs` shows whether it could"
        }
        _ => "`provision status` shows what is not well, `provision logs` what the services say",
    }
}

/// The failure if nobody knows how the probe ended. If its task runs, it ends by itself.
fn unknown(error: &Error) -> Failure {
    Failure::of(format!("running the probe's task: {error}")).hint(match error {
        error if error.is_login() || error.is_denied() => login_hint(error),
        _ => "a task that has started ends by itself within minutes",
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(name: &str, status: &str, milliseconds: Option<f64>, message: &str) -> Hop {
        Hop { name: name.into(), status: status.into(), milliseconds, message: message.into() }
    }

    #[test]
    fn hops_for_people() {
        let hops = [
            hop("reservation", "ok", Some(41.234), ""),
            hop("lookup miss", "failed", Some(30_000.0), "not there within 30 s"),
            hop("log", "skipped", None, "SEARCH_ENDPOINT is not set"),
        ];
        let printer = Printer::new(true, false);
        let rows: Vec<String> = hops.iter().map(|hop| row(hop, printer)).collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        reservation   ok             41.2 ms
        lookup miss   failed      30000.0 ms  not there within 30 s
        log           skipped                 SEARCH_ENDPOINT is not set
        ");
        let sentences: Vec<String> = hops.iter().map(sentence).collect();
        insta::assert_snapshot!(sentences.join("\n"), @r"
        reservation: ok, 41.2 ms
        lookup miss: failed, 30000.0 ms: not there within 30 s
        log: skipped: SEARCH_ENDPOINT is not set
        ");
    }
}
