//! Tables and what takes their streams, against the emulators. The tests build them, plan again (empty), change each
//! field, and try drift, half-made tables and deletion.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{BillingMode, ProvisionedThroughput};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway::Base;
use provision::image;
use provision::image::artefacts::{Artefacts, Zip};
use provision::kind::Ref;
use provision::kinds::REGISTRY;
use provision::kinds::dynamodb::{KeyPart, Table, TableSpec};
use provision::kinds::iam::{Role, RoleSpec};
use provision::kinds::kms::{Key, KeySpec};
use provision::kinds::lambda::{Function, FunctionSpec, Reads, Source, SourceSpec};
use provision::kinds::logs::{LogGroup, LogGroupSpec};
use provision::kinds::on_aws::LastWish;
use provision::kinds::sqs::{Queue, QueueSpec};
use provision::plan::Plan;
use provision::plan::desired::Desired;
use sha2::{Digest, Sha256};
use support::Bench;

/// The values that the tests vary.
#[derive(Clone)]
struct Shape {
    key: &'static str,
    stream: Option<&'static str>,
    indexes: &'static [&'static str],
    ttl: Option<&'static str>,
    protected: bool,
    backups: bool,
    retries: u32,
    batch: u32,
}

const PLAIN: Shape = Shape {
    key: "id",
    stream: Some("NEW_IMAGE"),
    indexes: &["user_id"],
    ttl: Some("expires"),
    protected: true,
    backups: true,
    retries: 10,
    batch: 100,
};

fn zip() -> Zip {
    let bytes = image::lambda_zip(b"runtime").expect("a zip");
    let sha256 = BASE64_STANDARD.encode(Sha256::digest(&bytes));
    Zip { bytes, sha256 }
}

fn desired(shape: &Shape) -> Desired {
    let mut desired = Desired::new(REGISTRY);
    let part = |name: &str| KeyPart { name: name.to_owned(), of: "N".to_owned() };
    let indexes = shape.indexes.iter().map(|name| (format!("by-{name}"), vec![part(name), part("at")]));
    let spec = TableSpec {
        key: vec![part(shape.key)],
        stream: shape.stream.map(str::to_owned),
        indexes: indexes.collect::<BTreeMap<_, _>>(),
        ttl: shape.ttl.map(str::to_owned),
        protected: shape.protected,
        backups: shape.backups,
    };
    desired.add::<Table>("tables.records", "records", spec);
    desired.add::<Key>("", "main", KeySpec {});
    let service = "lambda.amazonaws.com".to_owned();
    desired.add::<Role>("", "taker", RoleSpec { service, statements: Vec::new(), permissions_boundary: None });
    let group = LogGroupSpec { path: "/bench-test/taker".into(), retention_days: 7, kms_key: Ref::to("main") };
    desired.add::<LogGroup>("", "taker", group);
    let function = FunctionSpec {
        handler: "official-record".into(),
        role: Ref::to("taker"),
        log_group: Ref::to("taker"),
        on_failure: None,
        environment: Vec::new(),
        secrets: Vec::new(),
        code_sha256: zip().sha256,
        architecture: "x86_64".into(),
        memory: 256,
        timeout: 5,
        concurrency: None,
        kms_key: Ref::to("main"),
        inside: None,
        serves: true,
        after: Vec::new(),
    };
    desired.add::<Function>("", "taker", function);
    let failed = QueueSpec {
        fifo: false,
        visibility_timeout: 30,
        retention: 1_209_600,
        delay: 0,
        dead_letter: None,
        from: Vec::new(),
        rules: Vec::new(),
    };
    desired.add::<Queue>("", "taker-failed", failed);
    if shape.stream.is_some() {
        let reads = Reads::Stream {
            table: Ref::to("records"),
            begin: "TRIM_HORIZON".into(),
            retries: shape.retries,
            failed: Ref::to("taker-failed"),
        };
        let source = SourceSpec { function: Ref::to("taker"), reads, batch: shape.batch, window: 0 };
        desired.add::<Source>("", "records-to-taker", source);
    }
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
    let built = bench.settle(&desired(&PLAIN)).await;
    for made in ["create dynamodb.table records", "create lambda.source records-to-taker"] {
        assert!(built.lines().any(|line| line == made), "{made} in {built}");
    }
    change_each_field(&bench).await;
    match base {
        Base::Ministack => the_stream(&bench).await,
        // moto 5.2.5 has a gap: a stream that was switched off cannot be switched on again.
        Base::Moto => {
            let both = Shape { stream: Some("NEW_AND_OLD_IMAGES"), ..PLAIN };
            assert_eq!(bench.plan(&desired(&both)).await, ANOTHER_VIEW);
        }
    }
    drift(&bench).await;
    beside(&bench).await;
    half_made(&bench).await;
    a_last_copy(&bench).await;
    foreign(&bench).await;
    bench.remove(&desired(&PLAIN)).await;
    assert!(bench.gateway.refusals().is_empty(), "{:?}", bench.gateway.refusals());
    bench.gateway.stop().await;
}

