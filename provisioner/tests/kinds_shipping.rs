//! Log subscriptions against the emulators. The tests build them, plan again (empty), change each field, and try drift,
//! orphans and deletion.

mod support;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway::Base;
use provision::image;
use provision::image::artefacts::{Artefacts, Zip};
use provision::kind::Ref;
use provision::kinds::REGISTRY;
use provision::kinds::iam::{Role, RoleSpec};
use provision::kinds::kms::{Key, KeySpec};
use provision::kinds::lambda::{Function, FunctionSpec, Permission, PermissionSource, PermissionSpec};
use provision::kinds::logs::{LogGroup, LogGroupSpec, SubscriptionFilter, SubscriptionFilterSpec};
use provision::kinds::opensearch::{Domain, DomainSpec};
use provision::kinds::sqs::{Queue, QueueSpec};
use provision::kinds::variable::Variable;
use provision::plan::desired::Desired;
use sha2::{Digest, Sha256};
use support::Bench;

const GROUP: &str = "/bench-test/web";

fn zip() -> Zip {
    let bytes = image::lambda_zip(b"runtime").expect("a zip");
    let sha256 = BASE64_STANDARD.encode(Sha256::digest(&bytes));
    Zip { bytes, sha256 }
}

fn desired(pattern: &str) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    unsubscribed(&mut desired);
    let permission = PermissionSpec {
        function: Ref::to("forwarder"),
        principal: "logs.amazonaws.com".into(),
        source: PermissionSource::LogGroup(Ref::to("web")),
    };
    desired.add::<Permission>("", "logs-web", permission);
    let filter = SubscriptionFilterSpec {
        log_group: Ref::to("web"),
        pattern: pattern.into(),
        function: Ref::to("forwarder"),
        permission: Ref::to("logs-web"),
    };
    desired.add::<SubscriptionFilter>("", "web", filter);
    desired
}

fn unsubscribed(desired: &mut Desired) {
    desired.add::<Key>("", "main", KeySpec {});
    let service = "lambda.amazonaws.com".to_owned();
    desired.add::<Role>("", "writer", RoleSpec { service, statements: Vec::new(), permissions_boundary: None });
    let group = LogGroupSpec { path: GROUP.into(), retention_days: 7, kms_key: Ref::to("main") };
    desired.add::<LogGroup>("", "web", group);
    let queue = QueueSpec {
        fifo: false,
        visibility_timeout: 30,
        retention: 60,
        delay: 0,
        dead_letter: None,
        from: Vec::new(),
        rules: Vec::new(),
    };
    desired.add::<Queue>("", "failed", queue);
    let domain = DomainSpec {
        version: "OpenSearch_2.19".into(),
        class: "t3.small.search".into(),
        nodes: 1,
        storage: 10,
        kms_key: Ref::to("main"),
        master: Ref::to("writer"),
        readers: Vec::new(),
        searchers: Vec::new(),
        inside: None,
    };
    desired.add::<Domain>("", "logs", domain);
    let function = FunctionSpec {
        handler: "forwarder".into(),
        role: Ref::to("writer"),
        log_group: Ref::to("web"),
        on_failure: Some(Ref::to("failed")),
        environment: vec![("SEARCH_ENDPOINT".into(), Variable::SearchEndpoint(Ref::to("logs")))],
        secrets: Vec::new(),
        code_sha256: zip().sha256,
        architecture: "x86_64".into(),
        memory: 256,
        timeout: 60,
        concurrency: None,
        kms_key: Ref::to("main"),
        inside: None,
        after: Vec::new(),
        serves: false,
    };
    desired.add::<Function>("", "forwarder", function);
}

/// The same resources, but nobody ships the logs any more.
fn without_subscription() -> Desired {
    let mut desired = Desired::new(REGISTRY);
    unsubscribed(&mut desired);
    desired
}

#[tokio::test(flavor = "multi_thread")]
async fn on_moto() {
    everything(Base::Moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ministack() {
    everything(Base::Ministack).await;
}

async fn everything(base: Base) {
    let bench = Bench::with(base, Artefacts { image: None, zip: Some(zip()) }).await;
    let (all, errors) = (desired(""), desired("ERROR"));
    let built = bench.settle(&all).await;
    assert!(built.ends_with("create logs.subscription_filter web"), "{built}");
    assert_eq!(bench.settle(&errors).await, "update logs.subscription_filter web: pattern");

    let by_hand = bench.cx.logs.put_subscription_filter().log_group_name(GROUP).filter_name("bench-test-search");
    let function = bench.cx.scope.arn("lambda", "function:bench-test-forwarder");
    by_hand.filter_pattern("WARN").destination_arn(function).send().await.expect("changed by hand");
    assert_eq!(bench.settle(&errors).await, "update logs.subscription_filter web: pattern");

    let call = bench.cx.logs.put_subscription_filter().log_group_name(GROUP).filter_name("by-hand").filter_pattern("");
    let call = call.destination_arn(bench.cx.scope.arn("lambda", "function:bench-test-forwarder"));
    call.send().await.expect("added by hand");
    assert_eq!(bench.settle(&errors).await, "delete logs.subscription_filter web/by-hand");

    let delete = bench.cx.logs.delete_subscription_filter().log_group_name(GROUP).filter_name("bench-test-search");
    delete.send().await.expect("deleted by hand");
    assert_eq!(bench.settle(&errors).await, "create logs.subscription_filter web");
    let orphaned = bench.settle(&without_subscription()).await;
    assert_eq!(orphaned, "delete logs.subscription_filter web\ndelete lambda.permission logs-web");
    bench.remove(&errors).await;
    bench.gateway.stop().await;
}
