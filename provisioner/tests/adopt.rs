//! Resources that others made under our names are refused. They are taken over only if they are named.

mod support;

use gateway::{Base, Effect, Gateway, Options, Rule};
use provision::image::artefacts::Artefacts;
use support::binary::{run, run_as_victim, said, stack};
use support::rights;

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_named_is_taken_over() {
    let options = Options { base: Base::Ministack, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let cx = support::context(gateway.url(), "another", Artefacts::default()).await;
    let (url, bell) = (gateway.url(), stack("bell"));
    let file = bell.to_str().expect("UTF-8");
    cx.sns.create_topic().name("bell-dev-rings").send().await.expect("made by another");
    cx.sqs.create_queue().queue_name("bell-dev-answers").send().await.expect("made by another");

    // Adopting has rights of its own, beside those of `up`.
    let of_up = rights::give(&gateway, file, "dev").await;
    let adoption = rights::printed(&gateway, file, "dev", &["--adopt"]).await;
    gateway.rights(&[of_up, adoption["policies"].as_array().expect("documents").clone()].concat());

    // New resources are hidden from reads for a while.
    for _ in 0..20 {
        let plan = run(url, &["plan", file]).await;
        if String::from_utf8_lossy(&plan.stdout).contains("2 refused") {
            break;
        }
    }
    let refused = run(url, &["up", file, "--yes"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    let said_so = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said_so.contains("--adopt 'sqs.queue answers'") && said_so.contains("--adopt 'sns.topic rings'"),
        "{said_so}"
    );

    let mistyped = run(url, &["up", file, "--yes", "--adopt", "sqs.queue answer"]).await;
    assert_eq!(mistyped.status.code(), Some(64), "{}", said(&mistyped));
    let half = run(url, &["up", file, "--yes", "--adopt", "sqs.queue answers"]).await;
    assert_eq!(half.status.code(), Some(1), "the topic is still another's: {}", said(&half));

    // The run was killed when the topic had its tags, and runs again with the same arguments: it passes over resources
    // that are ours by now.
    let both = ["up", file, "--yes", "--adopt", "sqs.queue answers", "--adopt", "sns.topic rings"];
    let tagged = Rule { action: Some("TagResource".into()), effect: Effect::KillAfter, ..Rule::default() };
    gateway.rules(vec![tagged]).expect("a rule");
    let killed = run_as_victim(&gateway, &both).await;
    assert_eq!(killed.status.code(), None, "{}", said(&killed));
    gateway.rules(Vec::new()).expect("no rules");
    for _ in 0..2 {
        let again = run(url, &both).await;
        assert_eq!(again.status.code(), Some(0), "{}", said(&again));
        let said_so = String::from_utf8_lossy(&again.stderr);
        assert_eq!(said_so.matches("is this stack's already").count(), 2, "{said_so}");
    }
    let mistyped = run(url, &["up", file, "--yes", "--adopt", "sqs.queue answer"]).await;
    assert_eq!(mistyped.status.code(), Some(64), "{}", said(&mistyped));
    let plan = run(url, &["plan", file, "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));
    let down = run(url, &["down", file, "--yes"]).await;
    assert_eq!(down.status.code(), Some(0), "{}", said(&down));
    rights::were_enough(&gateway);
    gateway.stop().await;
}
