//! Topics, queues and subscriptions against the emulators. The tests build them, plan again (empty), change each field,
//! and try drift and deletion.

mod support;

use aws_sdk_sqs::types::QueueAttributeName;
use provision::kind::Ref;
use provision::kinds::REGISTRY;
use provision::kinds::sns::{Endpoint, Subscription, SubscriptionSpec, Topic, TopicSpec};
use provision::kinds::sqs::{DeadLetter, Queue, QueueSpec};
use provision::plan::desired::Desired;
use support::Bench;

/// The values that the tests vary.
struct Shape {
    visibility_timeout: u64,
    after: u32,
    raw: bool,
    fed: bool,
    fifo: bool,
}

const PLAIN: Shape = Shape { visibility_timeout: 30, after: 5, raw: false, fed: true, fifo: false };

fn desired(shape: &Shape) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    let fifo = shape.fifo;
    let queue = |dead_letter, from| QueueSpec {
        fifo,
        visibility_timeout: shape.visibility_timeout,
        retention: 345_600,
        delay: 0,
        dead_letter,
        from,
        rules: Vec::new(),
    };
    desired.add::<Topic>("topics.rings", "rings", TopicSpec { fifo, kms_key: None });
    desired.add::<Queue>("queues.work", "dead", queue(None, Vec::new()));
    let dead = DeadLetter { queue: Ref::to("dead"), after: shape.after };
    let from = if shape.fed { vec![Ref::to("rings")] } else { Vec::new() };
    desired.add::<Queue>("queues.work", "work", queue(Some(dead), from));
    if shape.fed {
        let endpoint = Endpoint::Queue(Ref::to("work"));
        let spec = SubscriptionSpec { topic: Ref::to("rings"), endpoint, raw: shape.raw, filter: None, failed: None };
        desired.add::<Subscription>("queues.work", "rings-to-work", spec);
    }
    desired
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    // moto 5.2.5 has a gap: setting one attribute forgets the policy. So the repair covers both.
    everything(Bench::moto().await, "update sqs.queue work: delay, policy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    everything(Bench::ministack().await, "update sqs.queue work: delay").await;
}

async fn everything(bench: Bench, drifted: &str) {
    let built = bench.settle(&desired(&PLAIN)).await;
    assert_eq!(
        built.split('\n').collect::<Vec<_>>(),
        [
            "create sns.topic rings",
            "create sqs.queue dead",
            "create sqs.queue work",
            "create sns.subscription rings-to-work",
        ]
    );
    change_each_field(&bench).await;
    drift(&bench, drifted).await;
    beside(&bench).await;
    foreign(&bench).await;
    bench.remove(&desired(&PLAIN)).await;
    bench.gateway.stop().await;
}

async fn change_each_field(bench: &Bench) {
    let changed = bench.settle(&desired(&Shape { visibility_timeout: 60, ..PLAIN })).await;
    assert_eq!(changed, "update sqs.queue dead: visibility_timeout\nupdate sqs.queue work: visibility_timeout");
    let changed = bench.settle(&desired(&Shape { visibility_timeout: 60, after: 7, ..PLAIN })).await;
    assert_eq!(changed, "update sqs.queue work: redrive.maxReceiveCount");
    let changed = bench.settle(&desired(&Shape { raw: true, ..PLAIN })).await;
    assert!(changed.contains("update sns.subscription rings-to-work: raw"), "{changed}");
    let orphaned = bench.settle(&desired(&Shape { fed: false, ..PLAIN })).await;
    assert!(orphaned.contains("delete sns.subscription rings-to-work"), "{orphaned}");
    assert!(orphaned.contains("update sqs.queue work: policy.Statement"), "{orphaned}");
    let replaced = bench.plan(&desired(&Shape { fifo: true, ..PLAIN })).await;
    assert!(
        replaced.contains("replace sqs.queue work: name") || replaced.contains("create sqs.queue work"),
        "{replaced}"
    );
    bench.settle(&desired(&PLAIN)).await;
}

async fn drift(bench: &Bench, drifted: &str) {
    let url = format!("{}/123456789012/bench-test-work", bench.gateway.url());
    let set = bench.cx.sqs.set_queue_attributes().queue_url(&url);
    set.attributes(QueueAttributeName::DelaySeconds, "7").send().await.expect("set by hand");
    assert_eq!(bench.settle(&desired(&PLAIN)).await, drifted);
    bench.cx.sqs.delete_queue().queue_url(&url).send().await.expect("deleted by hand");
    let repaired = bench.settle(&desired(&PLAIN)).await;
    assert!(repaired.starts_with("create sqs.queue work"), "{repaired}");
}

/// Others add a right to publish to a topic, and a subscription. The plan sees both, and `up` takes them away.
async fn beside(bench: &Bench) {
    let topic = bench.cx.scope.arn("sns", "bench-test-rings");
    let call = bench.cx.sns.add_permission().topic_arn(&topic).label("by-hand").aws_account_id("210987654321");
    call.action_name("Publish").send().await.expect("added by hand");
    assert_eq!(bench.settle(&desired(&PLAIN)).await, "update sns.topic rings: statements.by-hand");
    bench.cx.sqs.create_queue().queue_name("elsewhere").send().await.expect("another's queue");
    let elsewhere = bench.cx.scope.arn("sqs", "elsewhere");
    let call = bench.cx.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&elsewhere);
    call.send().await.expect("added by hand");
    assert_eq!(bench.settle(&desired(&PLAIN)).await, format!("delete sns.subscription rings/{elsewhere}"));
}

async fn foreign(bench: &Bench) {
    let url = format!("{}/123456789012/bench-test-work", bench.gateway.url());
    bench.cx.sqs.untag_queue().queue_url(&url).tag_keys("provision:stack").send().await.expect("untagged");
    let plan = bench.plan(&desired(&PLAIN)).await;
    assert!(plan.contains("refuse sqs.queue work"), "{plan}");
    bench.cx.sqs.tag_queue().queue_url(&url).tags("provision:stack", "bench/test").send().await.expect("tagged");
    assert_eq!(bench.plan(&desired(&PLAIN)).await, "");
}
