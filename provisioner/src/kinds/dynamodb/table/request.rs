//! Makes and changes a table.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BackupStatus, BillingMode, CreateGlobalSecondaryIndexAction, DeleteGlobalSecondaryIndexAction,
    GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    Projection, ScalarAttributeType, SseSpecification, StreamSpecification, TableStatus, Tag, TimeToLiveSpecification,
};

use super::answer::{is_by_request, output};
use super::{GONE, IndexState, KeyPart, Table, TableOutput, TableState};
use crate::aws::{Cx, Error};
use crate::kind::Live;
use crate::kinds::on_aws::Changed;

/// Makes a table without its backups and its expiry, which AWS takes only for an active table.
pub(super) async fn make(cx: &Cx, want: &TableState, tags: Vec<Tag>) -> Result<TableOutput, Error> {
    let call = cx.dynamodb.create_table().table_name(&want.name).billing_mode(BillingMode::PayPerRequest);
    let mut attributes: Vec<&KeyPart> = want.key.iter().collect();
    attributes.extend(want.indexes.values().flat_map(|index| &index.key));
    let call = call.set_attribute_definitions(Some(definitions(attributes)?)).set_key_schema(Some(schema(&want.key)?));
    let indexes: Result<Vec<_>, Error> = want.indexes.iter().map(|(name, index)| new_index(name, index)).collect();
    let call = call.set_global_secondary_indexes(Some(indexes?).filter(|indexes| !indexes.is_empty()));
    let stream = (!want.stream.is_empty()).then(|| stream(&want.stream)).transpose()?;
    let call = call.set_stream_specification(stream).deletion_protection_enabled(want.protected);
    let made = call.set_tags(Some(tags)).send().await?.table_description;
    Ok(made.map(|made| output(cx, &made)).unwrap_or_default())
}

/// Makes the changes that need no `UpdateTable`, and one that does. The engine comes back for the others.
pub(super) async fn change(cx: &Cx, live: &Live<Table>, want: &TableState, changed: &Changed) -> Result<(), Error> {
    if changed.has("backups") {
        let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(want.backups);
        let call = cx.dynamodb.update_continuous_backups().table_name(&want.name);
        call.point_in_time_recovery_specification(recovery.build()?).send().await?;
    }
    if changed.has("ttl") {
        expire(cx, live, want).await?;
    }
    if changed.has("statements") {
        for arn in [&live.output.arn, &live.output.stream_arn].into_iter().filter(|arn| !arn.is_empty()) {
            let gone = &[GONE, &["PolicyNotFoundException"]].concat();
            Error::or_gone(cx.dynamodb.delete_resource_policy().resource_arn(arn).send().await, gone)?;
        }
    }
    one_of_table(cx, live, want, changed).await
}

/// Makes one change by `UpdateTable`, which takes one sort of change at a time.
async fn one_of_table(cx: &Cx, live: &Live<Table>, want: &TableState, changed: &Changed) -> Result<(), Error> {
    let call = cx.dynamodb.update_table().table_name(&want.name);
    if changed.has("protected") {
        call.deletion_protection_enabled(want.protected).send().await?;
    } else if changed.has("billing") && !is_by_request(&live.state) {
        call.billing_mode(BillingMode::PayPerRequest).send().await?;
    } else if changed.has("kms_key") {
        call.sse_specification(SseSpecification::builder().enabled(false).build()).send().await?;
    } else if changed.has("stream") {
        // A view is not changed: the stream goes first, and the engine comes back for another one.
        let off = StreamSpecification::builder().stream_enabled(false).build()?;
        let next = if live.state.stream.is_empty() { stream(&want.stream)? } else { off };
        call.stream_specification(next).send().await?;
    } else if let Some(update) = index_to_change(live, want)? {
        // The definitions are those of all keys that the table will have.
        let new = update.create().and_then(|create| want.indexes.get(create.index_name()));
        let indexes = live.state.indexes.values().chain(new).flat_map(|index| &index.key);
        let definitions = definitions(live.state.key.iter().chain(indexes).collect())?;
        call.set_attribute_definitions(new.is_some().then_some(definitions))
            .global_secondary_index_updates(update)
            .send()
            .await?;
    }
    Ok(())
}

