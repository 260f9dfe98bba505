//! The engine with fake kinds on a fake cloud: no emulator, no network, and no wait that is longer than some milliseconds.

mod fakes;
mod makespan;

use std::collections::BTreeSet;

use self::fakes::{Bench, Plain, REGISTRY, Refusal, Revision, Slow, Spec, Stepwise, cloud, log, text, uses};
use super::{Ending, Report};
use crate::kind::Ref;
use crate::plan::Plan;
use crate::plan::desired::Desired;

#[tokio::test]
async fn what_is_used_is_made_before_what_uses_it() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "c", uses("1", &["b"]));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "a", text("1"));
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain a", "create plain b", "create plain c"]);
    assert_eq!(endings(&report), ["plain a created", "plain b created", "plain c created"]);
    assert!(!report.failed());
    // The second run finds nothing to do.
    let again = bench.up(&desired).await;
    assert_eq!(endings(&again), ["plain a unchanged", "plain b unchanged", "plain c unchanged"]);
    assert_eq!(log(), [""; 0]);
}

#[tokio::test]
async fn what_uses_goes_before_what_is_used() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "c", uses("1", &["b"]));
    bench.up(&desired).await;
    log();
    let snapshot = bench.take(&desired).await;
    let plan = Plan::removal(&desired, &snapshot, &BTreeSet::new());
    let report = bench.apply(&desired, &plan, &snapshot).await;
    assert_eq!(log(), ["delete plain c", "delete plain b", "delete plain a"]);
    assert!(!report.failed());
    assert!(bench.take(&desired).await.live.is_empty());
}

#[tokio::test]
async fn what_nobody_asks_for_goes_when_all_else_is_done() {
    let bench = Bench::new().await;
    let mut before = Desired::new(REGISTRY);
    before.add::<Revision>("s", "old", text("1"));
    before.add::<Plain>("s", "old", Spec { of: Some(Ref::to("old")), ..text("1") });
    bench.up(&before).await;
    log();
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Slow>("s", "slow", text("1"));
    desired.add::<Plain>("s", "new", Spec { needs: Some(Ref::to("slow")), ..text("1") });
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create slow slow", "create plain new", "delete plain old", "delete revision old"]);
    assert!(!report.failed());
}

#[tokio::test]
async fn what_depends_on_a_failure_is_skipped_and_the_rest_goes_on() {
    let bench = Bench::new().await;
    let mut before = Desired::new(REGISTRY);
    before.add::<Plain>("s", "old", text("1"));
    bench.up(&before).await;
    log();
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "c", uses("1", &["b"]));
    desired.add::<Plain>("s", "other", text("1"));
    cloud(|cloud| cloud.refuses("a", Refusal::Always("Refused")));
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain other"]);
    // The reported reason is the failed resource, not one between it and the skipped one. Nothing is deleted while a
    // resource is not as it should be.
    let expected = [
        "plain a failed: creating test.plain a: Refused: no",
        "plain b skipped after test.plain a",
        "plain c skipped after test.plain a",
        "plain other created",
        "plain old skipped after test.plain a",
    ];
    assert_eq!(sorted(endings(&report)), sorted(expected.map(str::to_owned).to_vec()));
    assert!(report.failed());
    // The next run does the rest.
    cloud(|cloud| cloud.refusals.clear());
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain a", "create plain b", "create plain c", "delete plain old"]);
    assert!(!report.failed());
}

#[tokio::test]
async fn something_new_does_not_wait_for_a_late_output_and_gets_it_by_a_second_change() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Slow>("s", "slow", text("1"));
    desired.add::<Plain>("s", "p", Spec { late: Some(Ref::to("slow")), ..text("1") });
    let report = bench.up(&desired).await;
    let log = log();
    assert_eq!(log[2..], ["update plain p late"]);
    assert_eq!(sorted(log[..2].to_vec()), ["create plain p", "create slow slow"]);
    assert_eq!(sorted(endings(&report)), ["plain p created", "slow slow created"]);
    assert_eq!(bench.state("p").late.as_deref(), Some("address of slow"));
}

#[tokio::test]
async fn something_that_serves_already_waits_for_a_late_output_and_changes_once() {
    let bench = Bench::new().await;
    let mut before = Desired::new(REGISTRY);
    before.add::<Plain>("s", "p", text("1"));
    bench.up(&before).await;
    log();
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Slow>("s", "slow", text("1"));
    desired.add::<Plain>("s", "p", Spec { late: Some(Ref::to("slow")), ..text("2") });
    bench.up(&desired).await;
    assert_eq!(log(), ["create slow slow", "update plain p text late"]);
}

#[tokio::test]
async fn a_new_revision_changes_those_who_use_it_and_nobody_else() {
    let bench = Bench::new().await;
    let stack = |revision: &str, user: &str| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Revision>("s", "r", text(revision));
        desired.add::<Plain>("s", "p", Spec { of: Some(Ref::to("r")), ..text(user) });
        desired.add::<Plain>("s", "q", uses("1", &["p"]));
        desired
    };
    bench.up(&stack("1", "1")).await;
    assert_eq!(bench.state("p").of.as_deref(), Some("r:1"));
    log();
    let report = bench.up(&stack("2", "1")).await;
    assert_eq!(log(), ["update revision r text", "update plain p of"]);
    assert_eq!(bench.state("p").of.as_deref(), Some("r:2"));
    assert_eq!(sorted(endings(&report)), ["plain p updated", "plain q unchanged", "revision r updated"]);
    // If the user changes too, it waits for the new revision, so it changes once.
    bench.up(&stack("3", "2")).await;
    assert_eq!(log(), ["update revision r text", "update plain p text of"]);
}

