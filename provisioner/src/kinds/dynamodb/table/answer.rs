//! Reads a table from AWS's answers.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, IndexStatus, KeySchemaElement, KeyType, PointInTimeRecoveryStatus, SseType, TableDescription,
    TableStatus, TimeToLiveStatus,
};
use serde_json::Value;

use super::{BY_REQUEST, GONE, IndexState, KeyPart, Table, TableOutput, TableState};
use crate::aws::{Cx, Error, Look, Tags, policy};
use crate::kind::{Live, Status};

/// The table of this name, if it exists and is ours or wanted.
pub(super) async fn one(
    cx: &Cx,
    name: String,
    wanted: &HashMap<String, &str>,
    look: &Look,
) -> Result<Option<Live<Table>>, Error> {
    let found = Error::unless_gone(cx.dynamodb.describe_table().table_name(&name).send().await, GONE)?;
    let Some(table) = found.and_then(|found| found.table) else { return Ok(None) };
    let output = output(cx, &table);
    let stream = output.stream_arn.as_str();
    let (whose, backups, ttl, of_table, of_stream) = tokio::join!(
        look.whose(cx, &output.arn, wanted.get(&name).copied(), tags(cx, &output.arn)),
        has_backups(cx, &name),
        ttl(cx, &name),
        statements(cx, &output.arn),
        statements(cx, stream),
    );
    let Some(whose) = whose? else { return Ok(None) };
    let mut statements = of_table?;
    statements.extend(of_stream?.into_iter().map(|(sid, statement)| (format!("stream/{sid}"), statement)));
    let state = TableState { ttl: ttl?, backups: backups?, statements, ..state(&table) };
    Ok(Some(Live { status: status(&table), ..Live::ready(whose, output.arn.clone(), state, output) }))
}

/// The outputs of a table. The ARN and the stream are known from the answer of the create on.
pub(super) fn output(cx: &Cx, table: &TableDescription) -> TableOutput {
    let name = table.table_name().unwrap_or_default().to_owned();
    let has_stream = table.stream_specification().is_some_and(|stream| stream.stream_enabled());
    TableOutput {
        arn: table.table_arn().map_or_else(|| cx.scope.arn("dynamodb", &format!("table/{name}")), str::to_owned),
        // The stream of a table that has none any more can be read for a day, and has an ARN so long.
        stream_arn: table.latest_stream_arn().filter(|_| has_stream).unwrap_or_default().to_owned(),
        name,
    }
}

pub(super) fn state(table: &TableDescription) -> TableState {
    let types = types(table.attribute_definitions());
    let indexes = table.global_secondary_indexes().iter().filter(|index| !is_leaving(index.index_status()));
    let indexes = indexes.map(|index| {
        let projection = index.projection().and_then(|projection| projection.projection_type());
        let state = IndexState {
            key: key(index.key_schema(), &types),
            projection: projection.map(|word| word.as_str().to_owned()).unwrap_or_default(),
        };
        (index.index_name().unwrap_or_default().to_owned(), state)
    });
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let own = table.sse_description().filter(|sse| sse.sse_type() == Some(&SseType::Kms));
    TableState {
        name: table.table_name().unwrap_or_default().to_owned(),
        key: key(table.key_schema(), &types),
        // The answer says nothing of a table that is paid by capacity.
        billing: billing.map_or("PROVISIONED", |mode| mode.as_str()).to_owned(),
        stream: stream
            .and_then(|stream| stream.stream_view_type())
            .map(|view| view.as_str().to_owned())
            .unwrap_or_default(),
        indexes: indexes.collect(),
        protected: table.deletion_protection_enabled() == Some(true),
        kms_key: own.and_then(|sse| sse.kms_master_key_arn()).unwrap_or_default().to_owned(),
        ..TableState::default()
    }
}

/// A table is ready if it and all its indexes are.
pub(super) fn status(table: &TableDescription) -> Status {
    match table.table_status() {
        Some(TableStatus::Active) | None => {}
        Some(TableStatus::Deleting) => return Status::Deleting,
        Some(busy @ (TableStatus::Creating | TableStatus::Updating)) => {
            return Status::Busy(busy.as_str().to_lowercase());
        }
        Some(TableStatus::InaccessibleEncryptionCredentials) => {
            return Status::Failed("the key that its items are encrypted under cannot be used".to_owned());
        }
        Some(other) => return Status::Failed(format!("the table is {}", other.as_str())),
    }
    let indexes = table.global_secondary_indexes().iter();
    let mut busy = indexes.filter(|index| index.index_status() != Some(&IndexStatus::Active));
    match busy.next() {
        Some(index) => {
            let status = index.index_status().map_or("busy", |status| status.as_str()).to_lowercase();
            Status::Busy(format!("index {} is {status}", index.index_name().unwrap_or_default()))
        }
        None => Status::Ready,
    }
}

fn is_leaving(status: Option<&IndexStatus>) -> bool {
    status == Some(&IndexStatus::Deleting)
}

