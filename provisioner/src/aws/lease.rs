//! The lease: each stack and environment has one writer at a time.
//!
//! A lease is an item in the DynamoDB table `provision-leases`. The table is made on first use and belongs to no stack.
//! The item is written by conditional writes only. Its holder renews it every 10 s. It expires 60 s after the last
//! renewal that a watcher has seen on its own clock (no two clocks are compared). A holder that could not renew for 40
//! s starts no write.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue, ScalarAttributeType,
    TableStatus,
};

use crate::aws::{Cx, Error, Stop};
use crate::scope::hex;
use crate::wait::Clock;

pub const TABLE: &str = "provision-leases";
/// The IAM actions of this file.
pub const ACTIONS: &[&str] = &[
    "dynamodb:CreateTable",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
];
/// At high time scales (above 20, which only tests have) the lease lasts at least 3 real seconds, since real calls take
/// their time.
const RENEW_SECONDS: f64 = 10.0;
const EXPIRE_SECONDS: f64 = 60.0;
const STOP_WRITING_SECONDS: f64 = 40.0;

/// A lease that this process holds until [`Lease::release`].
pub struct Lease {
    client: aws_sdk_dynamodb::Client,
    id: String,
    holder: String,
    renewing: tokio::task::JoinHandle<()>,
    /// Whether the last run was cut off, so that it may have made resources that do not show yet.
    pub unclean: bool,
}

pub enum Refused {
    /// Another run holds the lease, and was seen renewing it.
    Held(String),
    /// The run was told to stop while it waited for the lease.
    Stopped,
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        Refused::Failed(error)
    }
}