#[tokio::test]
async fn a_kind_that_takes_one_change_at_a_time_is_changed_until_nothing_is_left() {
    let bench = Bench::new().await;
    let stack = |spec: Spec| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Plain>("s", "p", text("1"));
        desired.add::<Stepwise>("s", "t", spec);
        desired
    };
    // What the create does not take follows when the resource is ready.
    let report = bench.up(&stack(text("1"))).await;
    assert_eq!(log(), ["create plain p", "create stepwise t", "update stepwise t text"]);
    assert_eq!(sorted(endings(&report)), ["plain p created", "stepwise t created"]);
    let both = || stack(uses("2", &["p"]));
    bench.up(&both()).await;
    assert_eq!(log(), ["update stepwise t text uses", "update stepwise t uses"]);
    bench.up(&both()).await;
    assert_eq!(log(), [""; 0]);
}

#[tokio::test]
async fn nothing_is_changed_that_the_plan_did_not_show() {
    let bench = Bench::new().await;
    let stack = |spec: Spec| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Plain>("s", "p", spec);
        desired
    };
    let (one, two) = (stack(text("1")), stack(text("2")));
    bench.up(&one).await;
    log();
    let snapshot = bench.take(&one).await;
    // The plan keeps the resource, but by now the stack file has another text.
    let keeps = Plan::new(&bench.cx.scope, &one, &snapshot);
    let report = bench.apply(&two, &keeps, &snapshot).await;
    let moved = "`text` has moved since the plan was made. Run again";
    assert_eq!(endings(&report), [format!("plain p failed: updating test.plain p: {moved}")]);
    // The plan changes the text, but by now the stack file has another key, which AWS cannot change.
    let changes = Plan::new(&bench.cx.scope, &two, &snapshot);
    let replaced = stack(Spec { key: "another".to_owned(), ..text("2") });
    let report = bench.apply(&replaced, &changes, &snapshot).await;
    let refused = "`key` is \"\" and has to be \"another\", which takes a replacement that the plan did not show. Run `provision plan`";
    assert_eq!(endings(&report), [format!("plain p failed: updating test.plain p: {refused}")]);
    assert_eq!(log(), [""; 0]);
}

#[tokio::test]
async fn a_replacement_is_deleted_and_made_anew_with_those_who_use_it_after_it() {
    let bench = Bench::new().await;
    let stack = |key: &str| {
        let mut desired = Desired::new(REGISTRY);
        desired.add::<Plain>("s", "a", Spec { key: key.to_owned(), ..text("1") });
        desired.add::<Plain>("s", "b", uses("1", &["a"]));
        desired
    };
    bench.up(&stack("1")).await;
    log();
    let report = bench.up(&stack("2")).await;
    assert_eq!(log(), ["delete plain a", "create plain a", "update plain b uses"]);
    assert_eq!(sorted(endings(&report)), ["plain a created", "plain b updated"]);
}

#[tokio::test]
async fn after_an_interrupt_no_call_starts() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    desired.add::<Plain>("s", "other", text("1"));
    cloud(|cloud| cloud.interrupts_at = Some("a".to_owned()));
    let report = bench.up(&desired).await;
    assert_eq!(log(), ["create plain a"]);
    assert_eq!(endings(&report), ["plain a stopped", "plain b stopped", "plain other stopped"]);
    assert_eq!(report.stopped, Some("interrupted"));
    // The next run goes on from there.
    let bench = Bench::again().await;
    let report = bench.up(&desired).await;
    assert_eq!(sorted(log()), ["create plain b", "create plain other"]);
    assert!(!report.failed());
}

#[tokio::test]
async fn a_refusal_that_ends_by_itself_is_waited_for() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    cloud(|cloud| cloud.refuses("a", Refusal::Times(2, "Passing")));
    let report = bench.up(&desired).await;
    assert_eq!((log(), report.failed()), (vec!["create plain a".to_owned()], false));
}

#[tokio::test]
async fn a_lost_answer_does_not_make_a_second_one() {
    let bench = Bench::new().await;
    let mut desired = Desired::new(REGISTRY);
    desired.add::<Plain>("s", "a", text("1"));
    desired.add::<Plain>("s", "b", uses("1", &["a"]));
    cloud(|cloud| cloud.refuses("a", Refusal::MadeAllTheSame));
    let report = bench.up(&desired).await;
    assert_eq!((log(), report.failed()), (vec!["create plain a".to_owned(), "create plain b".to_owned()], false));
}

/// The outcomes, one a line: `plain a created`.
fn endings(report: &Report) -> Vec<String> {
    let told = |ending: &Ending| match ending {
        Ending::Unchanged => "unchanged".to_owned(),
        Ending::Created => "created".to_owned(),
        Ending::Updated => "updated".to_owned(),
        Ending::Deleted => "deleted".to_owned(),
        Ending::Failed { error, .. } => format!("failed: {error}"),
        Ending::Skipped { after } => format!("skipped after {after}"),
        Ending::Stopped => "stopped".to_owned(),
    };
    let outcomes = report.outcomes.iter();
    let lines = outcomes.map(|outcome| format!("{} {}", outcome.address, told(&outcome.result)));
    lines.map(|line| line.trim_start_matches("test.").to_owned()).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
