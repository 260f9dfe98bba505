//! Many resources. All calls are within AWS's rate limits, not one call is throttled, and there are as many calls for
//! each resource as with few.
//!
//! Other resources of the account cost a plan nothing.
//!
//! `PROVISION_MANY=1000` takes a thousand queues in place of sixty, and two thousand of other people's resources. That
//! takes some minutes.

mod support;

use std::io::Write;

use gateway::{Base, Effect, Gateway, Options, Rule};
use provision::image::artefacts::Artefacts;
use support::binary::{command, run, said, stack};

/// The burst of SQS, as `aws::limits` has it, with a little room for calls that a network bunches together.
const BURST: f64 = 210.0;
const PER_SECOND: f64 = 105.0;

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_throttled() {
    let queues = many();
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
    writeln!(file, "stack: many\nregion: eu-west-1\nqueues:").expect("written");
    for number in 0..queues {
        writeln!(file, "  q{number:04}: {{}}").expect("written");
    }
    // The gateway runs in real time, because limits are per second.
    let options = Options { base: Base::Moto, scale: 1.0, mutate: false, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    for words in [["up", "--yes"], ["plan", "--exit-code"]] {
        // A run cannot know how much of the burst the run before has left. So each begins with all of it.
        let limit = Effect::Bucket { rate: PER_SECOND, burst: BURST };
        gateway.rules(vec![Rule { service: Some("sqs".into()), effect: limit, ..Rule::default() }]).expect("a rule");
        let file = file.path().to_str().expect("UTF-8");
        let mut command = command(gateway.url(), &[words[0], file, words[1]]);
        let run = command.env("PROVISION_TIME_SCALE", "1").output();
        let output = tokio::time::timeout(std::time::Duration::from_secs(1800), run).await.expect("ends in time");
        let output = output.expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    let calls = gateway.calls();
    let throttled = calls.iter().filter(|call| call.outcome.to_lowercase().contains("throttl")).count();
    assert_eq!(throttled, 0, "of {} calls", calls.len());
    // Each queue has a dead-letter queue beside it.
    let each = calls.iter().filter(|call| call.service == "sqs").count() / (2 * queues);
    assert!(each <= 16, "{each} calls for each queue");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_things_cost_a_plan_nothing() {
    let options = Options { base: Base::Moto, scale: support::SCALE, mutate: false, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let bell = stack("bell");
    let file = bell.to_str().expect("UTF-8");
    let up = run(gateway.url(), &["up", file, "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    let before = calls_of_a_plan(&gateway, file).await;

    let cx = support::context(gateway.url(), "another", Artefacts::default()).await;
    for number in 0..many() / 2 {
        // These names are beside ours in every list that is sorted by name.
        let name = format!("bell-dew-{number}");
        cx.sqs.create_queue().queue_name(&name).send().await.expect("a queue");
        cx.sns.create_topic().name(&name).send().await.expect("a topic");
        cx.logs.create_log_group().log_group_name(format!("/bell-dew/{number}")).send().await.expect("a log group");
        let role = cx.iam.create_role().role_name(&name).assume_role_policy_document("{}").path("/provision/bell/dew/");
        role.send().await.expect("a role");
    }
    assert_eq!(calls_of_a_plan(&gateway, file).await, before);
    gateway.stop().await;
}

async fn calls_of_a_plan(gateway: &Gateway, file: &str) -> Vec<String> {
    gateway.clear_calls();
    let plan = run(gateway.url(), &["plan", file, "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    let mut calls: Vec<String> =
        gateway.calls().iter().map(|call| format!("{}:{}", call.service, call.action)).collect();
    calls.sort();
    calls
}

fn many() -> usize {
    std::env::var("PROVISION_MANY").ok().and_then(|many| many.parse().ok()).unwrap_or(60)
}
