//! `provision doctor`: finds what would stop an `up` half-way, before its first change.

use std::path::Path;

use serde_json::json;

use super::existing_secrets;
use super::session::{Session, connect, login_hint, open, take, time_scale};
use crate::aws::{self, Access, Proof};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::doctor::{Finding, Level, Scene, examine};
use crate::plan::Plan;
use crate::plan::snapshot::Snapshot;
use crate::printer::Printer;
use crate::wait::Clock;

pub(crate) async fn doctor(file: Option<&Path>, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    match file {
        Some(file) => of_stack(file, global, printer).await,
        None => of_credentials(global, printer).await,
    }
}

async fn of_stack(file: &Path, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let session = open(file, global).await?;
    let snapshot = take(&session, Proof::Service, printer).await?;
    let plan = Plan::new(&session.cx.scope, &session.expanded.desired, &snapshot);
    let scope = &session.cx.scope;
    let mut findings = vec![
        Finding::ok(
            "stack",
            format!(
                "{}: {} resources, {} to change",
                scope.tag(),
                session.expanded.desired.resources().len(),
                plan.changes().count()
            ),
        ),
        Finding::ok("account", format!("{} in {}, as {}", scope.account, scope.region, session.principal)),
    ];
    findings.extend(existing_secrets::findings(&session, file));
    findings.extend(examine(&scene(&session, &plan, &snapshot, true)).await);
    let of = json!({"stack": scope.stack, "env": scope.env, "account": scope.account, "region": scope.region});
    Ok(tell(global, &of, &findings, printer))
}

/// Examines only the credentials, without a stack.
async fn of_credentials(global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let access = Access {
        profile: global.profile.clone(),
        region: global.region.clone(),
        endpoint_url: global.endpoint_url.clone(),
    };
    let clock = Clock::new(time_scale()?);
    let config = connect(&access, global.region.as_deref(), clock).await?;
    let region = config.region().map(ToString::to_string);
    let finding = match (&region, aws::caller(&config).await) {
        (None, _) => Finding::stop("account", "no region is known", "give --region, or a stack file with one"),
        (Some(region), Ok(caller)) => {
            Finding::ok("account", format!("{} in {region}, as {}", caller.account, caller.arn))
        }
        (Some(_), Err(error)) => {
            Finding::stop("account", format!("the credentials do not work: {error}"), login_hint(&error))
        }
    };
    Ok(tell(global, &json!({"region": region}), &[finding], printer))
}

/// Examines what this plan changes, before `up` begins. Prints only findings that are not in order; `-v` shows the
/// others too.
pub(super) async fn preflight(
    session: &Session,
    plan: &Plan,
    snapshot: &Snapshot,
    printer: Printer,
) -> Result<(), Failure> {
    if plan.is_empty() {
        return Ok(());
    }
    let findings = examine(&scene(session, plan, snapshot, false)).await;
    for finding in &findings {
        let lines = text(finding, printer);
        match finding.level {
            Level::Ok => lines.iter().for_each(|line| printer.detail(line)),
            Level::Warning | Level::Stop => lines.iter().for_each(|line| printer.talk(line)),
        }
    }
    let stops = findings.iter().filter(|finding| finding.level == Level::Stop).count();
    if stops > 0 {
        return Err(Failure::of(format!("{stops} of this would stop it half-way, so nothing was begun"))
            .hint("mend it, or give --no-preflight to try all the same"));
    }
    Ok(())
}

fn scene<'a>(session: &'a Session, plan: &'a Plan, snapshot: &'a Snapshot, whole: bool) -> Scene<'a> {
    Scene { cx: &session.cx, principal: &session.principal, desired: &session.expanded.desired, plan, snapshot, whole }
}

fn tell(global: &Global, of: &serde_json::Value, findings: &[Finding], printer: Printer) -> Exit {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (stops, warnings) = (count(Level::Stop), count(Level::Warning));
    if global.json {
        let mut report = json!({"version": 1, "stops": stops, "warnings": warnings, "findings": findings});
        if let (Some(report), Some(of)) = (report.as_object_mut(), of.as_object()) {
            report.extend(of.clone());
        }
        printer.data(report);
    } else {
        for finding in findings {
            text(finding, printer).iter().for_each(|line| printer.data(line));
        }
    }
    match stops {
        0 => Exit::Done,
        _ => Exit::Failed,
    }
}

/// A finding in words: `stop     quotas       what`, and below it what to do. The level is a word, and not only a
/// colour.
pub(super) fn text(finding: &Finding, printer: Printer) -> Vec<String> {
    let word = match finding.level {
        Level::Ok => printer.green(format!("{:8}", "ok")),
        Level::Warning => printer.yellow(format!("{:8}", "warning")),
        Level::Stop => printer.red(format!("{:8}", "stop")),
    };
    let mut lines = vec![format!("{word} {:13} {}", finding.check, finding.what)];
    lines.extend(finding.todo.as_ref().map(|todo| format!("{:23}{}", "", printer.dim(format!("-> {todo}")))));
    lines
}
