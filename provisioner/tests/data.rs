//! The data after `down`: without an option it stays, and with an option only the named data goes.

mod support;

use std::io::Write;

use gateway::{Base, Gateway, Options};
use serde_json::Value;
use support::binary::{run, said};

const STACK: &str = "stack: shop\nregion: eu-west-1\nenvironments: {prod: {}}\ndatabases:\n  orders: {replica: true}\n  \
                     carts: {}\n";

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_only_when_it_is_named() {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let url = gateway.url();
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a temporary file");
    file.write_all(STACK.as_bytes()).expect("written");
    let path = file.path().to_str().expect("a path in UTF-8");
    let cx = support::context(url, "shop", provision::image::artefacts::Artefacts::default()).await;

    let up = run(url, &["up", path, "--yes"]).await;
    assert_eq!(up.status.code(), Some(0), "{}", said(&up));
    assert_eq!(instances(&cx).await, ["shop-prod-carts", "shop-prod-orders", "shop-prod-orders-replica"]);

    for unclear in [vec!["down", path, "--yes"], vec!["down", path, "--yes", "--delete-data=order"]] {
        let output = run(url, &unclear).await;
        assert_eq!(output.status.code(), Some(64), "{}", said(&output));
    }
    let kept = run(url, &["down", path, "--yes", "--keep-data", "--json"]).await;
    assert_eq!(kept.status.code(), Some(0), "{}", said(&kept));
    let report: Value = serde_json::from_slice(&kept.stdout).expect("one object");
    let names: Vec<&str> = report["kept"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for name in [
        "rds.instance orders",
        "rds.subnet_group data",
        "ec2.vpc main",
        "kms.key main",
        "secretsmanager.secret orders-master",
    ] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    assert!(!names.contains(&"ec2.internet_gateway main"), "{names:?}");

    // The rest comes back around the data, and then there is no difference.
    assert_eq!(run(url, &["up", path, "--yes"]).await.status.code(), Some(0));
    let plan = run(url, &["plan", path, "--exit-code"]).await;
    assert_eq!(plan.status.code(), Some(0), "{}", said(&plan));

    // Only the named data goes. The protection that the profile `prod` set is lifted.
    let one = run(url, &["down", path, "--yes", "--delete-data=carts"]).await;
    assert_eq!(one.status.code(), Some(0), "{}", said(&one));
    assert_eq!(instances(&cx).await, ["shop-prod-orders", "shop-prod-orders-replica"]);

    let snapshot = run(url, &["down", path, "--yes", "--snapshot-data"]).await;
    assert_eq!(snapshot.status.code(), Some(0), "{}", said(&snapshot));
    assert!(instances(&cx).await.is_empty());
    let snapshots = cx.rds.describe_db_snapshots().send().await.expect("read").db_snapshots.unwrap_or_default();
    let of: Vec<_> = snapshots.iter().filter_map(|snapshot| snapshot.db_instance_identifier()).collect();
    assert_eq!(of, ["shop-prod-orders"], "one last snapshot, of the primary");
    assert!(gateway.refusals().is_empty(), "{:?}", gateway.refusals());
    gateway.stop().await;
}

async fn instances(cx: &provision::aws::Cx) -> Vec<String> {
    let answer = cx.rds.describe_db_instances().send().await.expect("read").db_instances.unwrap_or_default();
    let mut names: Vec<String> = answer.into_iter().filter_map(|found| found.db_instance_identifier).collect();
    names.sort();
    names
}
