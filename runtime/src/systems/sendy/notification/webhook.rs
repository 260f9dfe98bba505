//! Sends the feed to one driver's URL, in its order, each item until the driver takes it. One task of the service works
//! at a time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri};
use mysql_async::prelude::Queryable;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Service, feed};
use crate::background::Loop;
use crate::data::database::{self, STATEMENT_TIMEOUT};
use crate::http::client::Client;
use crate::http::ready::Ready;
use crate::telemetry::{self, metrics};

pub struct Webhook {
    service: Arc<Service>,
    driver: String,
    uri: Uri,
    client: Client,
    lock: String,
}

impl Webhook {
    pub fn new(service: &Arc<Service>, schema: &str, driver: String, uri: Uri, client: Client) -> Self {
        let digest = Sha256::digest(&driver);
        let lock = database::lock_name(
            schema,
            &format!("hook.{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]),
        );
        Webhook { service: Arc::clone(service), driver, uri, client, lock }
    }
}

pub async fn run(webhook: Webhook, ready: Ready, mut this: Loop) {
    if ready.wait(&mut this).await.is_none() {
        return;
    }
    while !this.is_stopping() {
        if let Err(error) = lead(&webhook, &mut this).await {
            let line = json!({ "driver": webhook.driver, "message": format!("{error:#}") });
            telemetry::warn("webhook.waits", &line);
        }
        this.sleep(FOLLOWER_PAUSE).await;
    }
}

const FOLLOWER_PAUSE: Duration = Duration::from_secs(2);
const POST_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After so many refusals an item is passed over: a driver that cannot take one item must get the next.
const REFUSALS: u32 = 5;
const PAGE: u32 = 100;
/// The seconds that the lock outlives a task that vanished. They are longer than a slow driver takes.
const SESSION: u32 = 120;
const BEGIN: &str = "INSERT INTO webhooks (driver, told) VALUES (?, ?) ON DUPLICATE KEY UPDATE driver = driver";

/// Works while this task has the lock of the driver. A new driver gets the items after the moment when it was
/// configured.
async fn lead(webhook: &Webhook, this: &mut Loop) -> anyhow::Result<()> {
    let Webhook { service, driver, lock, .. } = webhook;
    let Some(mut connection) = service.database.primary.locked_session(lock, 0, SESSION).await? else { return Ok(()) };
    connection.exec_drop(BEGIN, (driver, feed::last(&service.database).await?)).await?;
    let told: Option<u64> = connection.exec_first("SELECT told FROM webhooks WHERE driver = ?", (driver,)).await?;
    let mut told = told.context("the webhook has no row")?;
    let mut last = service.last.subscribe();
    while !this.is_stopping() {
        let items = feed::read(&service.database, told, PAGE).await?;
        if items.is_empty() {
            // A question now and then keeps the session, and with it the lock.
            let news = tokio::time::timeout(Duration::from_secs(15), last.changed());
            this.unless_stopping(news).await;
        }
        for item in items {
            if !deliver(webhook, this, &item).await {
                return Ok(());
            }
            told = item.id;
            let kept = connection.exec_drop("UPDATE webhooks SET told = ? WHERE driver = ?", (told, driver));
            tokio::time::timeout(STATEMENT_TIMEOUT, kept).await.context("no answer from the database")??;
        }
    }
    Ok(())
}

/// Sends an item until the driver has taken it, or has refused it for good. `false` if the process stops before.
async fn deliver(webhook: &Webhook, this: &mut Loop, item: &feed::Item) -> bool {
    let mut pause = FIRST_PAUSE;
    let mut refusals = 0;
    loop {
        let outcome = match this.unless_stopping(post(webhook, item)).await {
            None => return false,
            Some(outcome) => outcome,
        };
        let message = match outcome {
            Ok(status) if status.is_success() => {
                metrics::count("WebhooksTold", 1);
                return true;
            }
            Ok(status) => {
                let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
                refusals += u32::from(status.is_client_error() && !later.contains(&status));
                format!("answered {status}")
            }
            Err(error) => format!("{error:#}"),
        };
        let line = json!({ "driver": webhook.driver, "id": item.id, "message": message });
        if refusals >= REFUSALS {
            telemetry::error("webhook.refused", &line);
            return true;
        }
        telemetry::warn("webhook.retries", &line);
        this.sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        if this.is_stopping() {
            return false;
        }
    }
}

async fn post(webhook: &Webhook, item: &feed::Item) -> anyhow::Result<StatusCode> {
    let request = Request::post(&webhook.uri)
        .header("content-type", "application/json")
        // The same item may come twice, if this process ends before it has noted that the item was taken.
        .header("idempotency-key", item.id.to_string())
        .body(Full::from(Bytes::from(item.json.clone())))?;
    let answer =
        tokio::time::timeout(POST_TIMEOUT, webhook.client.send(request)).await.context("no answer in 10 s")??;
    Ok(answer.status)
}
