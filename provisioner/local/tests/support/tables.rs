//! DynamoDB for tests, asked as an SDK asks it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use local::http;
use local::tables::{Attribute, Config, Kind, Server, Table, View, serve};
use serde_json::{Value, json};

pub const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=any/20260101/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0";

/// Sends a request to a service of tables, or to the door before it. The answer is what came back, whatever it says.
pub fn send(port: u16, operation: &str, body: &str) -> anyhow::Result<http::Answer> {
    let of_streams = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"].contains(&operation);
    let service = if of_streams { "DynamoDBStreams_20120810" } else { "DynamoDB_20120810" };
    let target = format!("{service}.{operation}");
    let headers = [("Authorization", SIGNED), ("X-Amz-Date", "20260101T000000Z"), ("X-Amz-Target", &target)];
    http::ask(port, "POST", "/", &headers, Some(body), Duration::from_secs(30))
}

/// What the service answers. A refusal is an error of `TYPE: MESSAGE`.
pub fn call(port: u16, operation: &str, input: &Value) -> Result<Value, String> {
    let answer = send(port, operation, &input.to_string()).map_err(|error| format!("{error:#}"))?;
    let told: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    match answer.status {
        200 => Ok(told),
        _ => {
            let kind = told["__type"].as_str().unwrap_or_default();
            let message = told["message"].as_str().or(told["Message"].as_str()).unwrap_or_default();
            Err(format!("{}: {message}", kind.rsplit('#').next().unwrap_or_default()))
        }
    }
}

pub fn put(port: u16, table: &str, id: u64, more: &Value) {
    let mut item = json!({ "id": { "N": id.to_string() } });
    for (name, value) in more.as_object().into_iter().flatten() {
        item[name] = value.clone();
    }
    call(port, "PutItem", &json!({ "TableName": table, "Item": item })).unwrap();
}

/// The records of a table's stream from an iterator of this type, until there is no further one.
pub fn records(port: u16, table: &str, kind: &str) -> Vec<Value> {
    let stream = stream(port, table);
    let described = call(port, "DescribeStream", &json!({ "StreamArn": stream })).unwrap();
    let shard = described["StreamDescription"]["Shards"][0]["ShardId"].clone();
    let input = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": kind });
    let mut iterator = call(port, "GetShardIterator", &input).unwrap()["ShardIterator"].clone();
    let mut all = Vec::new();
    loop {
        let mut told = call(port, "GetRecords", &json!({ "ShardIterator": iterator })).unwrap();
        let records = told["Records"].as_array_mut().unwrap();
        if records.is_empty() {
            return all;
        }
        all.append(records);
        iterator = told["NextShardIterator"].clone();
    }
}

pub fn stream(port: u16, table: &str) -> String {
    let described = call(port, "DescribeTable", &json!({ "TableName": table })).unwrap();
    described["Table"]["LatestStreamArn"].as_str().unwrap().to_owned()
}

pub fn attribute(name: &str, kind: Kind) -> Attribute {
    Attribute { name: name.into(), kind }
}

/// A table with the key `id`, a number.
pub fn table(stream: Option<View>) -> Table {
    Table { key: vec![attribute("id", Kind::Number)], stream, ..Table::default() }
}

pub fn config(tables: &[(&str, Table)]) -> Config {
    let tables: BTreeMap<String, Table> =
        tables.iter().map(|(name, table)| ((*name).to_owned(), table.clone())).collect();
    Config { account: "123456789012".into(), region: "ap-northeast-2".into(), tables }
}

pub fn started(directory: &Path, config: &Config) -> (Server, u16) {
    let server = serve(TcpListener::bind("127.0.0.1:0").unwrap(), directory, config).unwrap();
    let port = server.address().port();
    (server, port)
}
