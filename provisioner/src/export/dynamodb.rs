//! Tables.

use serde_json::{Value, json};

use super::it::It;
use super::template::Data;
use crate::kinds::dynamodb::{IndexState, KeyPart, TableState};

pub(super) fn table(it: &mut It<'_>, want: TableState) {
    let TableState { name, key, billing, stream, indexes, ttl, protected, backups, kms_key: _, statements: _ } = want;
    let mut attributes: Vec<&KeyPart> = key.iter().chain(indexes.values().flat_map(|index| &index.key)).collect();
    attributes.sort_by_key(|part| &part.name);
    attributes.dedup();
    let definition = |part: &&KeyPart| json!({"AttributeName": part.name, "AttributeType": part.of});
    let mut properties = json!({
        "TableName": name, "KeySchema": schema(&key), "BillingMode": billing,
        "AttributeDefinitions": attributes.iter().map(definition).collect::<Vec<_>>(),
        "DeletionProtectionEnabled": protected,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": backups},
        "Tags": it.tags(),
    });
    if !stream.is_empty() {
        properties["StreamSpecification"] = json!({"StreamViewType": stream});
    }
    if !ttl.is_empty() {
        properties["TimeToLiveSpecification"] = json!({"AttributeName": ttl, "Enabled": true});
    }
    if !indexes.is_empty() {
        let index = |(name, index): (&String, &IndexState)| {
            let projection = json!({"ProjectionType": index.projection});
            json!({"IndexName": name, "KeySchema": schema(&index.key), "Projection": projection})
        };
        properties["GlobalSecondaryIndexes"] = indexes.iter().map(index).collect();
    }
    it.put("AWS::DynamoDB::Table", properties).data = Data::Retain;
}

fn schema(key: &[KeyPart]) -> Value {
    let element = |(part, of): (&KeyPart, &str)| json!({"AttributeName": part.name, "KeyType": of});
    key.iter().zip(["HASH", "RANGE"]).map(element).collect()
}
