//! The lease. A writer that renews it is left alone. One that does not renew is taken over. One whose process is gone
//! is taken over at once.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::{Base, Gateway, Options};
use support::binary::{run, said, stack};

const KEY: &str = "bell/dev";

#[tokio::test(flavor = "multi_thread")]
async fn one_writer_at_a_time() {
    let options = Options { base: Base::Moto, scale: support::SCALE, ..Options::default() };
    let gateway = Gateway::start(options).await.expect("the gateway starts: run provisioner/gateway/install.sh first");
    let cx = support::context(gateway.url(), "bell", provision::image::artefacts::Artefacts::default()).await;
    let bell = stack("bell");
    let up = ["up", bell.to_str().expect("a path in UTF-8"), "--yes"];
    // The first run makes the table.
    let first = run(gateway.url(), &up).await;
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    assert!(holder(&cx.dynamodb).await.is_none(), "given back");

    // A writer on another host renews the lease.
    hold(&cx.dynamodb, "elsewhere", "1@1", 0).await;
    let (stop, beat) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(1)));
    let renewing = {
        let (stop, client) = (stop.clone(), cx.dynamodb.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                hold(&client, "elsewhere", "1@1", beat.fetch_add(1, Ordering::SeqCst)).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        })
    };
    let refused = run(gateway.url(), &up).await;
    assert_eq!(refused.status.code(), Some(75), "{}", said(&refused));
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("somebody is at work on this stack"),
        "{}",
        said(&refused)
    );

    // The writer does not renew any more.
    stop.store(true, Ordering::SeqCst);
    renewing.await.expect("stopped");
    let waited = run(gateway.url(), &up).await;
    assert_eq!(waited.status.code(), Some(0), "{}", said(&waited));
    assert!(String::from_utf8_lossy(&waited.stderr).contains("taking it over in"), "{}", said(&waited));
    assert!(holder(&cx.dynamodb).await.is_none(), "given back");
    gateway.stop().await;
}

async fn hold(client: &aws_sdk_dynamodb::Client, host: &str, process: &str, beat: u32) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let call = client.put_item().table_name("provision-leases").item("id", text(KEY)).item("holder", text("other"));
    let call = call.item("who", text("somebody")).item("host", text(host)).item("process", text(process));
    call.item("beat", text(&beat.to_string())).send().await.expect("the lease is written");
}

async fn holder(client: &aws_sdk_dynamodb::Client) -> Option<String> {
    let key = AttributeValue::S(KEY.to_owned());
    let item = client.get_item().table_name("provision-leases").key("id", key).send().await.expect("read").item?;
    item.get("holder").and_then(|holder| holder.as_s().ok()).cloned()
}