fn types(definitions: &[AttributeDefinition]) -> HashMap<&str, &str> {
    definitions.iter().map(|one| (one.attribute_name(), one.attribute_type().as_str())).collect()
}

/// The attributes of a key, the partition key first.
fn key(schema: &[KeySchemaElement], types: &HashMap<&str, &str>) -> Vec<KeyPart> {
    let mut elements: Vec<&KeySchemaElement> = schema.iter().collect();
    elements.sort_by_key(|element| *element.key_type() != KeyType::Hash);
    let part = |element: &KeySchemaElement| KeyPart {
        name: element.attribute_name().to_owned(),
        of: types.get(element.attribute_name()).copied().unwrap_or_default().to_owned(),
    };
    elements.into_iter().map(part).collect()
}

async fn has_backups(cx: &Cx, name: &str) -> Result<bool, Error> {
    let answer = cx.dynamodb.describe_continuous_backups().table_name(name).send().await;
    let found = Error::unless_gone(answer, GONE)?.and_then(|answer| answer.continuous_backups_description);
    let recovery = found.as_ref().and_then(|found| found.point_in_time_recovery_description());
    Ok(recovery.and_then(|recovery| recovery.point_in_time_recovery_status())
        == Some(&PointInTimeRecoveryStatus::Enabled))
}

async fn ttl(cx: &Cx, name: &str) -> Result<String, Error> {
    let answer = cx.dynamodb.describe_time_to_live().table_name(name).send().await;
    let found = Error::unless_gone(answer, GONE)?.and_then(|answer| answer.time_to_live_description);
    let on = |status: Option<&TimeToLiveStatus>| {
        matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling))
    };
    let found = found.filter(|found| on(found.time_to_live_status()));
    Ok(found.and_then(|found| found.attribute_name).unwrap_or_default())
}

/// The statements of the policy of a table or a stream, which has none unless others have put one there.
async fn statements(cx: &Cx, arn: &str) -> Result<BTreeMap<String, Value>, Error> {
    if arn.is_empty() {
        return Ok(BTreeMap::new());
    }
    let none = &[GONE, &["PolicyNotFoundException"]].concat();
    let answer = Error::unless_gone(cx.dynamodb.get_resource_policy().resource_arn(arn).send().await, none)?;
    let text = answer.and_then(|answer| answer.policy).unwrap_or_default();
    Ok(if text.is_empty() { BTreeMap::new() } else { policy::statements(&policy::parse(&text)) })
}

/// The tags of a table. A table that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let mut tags = Tags::new();
    let mut next = None;
    loop {
        let answer = cx.dynamodb.list_tags_of_resource().resource_arn(arn).set_next_token(next).send().await;
        let Some(answer) = Error::unless_gone(answer, GONE)? else { return Ok(tags) };
        tags.extend(answer.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)));
        next = answer.next_token;
        if next.is_none() {
            return Ok(tags);
        }
    }
}

/// Whether a table is paid by request.
pub(super) fn is_by_request(state: &TableState) -> bool {
    state.billing == BY_REQUEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::{
        BillingMode, BillingModeSummary, ProvisionedThroughputDescription, ScalarAttributeType, StreamSpecification,
        StreamViewType,
    };

    fn element(name: &str, of: KeyType) -> KeySchemaElement {
        KeySchemaElement::builder().attribute_name(name).key_type(of).build().expect("a part of a key")
    }

    fn attribute(name: &str, of: ScalarAttributeType) -> AttributeDefinition {
        AttributeDefinition::builder().attribute_name(name).attribute_type(of).build().expect("an attribute")
    }

    /// DescribeTable of a table that is paid by request, as the DynamoDB developer guide shows it ("Managing throughput
    /// capacity"): the provisioned throughput is zero.
    #[test]
    fn a_table_reads_as_it_is() {
        let table = TableDescription::builder()
            .table_name("shop-dev-records")
            .table_status(TableStatus::Active)
            .key_schema(element("at", KeyType::Range))
            .key_schema(element("id", KeyType::Hash))
            .attribute_definitions(attribute("at", ScalarAttributeType::S))
            .attribute_definitions(attribute("id", ScalarAttributeType::N))
            .billing_mode_summary(BillingModeSummary::builder().billing_mode(BillingMode::PayPerRequest).build())
            .provisioned_throughput(ProvisionedThroughputDescription::builder().read_capacity_units(0).build())
            .stream_specification(
                StreamSpecification::builder()
                    .stream_enabled(true)
                    .stream_view_type(StreamViewType::NewImage)
                    .build()
                    .expect("a stream"),
            )
            .build();
        let state = state(&table);
        let key: Vec<(&str, &str)> = state.key.iter().map(|part| (part.name.as_str(), part.of.as_str())).collect();
        assert_eq!(key, [("id", "N"), ("at", "S")]);
        assert_eq!((state.billing.as_str(), state.stream.as_str()), (BY_REQUEST, "NEW_IMAGE"));
        assert!(!state.protected && state.kms_key.is_empty());
        assert_eq!(status(&table), Status::Ready);
    }
}
