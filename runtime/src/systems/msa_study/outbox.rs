//! The roles that publish what the shop or the factory has left in its outbox: on a schedule, as the last resort.

use std::sync::Arc;

use mysql_async::prelude::Queryable;

use super::config::Publishing;
use crate::config::Environment;
use crate::config::stores::{self, Topic};
use crate::data::database::Database;
use crate::events::publish::Publisher;
use crate::events::relay::{Effect, Pending, Relay};
use crate::events::sweep::Sweep;
use crate::functions::{Function, schedule};
use crate::telemetry;

/// The function of such a role. `target` is the topic, by the name that it has in the outbox. The role runs the
/// statements in `tidy` too, because it runs regularly.
pub async fn function(
    environment: &Environment,
    role: &str,
    target: &'static str,
    tidy: &'static [&'static str],
) -> anyhow::Result<Function> {
    let config = Publishing::read(environment, role)?;
    telemetry::init(&config.telemetry);
    let database = Arc::new(Database::new(&config.database)?);
    let sweep = Arc::new(sweep(&database, &config.database, target, &config.topic).await);
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

/// The outbox of a database, for one topic.
pub async fn sweep(database: &Arc<Database>, config: &stores::Database, target: &'static str, topic: &Topic) -> Sweep {
    let publisher = Effect::Publish(Publisher::new(topic).await);
    Sweep::new(database, Relay::new(database, &Arc::new(Pending::default()), &config.name, target, publisher))
}
