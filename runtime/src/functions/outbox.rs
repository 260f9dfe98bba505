//! The outbox of a role that is a function: what the role reads from its environment to publish, and the function that
//! publishes on a schedule, as the last resort.

use std::sync::Arc;

use mysql_async::prelude::Queryable;

use super::{Function, schedule};
use crate::config::stores::{self, Topic};
use crate::config::{Environment, Telemetry, all_or_problems};
use crate::data::database::Database;
use crate::events::publish::Publisher;
use crate::events::relay::{Effect, Pending, Relay};
use crate::events::sweep::Sweep;
use crate::telemetry;

/// The topics of a role, by the names that they have in its outbox.
#[derive(Clone, Copy, Debug)]
pub enum Topics {
    /// The only one.
    One(&'static str),
    /// Several, which have these names in the stack file too.
    Named(&'static [&'static str]),
}

/// The configuration of a role that publishes from a database, and needs nothing else.
#[derive(Debug)]
pub struct Publishing {
    pub database: stores::Database,
    /// Each with its name in the outbox.
    pub topics: Vec<(&'static str, Topic)>,
    pub telemetry: Telemetry,
}

impl Topics {
    pub fn read(self, environment: &Environment, problems: &mut Vec<String>) -> Vec<(&'static str, Topic)> {
        match self {
            Topics::One(name) => vec![(name, Topic::read(environment, problems))],
            Topics::Named(names) => {
                names.iter().map(|name| (*name, Topic::named(name, environment, problems))).collect()
            }
        }
    }
}

impl Publishing {
    pub fn read(environment: &Environment, role: &str, topics: Topics) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Publishing {
            database: stores::Database::read(environment, &mut problems),
            topics: topics.read(environment, &mut problems),
            telemetry: Telemetry::read(environment, role, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

/// The function of a role that publishes what other functions have left in their outbox. It runs the statements in
/// `tidy` too, because it runs regularly.
pub async fn function(
    environment: &Environment,
    role: &str,
    topics: Topics,
    tidy: &'static [&'static str],
) -> anyhow::Result<Function> {
    let config = Publishing::read(environment, role, topics)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let sweep = Arc::new(sweep(&database, &config.database, &config.topics).await);
    let work = move || {
        let (sweep, database) = (Arc::clone(&sweep), Arc::clone(&database));
        Box::pin(async move {
            sweep.all().await?;
            let mut connection = database.primary.connection().await?;
            for statement in tidy {
                connection.query_drop(*statement).await?;
            }
            Ok(())
        }) as _
    };
    Ok(Function { error_type: "Outbox.NotPublished", handle: schedule::handle(Box::new(work)) })
}

/// The outbox of a database, for some topics.
pub async fn sweep(database: &Arc<Database>, config: &stores::Database, topics: &[(&'static str, Topic)]) -> Sweep {
    let mut relays = Vec::new();
    for (target, topic) in topics {
        let publisher = Effect::Publish(Publisher::new(topic).await);
        relays.push(Relay::new(database, &Arc::new(Pending::default()), &config.name, target, publisher));
    }
    Sweep::new(database, relays)
}
