//! Compares a declaration with the tables that there are, and makes the difference. If the declaration has any problem,
//! nothing changes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use dynoxide::Database;
use dynoxide::storage::TableMetadata;
use serde_json::{Value, json};

use super::config::{Attribute, Config, Kind, Table, View};
use super::kept::Kept;

/// Makes the tables what the declaration says. Those that have left the declaration are deleted. Those that SDKs have
/// made stay.
pub fn declare(database: &Database, kept: &Kept, config: &Config) -> Result<(), Vec<String>> {
    let one = |error: anyhow::Error| vec![format!("{error:#}")];
    let existing = tables(database).map_err(one)?;
    let problems: Vec<String> =
        config.tables.iter().flat_map(|(name, table)| problems(name, table, existing.get(name))).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    apply(database, kept, config, &existing).map_err(one)
}

/// Every table that there is, as a declaration would say it.
pub fn tables(database: &Database) -> Result<BTreeMap<String, Table>> {
    let info = database.database_info().map_err(|error| anyhow!("reading the tables: {error}"))?;
    let described = info.tables.into_iter().filter_map(|entry| entry.metadata);
    Ok(described.map(|metadata| (metadata.table_name.clone(), described_by(&metadata))).collect())
}

fn apply(database: &Database, kept: &Kept, config: &Config, existing: &BTreeMap<String, Table>) -> Result<()> {
    for name in kept.declared()?.iter().filter(|name| !config.tables.contains_key(*name)) {
        if existing.contains_key(name) {
            // Somebody may have protected it. It was declared, and the declaration counts.
            call(database, "UpdateTable", &json!({ "TableName": name, "DeletionProtectionEnabled": false }))?;
            call(database, "DeleteTable", &json!({ "TableName": name }))?;
        }
        kept.delete_records(name)?;
        kept.forget(name)?;
    }
    for (name, table) in &config.tables {
        // The note comes first: a table that was made and not noted would never be deleted.
        kept.declare(name)?;
        match existing.get(name) {
            None => {
                // Records of an earlier table of this name.
                kept.delete_records(name)?;
                call(database, "CreateTable", &creation(name, table))?;
                expire(database, name, None, table.ttl.as_deref())?;
            }
            Some(before) => change(database, name, before, table)?,
        }
    }
    Ok(())
}

fn change(database: &Database, name: &str, before: &Table, table: &Table) -> Result<()> {
    if before.stream != table.stream {
        let stream = stream(table.stream);
        call(database, "UpdateTable", &json!({ "TableName": name, "StreamSpecification": stream }))?;
    }
    let update = |update: Value| {
        let definitions = definitions(table);
        let input =
            json!({ "TableName": name, "AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": [update] });
        call(database, "UpdateTable", &input)
    };
    for (index, key) in &before.indexes {
        if table.indexes.get(index) != Some(key) {
            update(json!({ "Delete": { "IndexName": index } }))?;
        }
    }
    for (index, key) in &table.indexes {
        if before.indexes.get(index) != Some(key) {
            update(json!({ "Create": described_index(index, key) }))?;
        }
    }
    expire(database, name, before.ttl.as_deref(), table.ttl.as_deref())
}

fn expire(database: &Database, name: &str, before: Option<&str>, attribute: Option<&str>) -> Result<()> {
    if before == attribute {
        return Ok(());
    }
    for (attribute, enabled) in [(before, false), (attribute, true)] {
        if let Some(attribute) = attribute {
            let specification = json!({ "AttributeName": attribute, "Enabled": enabled });
            call(
                database,
                "UpdateTimeToLive",
                &json!({ "TableName": name, "TimeToLiveSpecification": specification }),
            )?;
        }
    }
    Ok(())
}

fn creation(name: &str, table: &Table) -> Value {
    let mut input = json!({
        "TableName": name,
        "KeySchema": key_schema(&table.key),
        "AttributeDefinitions": definitions(table),
        "BillingMode": "PAY_PER_REQUEST",
    });
    if !table.indexes.is_empty() {
        input["GlobalSecondaryIndexes"] = table.indexes.iter().map(|(name, key)| described_index(name, key)).collect();
    }
    if table.stream.is_some() {
        input["StreamSpecification"] = stream(table.stream);
    }
    input
}

fn described_index(name: &str, key: &[Attribute]) -> Value {
    json!({ "IndexName": name, "KeySchema": key_schema(key), "Projection": { "ProjectionType": "ALL" } })
}

fn stream(view: Option<View>) -> Value {
    match view {
        Some(view) => json!({ "StreamEnabled": true, "StreamViewType": view.name() }),
        None => json!({ "StreamEnabled": false }),
    }
}

