//! The role `official-record`: it tells the topic what each new official record is worth. A record that is changed or
//! deleted is not told.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use super::config;
use super::credit::{Credit, worth};
use crate::aws::dynamodb::{DynamoDb, Value, key};
use crate::config::Environment;
use crate::events::outbox::Pended;
use crate::events::publish::Publisher;
use crate::events::relay::Delivered;
use crate::functions::Function;
use crate::functions::table::{self, Change, Kind};
use crate::telemetry;
use crate::telemetry::trace::Trace;

pub async fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::OfficialRecord::read(environment)?;
    telemetry::init(&config.telemetry);
    let teller = Arc::new(Teller {
        tables: DynamoDb::new(&config.tables).await?,
        marathons: config.marathons,
        publisher: Publisher::new(&config.topic).await,
    });
    let handle = move |changes| {
        let teller = Arc::clone(&teller);
        Box::pin(async move { teller.tell(changes).await }) as _
    };
    Ok(Function { error_type: "OfficialRecord.Failed", handle: table::handle(Box::new(handle)) })
}

struct Teller {
    tables: DynamoDb,
    marathons: String,
    publisher: Publisher,
}

/// What the marathons of one event are worth. A marathon is asked for once.
#[derive(Default)]
struct Marathons {
    known: HashMap<u64, Option<u32>>,
    /// Why the table cannot be asked. Then it is not asked again.
    away: Option<String>,
}

impl Teller {
    async fn tell(&self, changes: Vec<Change>) -> Vec<anyhow::Result<()>> {
        let mut marathons = Marathons::default();
        let mut outcomes: Vec<anyhow::Result<()>> = Vec::with_capacity(changes.len());
        let mut messages = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            if change.kind != Kind::Insert {
                outcomes.push(Ok(()));
                continue;
            }
            match self.message(change, &mut marathons).await {
                Ok(message) => {
                    messages.push(pended(at, message));
                    outcomes.push(Err(anyhow!("the topic has not taken it")));
                }
                Err(error) => outcomes.push(Err(error)),
            }
        }
        let waiting: Vec<u64> = messages.iter().map(|message| message.id).collect();
        let Delivered { done, failed } = self.publisher.publish(messages).await;
        for id in waiting {
            let Some(outcome) = usize::try_from(id).ok().and_then(|at| outcomes.get_mut(at)) else { continue };
            match (done.contains(&id), &failed) {
                (true, _) => *outcome = Ok(()),
                (false, Some(why)) => *outcome = Err(anyhow!("publishing: {why}")),
                (false, None) => {}
            }
        }
        outcomes
    }

    async fn message(&self, change: &Change, marathons: &mut Marathons) -> anyhow::Result<String> {
        let new = change.new.as_ref().context("the stream has no new images")?;
        let number = |name: &str| {
            let number = new.get(name).and_then(Value::whole);
            number.with_context(|| format!("the record has no {name} that is a whole number"))
        };
        let (record, user, marathon) = (number("id")?, number("user_id")?, number("marathon_id")?);
        let point = self.worth(marathon, marathons).await?;
        let point = point.with_context(|| format!("the marathon {marathon} of the record {record} has no points"))?;
        let credit = Credit { user_id: user, marathon_id: marathon, marathon_point: point, record_id: Some(record) };
        Ok(serde_json::to_string(&credit)?)
    }

    async fn worth(&self, marathon: u64, marathons: &mut Marathons) -> anyhow::Result<Option<u32>> {
        if let Some(known) = marathons.known.get(&marathon) {
            return Ok(*known);
        }
        if let Some(away) = &marathons.away {
            return Err(anyhow!("{away}"));
        }
        match self.tables.get(&self.marathons, &key("id", marathon)).await {
            Ok(found) => {
                let known = found.as_ref().and_then(worth);
                marathons.known.insert(marathon, known);
                Ok(known)
            }
            Err(failed) => {
                marathons.away = Some(failed.to_string());
                Err(failed.into())
            }
        }
    }
}

fn pended(at: usize, message: String) -> Pended {
    Pended {
        id: at as u64,
        subject: String::new(),
        version: 1,
        message: Some(message),
        title: None,
        attributes: None,
        traceparent: Trace::begin().to_string(),
    }
}