async fn change_each_field(bench: &Bench) {
    let one = |shape: Shape| desired(&shape);
    let changed = bench.settle(&one(Shape { protected: false, backups: false, ..PLAIN })).await;
    assert_eq!(changed, "update dynamodb.table records: protected, backups");
    bench.settle(&one(PLAIN)).await;
    let changed = bench.settle(&one(Shape { retries: 3, batch: 500, ..PLAIN })).await;
    assert_eq!(changed, "update lambda.source records-to-taker: batch, stream.retries");
    // Several indexes at once: each is a change of its own, which the engine makes one after the other.
    let changed = bench.settle(&one(Shape { indexes: &["marathon_id", "point"], ..PLAIN })).await;
    let indexes = "indexes.by-marathon_id, indexes.by-point, indexes.by-user_id";
    assert!(changed.lines().any(|line| line == format!("update dynamodb.table records: {indexes}")), "{changed}");
    bench.settle(&one(PLAIN)).await;
    // An hour passes.
    tokio::time::sleep(Duration::from_secs_f64(3700.0 / support::SCALE)).await;
    assert_eq!(bench.settle(&one(Shape { ttl: None, ..PLAIN })).await, "update dynamodb.table records: ttl");
    tokio::time::sleep(Duration::from_secs_f64(3700.0 / support::SCALE)).await;
    assert_eq!(bench.settle(&one(PLAIN)).await, "update dynamodb.table records: ttl");
    let replaced = bench.plan(&one(Shape { key: "other", ..PLAIN })).await;
    assert!(replaced.contains("replace dynamodb.table records: key"), "{replaced}");
}

const ANOTHER_VIEW: &str = "update dynamodb.table records: stream\nreplace lambda.source records-to-taker: source";

/// Another view is another stream with another ARN, and so another mapping. Without a stream there is no mapping.
async fn the_stream(bench: &Bench) {
    let arn = || async {
        let call = bench.cx.dynamodb.describe_table().table_name("bench-test-records");
        call.send().await.expect("there").table.and_then(|table| table.latest_stream_arn)
    };
    let before = arn().await;
    let both = Shape { stream: Some("NEW_AND_OLD_IMAGES"), ..PLAIN };
    let changed = bench.settle(&desired(&both)).await;
    assert_eq!(changed, ANOTHER_VIEW);
    assert_ne!(arn().await, before);
    let changed = bench.settle(&desired(&Shape { stream: None, ..PLAIN })).await;
    assert_eq!(changed, "update dynamodb.table records: stream\ndelete lambda.source records-to-taker");
    let changed = bench.settle(&desired(&PLAIN)).await;
    assert_eq!(changed, "update dynamodb.table records: stream\ncreate lambda.source records-to-taker");
}