fn key_schema(key: &[Attribute]) -> Value {
    let kinds = ["HASH", "RANGE"];
    let element = |(attribute, kind): (&Attribute, &str)| json!({ "AttributeName": attribute.name, "KeyType": kind });
    key.iter().zip(kinds).map(element).collect()
}

/// The attributes of all keys, each once.
fn definitions(table: &Table) -> Value {
    let all: BTreeMap<&str, Kind> =
        attributes(table).map(|attribute| (attribute.name.as_str(), attribute.kind)).collect();
    all.into_iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind.name() })).collect()
}

fn attributes(table: &Table) -> impl Iterator<Item = &Attribute> {
    table.key.iter().chain(table.indexes.values().flatten())
}

fn problems(name: &str, table: &Table, existing: Option<&Table>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut problem = |what: String| problems.push(format!("table {name}: {what}"));
    if !is_name(name) {
        problem("a name has 3 to 255 letters, digits, `_`, `-` and `.`".to_owned());
    }
    let keys = std::iter::once(("the key".to_owned(), &table.key))
        .chain(table.indexes.iter().map(|(index, key)| (format!("the key of the index {index}"), key)));
    for (what, key) in keys {
        let names: BTreeSet<&str> = key.iter().map(|attribute| attribute.name.as_str()).collect();
        if !(1..=2).contains(&key.len()) || names.len() < key.len() {
            problem(format!("{what} needs one attribute, or two different ones"));
        }
    }
    for index in table.indexes.keys().filter(|index| !is_name(index)) {
        problem(format!("the index {index}: a name has 3 to 255 letters, digits, `_`, `-` and `.`"));
    }
    if table.indexes.len() > MOST_INDEXES {
        problem(format!("it has {} indexes, and {MOST_INDEXES} are the most", table.indexes.len()));
    }
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for attribute in attributes(table) {
        if !(1..=255).contains(&attribute.name.len()) {
            problem(format!("the attribute `{}` of a key has a name of 1 to 255 bytes", attribute.name));
        }
        if kinds.insert(&attribute.name, attribute.kind).is_some_and(|kind| kind != attribute.kind) {
            problem(format!("the attribute {} cannot be of two kinds", attribute.name));
        }
    }
    if table.ttl.as_ref().is_some_and(|ttl| !(1..=255).contains(&ttl.len())) {
        problem("the attribute for `ttl` has a name of 1 to 255 bytes".to_owned());
    }
    if let Some(existing) = existing {
        if existing.key != table.key {
            problem("the key of a table cannot change: take the table out of the stack, with its items, or choose another name".to_owned());
        }
        if let (Some(before), Some(after)) = (existing.stream, table.stream)
            && before != after
        {
            let (before, after) = (before.name(), after.name());
            problem(format!(
                "the records of a stream cannot change from {before} to {after}: take the stream out first, then put it in again"
            ));
        }
    }
    problems
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
const MOST_INDEXES: usize = 20;

fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    (3..=255).contains(&name.len()) && name.chars().all(fits)
}

fn described_by(metadata: &TableMetadata) -> Table {
    let list = |text: Option<&str>| -> Vec<Value> {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    };
    let defined = list(Some(&metadata.attribute_definitions));
    let kind = |name: &str| {
        let found = defined.iter().find(|definition| definition["AttributeName"] == name);
        found.and_then(|definition| Kind::read(definition["AttributeType"].as_str()?)).unwrap_or(Kind::String)
    };
    let key = |mut schema: Vec<Value>| -> Vec<Attribute> {
        schema.sort_by_key(|element| element["KeyType"] != "HASH");
        let names = schema.iter().filter_map(|element| element["AttributeName"].as_str());
        names.map(|name| Attribute { name: name.to_owned(), kind: kind(name) }).collect()
    };
    let index = |index: Value| {
        let schema = index["KeySchema"].as_array().cloned().unwrap_or_default();
        Some((index["IndexName"].as_str()?.to_owned(), key(schema)))
    };
    Table {
        key: key(list(Some(&metadata.key_schema))),
        stream: metadata.stream_view_type.as_deref().filter(|_| metadata.stream_enabled).and_then(View::read),
        indexes: list(metadata.gsi_definitions.as_deref()).into_iter().filter_map(index).collect(),
        ttl: metadata.ttl_attribute.clone().filter(|_| metadata.ttl_enabled),
    }
}

fn call(database: &Database, operation: &str, input: &Value) -> Result<()> {
    let input = input.clone();
    let done = match operation {
        "CreateTable" => database.create_table(serde_json::from_value(input)?).map(drop),
        "DeleteTable" => database.delete_table(serde_json::from_value(input)?).map(drop),
        "UpdateTable" => database.update_table(serde_json::from_value(input)?).map(drop),
        _ => database.update_time_to_live(serde_json::from_value(input)?).map(drop),
    };
    done.map_err(|error| anyhow!("{operation}: {error}"))
}
