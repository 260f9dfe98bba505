//! The request of a probe. It goes the way of a change, through the outbox to the topic, and changes nothing.

use mysql_async::TxOpts;

use super::Service;
use super::outbox::TOPIC;
use crate::data::database::attempts;
use crate::events::attributes::{Attribute, Attributes};
use crate::events::outbox::{self, Publication, Value};
use crate::events::probe;
use crate::http::edge::Caller;

/// Counts the probe's event, and passes it on. It takes no id that a reservation would have.
pub async fn pass_on(service: &Service, name: &str, caller: &Caller) -> anyhow::Result<()> {
    let name = probe::kept(name);
    attempts(|| insert(service, &name, caller)).await?;
    service.pending.wake();
    probe::count(&name);
    Ok(())
}

async fn insert(service: &Service, name: &str, caller: &Caller) -> anyhow::Result<()> {
    let attributes = Attributes::new([(probe::ATTRIBUTE, Attribute::text(name))])?;
    let row = Publication {
        topic: TOPIC,
        subject: Value::Text(name),
        version: 1,
        message: Value::Text("{}"),
        title: None,
        attributes: &attributes,
        trace: &caller.trace,
    };
    let mut connection = service.database.primary.connection().await?;
    let mut transaction = connection.start_transaction(TxOpts::default()).await?;
    outbox::insert(&mut transaction, &[row.row()?]).await?;
    Ok(transaction.commit().await?)
}
