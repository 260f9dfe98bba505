//! The role `webhook`: it tells a channel of Discord about each credit, once as far as an answer was seen. Points do not
//! wait for it.
//!
//! A table notes who is about to tell, and what was told. A note of who was cut off is good for the same message at once, and
//! for another message about the same record after a while: that one may come because its publisher was cut off.

mod channel;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::config::{self, Channel};
use super::credit::Credit;
use super::texts;
use crate::aws::dynamodb::{DynamoDb, Item, Number, Value, When, Written, key};
use crate::config::Environment;
use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::events::probe;
use crate::functions::{Function, Messages, topic};
use crate::http::client::Client;
use crate::telemetry::{self, metrics};

pub async fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::Webhook::read(environment)?;
    telemetry::init(&config.telemetry);
    let herald = Arc::new(Herald {
        tables: DynamoDb::new(&config.tables).await?,
        announcements: config.announcements,
        channel: config.channel,
        client: Client::new()?,
    });
    let handle = move |envelope| {
        let herald = Arc::clone(&herald);
        Box::pin(async move { herald.hear(&envelope).await }) as _
    };
    Ok(Function {
        error_type: "Webhook.NotTold",
        handle: topic::handle(Messages { at_a_time: 1, handle: Box::new(handle) }),
    })
}

struct Herald {
    tables: DynamoDb,
    announcements: String,
    channel: Option<Channel>,
    client: Client,
}

enum Claim {
    /// It is this message's to tell.
    Ours,
    Told,
    /// Another message is about it.
    Theirs,
}

/// The time for which nobody else takes over: longer than telling takes.
const LEASE: Duration = Duration::from_secs(60);
/// What was told is known for so long. A queue keeps a message for 14 days at most.
const KEPT: Duration = Duration::from_secs(15 * 24 * 3600);
const CLAIMED: &str = "claimed";
const TOLD: &str = "told";

impl Herald {
    async fn hear(&self, envelope: &Envelope) -> Verdict {
        if let Some(name) = probe::name(envelope) {
            probe::count(name);
            return Verdict::Done;
        }
        let read = Credit::parse(&envelope.message).and_then(|credit| Ok((number(&credit, envelope)?, credit)));
        let (id, credit) = match read {
            Ok(read) => read,
            Err(error) => return Verdict::Poison(error),
        };
        let Some(Channel(url)) = &self.channel else { return Verdict::Done };
        let line = |message: &str| json!({ "announcement": id.text(), "message": message });
        match self.claim(&id, &envelope.message_id).await {
            Ok(Claim::Ours) => {}
            Ok(Claim::Told) => return Verdict::Done,
            Ok(Claim::Theirs) => {
                telemetry::info("announcement.theirs", &line("another message about the same record is being told"));
                return Verdict::Done;
            }
            Err(error) => {
                telemetry::error("announcement.failed", &line(&format!("{error:#}")));
                return Verdict::Retry(0);
            }
        }
        let text = texts::announcement(credit.user_id, credit.marathon_id, credit.marathon_point);
        match channel::post(&self.client, url, &text).await {
            Ok(()) => {}
            Err(channel::Failed::Refused(status)) => return Verdict::Poison(anyhow!("the channel answers {status}")),
            Err(channel::Failed::Late(why)) => {
                telemetry::error("announcement.failed", &line(&why));
                return Verdict::Retry(0);
            }
        }
        metrics::count("Announced", 1);
        // If that cannot be noted, the message is done with all the same: to tell it again would be worse.
        if let Err(error) = self.note(&id).await {
            telemetry::error("announcement.not_noted", &line(&format!("{error:#}")));
        }
        Verdict::Done
    }

    /// Claims the right to tell a record.
    async fn claim(&self, id: &Number, holder: &str) -> anyhow::Result<Claim> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock")?;
        let item = Item::from([
            ("id".to_owned(), Value::Number(id.clone())),
            ("state".to_owned(), Value::text(CLAIMED)),
            ("holder".to_owned(), Value::text(holder)),
            ("until".to_owned(), (now + LEASE).as_secs().into()),
            ("expires".to_owned(), (now + KEPT).as_secs().into()),
        ]);
        let when = When {
            condition: "attribute_not_exists(id) OR (#state = :claimed AND (#holder = :holder OR #until < :now))",
            names: &[("#state", "state"), ("#holder", "holder"), ("#until", "until")],
            values: &[
                (":claimed", Value::text(CLAIMED)),
                (":holder", Value::text(holder)),
                (":now", now.as_secs().into()),
            ],
        };
        Ok(match self.tables.put(&self.announcements, &item, &when).await? {
            Written::Done(()) => Claim::Ours,
            Written::Unmet(Some(there)) if there.get("state") == Some(&Value::text(TOLD)) => Claim::Told,
            Written::Unmet(_) => Claim::Theirs,
        })
    }

    /// Notes that a record was told.
    async fn note(&self, id: &Number) -> anyhow::Result<()> {
        let when = When {
            condition: "attribute_exists(id)",
            names: &[("#state", "state")],
            values: &[(":told", Value::text(TOLD))],
        };
        let key = key("id", Value::Number(id.clone()));
        match self.tables.update(&self.announcements, &key, "SET #state = :told", &when).await? {
            Written::Done(_) => Ok(()),
            Written::Unmet(_) => Err(anyhow!("the note is gone")),
        }
    }
}

/// The number by which a credit is known in the table: that of its record. A message that names no record has a negative
/// number, which no record has.
fn number(credit: &Credit, envelope: &Envelope) -> anyhow::Result<Number> {
    if let Some(record) = credit.record_id {
        return Ok(Number::from(record));
    }
    let digest = Sha256::digest(credit.event(&envelope.message_id)?);
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(Number::read(&format!("-{}", number.max(1)))?)
}