/// Sets or takes off the expiry. While one attribute has it, no other can get it.
async fn expire(cx: &Cx, live: &Live<Table>, want: &TableState) -> Result<(), Error> {
    let (attribute, enabled) = match live.state.ttl.as_str() {
        "" => (want.ttl.as_str(), true),
        attribute => (attribute, false),
    };
    let to = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled).build()?;
    let call = cx.dynamodb.update_time_to_live().table_name(&want.name).time_to_live_specification(to);
    match call.send().await.map_err(Error::from) {
        Err(error) if error.says("multiple times within a fixed interval") => {
            let message = format!("{}. DynamoDB takes one change of the expiry an hour: run again then", error.message);
            Err(Error { message, ..error })
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// The next index to remove or to make. One that has to be different is removed first.
fn index_to_change(live: &Live<Table>, want: &TableState) -> Result<Option<GlobalSecondaryIndexUpdate>, Error> {
    let is = &live.state.indexes;
    let update = GlobalSecondaryIndexUpdate::builder();
    if let Some((name, _)) = is.iter().find(|(name, index)| want.indexes.get(*name) != Some(*index)) {
        return Ok(Some(update.delete(DeleteGlobalSecondaryIndexAction::builder().index_name(name).build()?).build()));
    }
    let Some((name, index)) = want.indexes.iter().find(|(name, _)| !is.contains_key(*name)) else { return Ok(None) };
    let create = CreateGlobalSecondaryIndexAction::builder().index_name(name).projection(all_attributes());
    Ok(Some(update.create(create.set_key_schema(Some(schema(&index.key)?)).build()?).build()))
}

/// Lifts the protection against deletion. The change makes the table busy, and a busy table cannot be deleted, so this
/// fails in passing until it is done.
pub(super) async fn unprotect(cx: &Cx, table: &str) -> Result<(), Error> {
    let found = Error::unless_gone(cx.dynamodb.describe_table().table_name(table).send().await, GONE)?;
    let Some(now) = found.and_then(|found| found.table) else { return Ok(()) };
    let is_protected = now.deletion_protection_enabled == Some(true);
    if !is_protected && now.table_status() != Some(&TableStatus::Updating) {
        return Ok(());
    }
    if is_protected {
        let call = cx.dynamodb.update_table().table_name(table).deletion_protection_enabled(false);
        Error::or_gone(call.send().await, GONE)?;
    }
    let message = format!("the protection of {table} against deletion is being lifted");
    Err(Error { code: "ResourceInUseException".into(), ..Error::ours(message) })
}

/// Copies the table before it is removed, once: an earlier run may have begun the copy.
pub(super) async fn keep_a_copy(cx: &Cx, table: &str) -> Result<(), Error> {
    let described = Error::unless_gone(cx.dynamodb.describe_table().table_name(table).send().await, GONE)?;
    let Some(made_at) = described.and_then(|described| described.table?.creation_date_time) else { return Ok(()) };
    let name = copy_name(table, made_at.secs());
    let found = cx.dynamodb.list_backups().table_name(table).send().await?.backup_summaries.unwrap_or_default();
    let mut ours = found.iter().filter(|backup| backup.backup_name() == Some(&name));
    let status = match ours.next() {
        Some(backup) => backup.backup_status().cloned(),
        None => {
            let made = cx.dynamodb.create_backup().table_name(table).backup_name(name).send().await?;
            made.backup_details.map(|details| details.backup_status)
        }
    };
    match status {
        Some(BackupStatus::Creating) => {
            let message = format!("the copy of {table} is being made");
            Err(Error { code: "BackupInUseException".into(), ..Error::ours(message) })
        }
        _ => Ok(()),
    }
}

/// The name of the last copy of a table. A table that is made again and removed again gets another copy.
fn copy_name(table: &str, made_at: i64) -> String {
    format!("{}-final-{made_at}", table.chars().take(230).collect::<String>())
}

fn new_index(name: &str, index: &IndexState) -> Result<GlobalSecondaryIndex, Error> {
    let new = GlobalSecondaryIndex::builder().index_name(name).projection(all_attributes());
    Ok(new.set_key_schema(Some(schema(&index.key)?)).build()?)
}

fn all_attributes() -> Projection {
    Projection::builder().projection_type("ALL".into()).build()
}

fn stream(view: &str) -> Result<StreamSpecification, Error> {
    Ok(StreamSpecification::builder().stream_enabled(true).stream_view_type(view.into()).build()?)
}

fn schema(key: &[KeyPart]) -> Result<Vec<KeySchemaElement>, Error> {
    let types = [KeyType::Hash, KeyType::Range];
    let element = |(part, of): (&KeyPart, KeyType)| {
        Ok(KeySchemaElement::builder().attribute_name(&part.name).key_type(of).build()?)
    };
    key.iter().zip(types).map(element).collect()
}

/// Each attribute once.
fn definitions(mut attributes: Vec<&KeyPart>) -> Result<Vec<AttributeDefinition>, Error> {
    attributes.sort_by_key(|part| &part.name);
    attributes.dedup();
    let definition = |part: &KeyPart| {
        let of = ScalarAttributeType::from(part.of.as_str());
        Ok(AttributeDefinition::builder().attribute_name(&part.name).attribute_type(of).build()?)
    };
    attributes.into_iter().map(definition).collect()
}