/// Takes the lease. While it is not clear whether its holder is still alive, it waits, and sends a countdown through
/// `tell`.
pub async fn acquire(cx: &Cx, who: &str, tell: &dyn Fn(String)) -> Result<Lease, Refused> {
    let (client, id) = (cx.dynamodb.clone(), cx.scope.tag());
    let holder = random();
    let item = item(&id, &holder, who);
    let mut seen: Option<(Holder, Instant)> = None;
    loop {
        if cx.stop.reason().is_some() {
            return Err(Refused::Stopped);
        }
        let error = match put(&client, item.clone(), None).await {
            Ok(unclean) => return Ok(start(cx, client, id, holder, unclean)),
            Err(error) => error,
        };
        if error.is(&["ResourceNotFoundException"]) {
            create_table(cx, &client).await?;
            continue;
        }
        if !error.is(&["ConditionalCheckFailedException"]) {
            return Err(error.into());
        }
        let Some(now) = current(&client, &id).await? else {
            seen = None;
            continue;
        };
        if now.is_gone_from_this_host() {
            tell(format!("taking over the lease of {}: its process is gone", now.who));
            match put(&client, item.clone(), Some(&now)).await {
                Ok(_) => return Ok(start(cx, client, id, holder, true)),
                Err(error) if error.is(&["ConditionalCheckFailedException"]) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        let since = match &seen {
            Some((before, since)) if before.beat == now.beat && before.holder == now.holder => *since,
            Some((before, _)) if before.holder == now.holder => return Err(Refused::Held(now.who)),
            _ => Instant::now(),
        };
        let left = EXPIRE_SECONDS.max(3.0 * cx.clock.scale()) - cx.clock.since(since);
        if left <= 0.0 {
            match put(&client, item.clone(), Some(&now)).await {
                Ok(_) => return Ok(start(cx, client, id, holder, true)),
                Err(error) if error.is(&["ConditionalCheckFailedException"]) => {
                    seen = Some((now, since));
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tell(format!("{} holds the lease; taking it over in {left:.0} s unless it is renewed", now.who));
        seen = Some((now, since));
        wait(cx, RENEW_SECONDS.min(left).max(0.5)).await;
    }
}

/// Waits until the time is over, or the run is told to stop.
async fn wait(cx: &Cx, seconds: f64) {
    let began = Instant::now();
    while cx.stop.reason().is_none() && cx.clock.since(began) < seconds {
        cx.clock.sleep((seconds - cx.clock.since(began)).clamp(0.0, 0.2 * cx.clock.scale())).await;
    }
}

impl Lease {
    /// Gives the lease back. After a run that did not end well, the next one is told to look more carefully.
    pub async fn release(self, clean: bool) -> Result<(), Error> {
        self.renewing.abort();
        let ours = HashMap::from([(":me".to_owned(), AttributeValue::S(self.holder.clone()))]);
        let key = AttributeValue::S(self.id.clone());
        let result = match clean {
            true => {
                let call =
                    self.client.delete_item().table_name(TABLE).key("id", key).condition_expression("holder = :me");
                call.set_expression_attribute_values(Some(ours)).send().await.map(|_| ()).map_err(Error::from)
            }
            false => {
                let call =
                    self.client.update_item().table_name(TABLE).key("id", key).condition_expression("holder = :me");
                let call = call
                    .update_expression("SET unclean = :yes REMOVE holder")
                    .set_expression_attribute_values(Some(ours));
                let call = call.expression_attribute_values(":yes", AttributeValue::Bool(true));
                call.send().await.map(|_| ()).map_err(Error::from)
            }
        };
        match result {
            Err(error) if error.is(&["ConditionalCheckFailedException"]) => Ok(()),
            other => other,
        }
    }
}

struct Holder {
    holder: String,
    who: String,
    host: String,
    process: String,
    beat: String,
}

impl Holder {
    fn is_gone_from_this_host(&self) -> bool {
        let pid: Option<u32> = self.process.split('@').next().and_then(|pid| pid.parse().ok());
        self.host == host() && pid.is_some_and(|pid| process(pid).as_deref() != Some(&self.process))
    }
}

fn start(cx: &Cx, client: aws_sdk_dynamodb::Client, id: String, holder: String, unclean: bool) -> Lease {
    let renewing = tokio::spawn(renew(client.clone(), cx.clock, cx.stop.clone(), id.clone(), holder.clone()));
    Lease { client, id, holder, renewing, unclean }
}

async fn renew(client: aws_sdk_dynamodb::Client, clock: Clock, stop: Arc<Stop>, id: String, holder: String) {
    let mut last = Instant::now();
    loop {
        clock.sleep(RENEW_SECONDS.max(0.25 * clock.scale())).await;
        let call = client.update_item().table_name(TABLE).key("id", AttributeValue::S(id.clone()));
        let call = call.update_expression("SET beat = :beat").condition_expression("holder = :me");
        let call = call.expression_attribute_values(":beat", AttributeValue::S(random()));
        let call = call.expression_attribute_values(":me", AttributeValue::S(holder.clone()));
        match call.send().await.map_err(Error::from) {
            Ok(_) => last = Instant::now(),
            Err(error) if error.is(&["ConditionalCheckFailedException"]) => {
                return stop.lose_lease();
            }
            Err(_) if clock.since(last) > STOP_WRITING_SECONDS.max(2.0 * clock.scale()) => return stop.lose_lease(),
            Err(_) => {}
        }
    }
}

/// Writes the item if nobody holds the lease, or if `old` still holds it and has not renewed it. Returns whether the
/// last run was cut off.
async fn put(
    client: &aws_sdk_dynamodb::Client,
    item: HashMap<String, AttributeValue>,
    old: Option<&Holder>,
) -> Result<bool, Error> {
    let call = client.put_item().table_name(TABLE).set_item(Some(item)).return_values(ReturnValue::AllOld);
    let call = match old {
        None => call.condition_expression("attribute_not_exists(holder)"),
        Some(old) => call
            .condition_expression("holder = :holder AND beat = :beat")
            .expression_attribute_values(":holder", AttributeValue::S(old.holder.clone()))
            .expression_attribute_values(":beat", AttributeValue::S(old.beat.clone())),
    };
    let before = call.send().await?.attributes.unwrap_or_default();
    Ok(!before.is_empty())
}

async fn current(client: &aws_sdk_dynamodb::Client, id: &str) -> Result<Option<Holder>, Error> {
    let call = client.get_item().table_name(TABLE).key("id", AttributeValue::S(id.to_owned())).consistent_read(true);
    let Some(item) = call.send().await?.item else {
        return Ok(None);
    };
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
    if text("holder").is_empty() {
        return Ok(None);
    }
    Ok(Some(Holder {
        holder: text("holder"),
        who: text("who"),
        host: text("host"),
        process: text("process"),
        beat: text("beat"),
    }))
}

fn item(id: &str, holder: &str, who: &str) -> HashMap<String, AttributeValue> {
    let pid = std::process::id();
    let text = |value: String| AttributeValue::S(value);
    HashMap::from([
        ("id".to_owned(), text(id.to_owned())),
        ("holder".to_owned(), text(holder.to_owned())),
        ("who".to_owned(), text(format!("{who} (process {pid} on {})", host_name()))),
        ("host".to_owned(), text(host())),
        ("process".to_owned(), text(process(pid).unwrap_or_else(|| pid.to_string()))),
        ("beat".to_owned(), text(random())),
    ])
}

async fn create_table(cx: &Cx, client: &aws_sdk_dynamodb::Client) -> Result<(), Error> {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build()?;
    let attribute =
        AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build()?;
    let call = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    match call.key_schema(key).attribute_definitions(attribute).send().await.map_err(Error::from) {
        Err(error) if !error.is(&["ResourceInUseException"]) => return Err(error),
        _ => {}
    }
    let started = Instant::now();
    while cx.clock.since(started) < 120.0 {
        match client.describe_table().table_name(TABLE).send().await.map_err(Error::from) {
            Ok(answer) if answer.table().and_then(|table| table.table_status()) == Some(&TableStatus::Active) => {
                return Ok(());
            }
            Err(error) if !error.is(&["ResourceNotFoundException"]) => return Err(error),
            _ => cx.clock.sleep(1.0).await,
        }
    }
    Err(Error::ours(format!("the table `{TABLE}` for leases was not ready after 120 s")))
}

fn random() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    hex(&bytes)
}

/// The name of this machine, with the id of its boot.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{}/{}", host_name(), boot.trim())
}

fn host_name() -> String {
    let name =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    name.map_or_else(|_| "a host without a name".to_owned(), |name| name.trim().to_owned())
}

/// The id of a live process with the time of its start, because ids are used again. `None` if there is no such process.
fn process(pid: u32) -> Option<String> {
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        let after_name = stat.rsplit_once(") ")?.1;
        let mut fields = after_name.split(' ');
        let dead = matches!(fields.next(), Some("Z" | "X"));
        return (!dead).then(|| format!("{pid}@{}", fields.nth(18).unwrap_or_default()));
    }
    // A machine without /proc, such as macOS.
    let output = std::process::Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let started = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!started.is_empty()).then(|| format!("{pid}@{started}"))
}