/// Changes by hand are seen and repaired.
async fn drift(bench: &Bench) {
    let table = "bench-test-records";
    let units = ProvisionedThroughput::builder().read_capacity_units(5).write_capacity_units(5).build();
    let call = bench.cx.dynamodb.update_table().table_name(table).billing_mode(BillingMode::Provisioned);
    call.provisioned_throughput(units.expect("units")).send().await.expect("by hand");
    tokio::time::sleep(Duration::from_secs_f64(30.0 / support::SCALE)).await;
    let repaired = bench.settle(&desired(&PLAIN)).await;
    assert_eq!(repaired, "update dynamodb.table records: billing");
    let call = bench.cx.dynamodb.update_table().table_name(table).deletion_protection_enabled(false);
    call.send().await.expect("by hand");
    let uuid = mapping(bench).await;
    let call = bench.cx.lambda.update_event_source_mapping().uuid(uuid).bisect_batch_on_function_error(false);
    call.send().await.expect("by hand");
    tokio::time::sleep(Duration::from_secs_f64(30.0 / support::SCALE)).await;
    let repaired = bench.settle(&desired(&PLAIN)).await;
    assert_eq!(
        repaired,
        "update dynamodb.table records: protected\nupdate lambda.source records-to-taker: stream.halves"
    );
}

async fn mapping(bench: &Bench) -> String {
    let call = bench.cx.lambda.list_event_source_mappings().function_name("bench-test-taker");
    let found = call.send().await.expect("a list").event_source_mappings.unwrap_or_default();
    let [one] = &found[..] else { panic!("{found:?}") };
    one.uuid.clone().expect("an id")
}

/// Others let another account read the table. The plan sees it, and `up` takes it away.
async fn beside(bench: &Bench) {
    let arn = bench.cx.scope.arn("dynamodb", "table/bench-test-records");
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "by-hand", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": "dynamodb:GetItem", "Resource": arn,
    }]});
    let call = bench.cx.dynamodb.put_resource_policy().resource_arn(&arn).policy(policy.to_string());
    call.send().await.expect("by hand");
    assert_eq!(bench.settle(&desired(&PLAIN)).await, "update dynamodb.table records: statements.by-hand");
}

/// A run that was cut off after the create has left a table without its backups and its expiry.
async fn half_made(bench: &Bench) {
    bench.remove(&desired(&PLAIN)).await;
    let without = Shape { backups: false, ttl: None, stream: None, ..PLAIN };
    bench.settle(&desired(&without)).await;
    let rest = bench.settle(&desired(&PLAIN)).await;
    let line = rest.lines().find(|line| line.contains("dynamodb.table")).expect("the table");
    assert_eq!(line, "update dynamodb.table records: stream, ttl, backups");
}

/// Before the removal the table is copied once, and a second run copies nothing.
async fn a_last_copy(bench: &Bench) {
    let all = desired(&PLAIN);
    let snapshot = bench.take(&all).await;
    let plan = Plan::removal(&all, &snapshot, &Default::default());
    let work = provision::engine::Work {
        kinds: provision::kinds::KINDS,
        desired: &all,
        plan: &plan,
        snapshot: &snapshot,
        unclean: false,
        last_wish: LastWish::Snapshot,
        unprotect: snapshot.live.keys().cloned().collect(),
    };
    let report = provision::engine::apply(&bench.cx, &work, &mut |_| {}).await;
    support::assert_good(&report);
    let backups = bench.cx.dynamodb.list_backups().send().await.expect("a list").backup_summaries.unwrap_or_default();
    let names: Vec<&str> = backups.iter().filter_map(|backup| backup.backup_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with("bench-test-records-final-"), "{names:?}");
    bench.settle(&all).await;
}

async fn foreign(bench: &Bench) {
    let arn = bench.cx.scope.arn("dynamodb", "table/bench-test-records");
    let call = bench.cx.dynamodb.untag_resource().resource_arn(&arn).tag_keys("provision:stack");
    call.send().await.expect("untagged");
    let plan = bench.plan(&desired(&PLAIN)).await;
    assert!(plan.contains("refuse dynamodb.table records"), "{plan}");
    let tag = aws_sdk_dynamodb::types::Tag::builder().key("provision:stack").value("bench/test");
    let call = bench.cx.dynamodb.tag_resource().resource_arn(&arn).tags(tag.build().expect("a tag"));
    call.send().await.expect("tagged");
    assert_eq!(bench.plan(&desired(&PLAIN)).await, "");
}
