//! DynamoDB and its streams, as the stack serves them: what the engine does differently from AWS, and what survives.

mod support;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use local::tables::{self, Config, Kind, Table, View};
use local::{http, messaging};
use serde_json::{Value, json};
use support::function::free_port;
use support::tables::{attribute, call, config, put, records, send, started, stream, table};
use support::{kill, program, until};

const NEW: Option<View> = Some(View::NewImage);

/// Asks from a thread of its own, while the service runs on the test's.
async fn asking<T: Send + 'static>(what: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(what).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_makes_changes_and_deletes_tables() {
    let directory = tempfile::tempdir().unwrap();
    let mut orders = table(NEW);
    orders.indexes.insert("by-user".into(), vec![attribute("user", Kind::String), attribute("id", Kind::Number)]);
    orders.ttl = Some("expires".into());
    let first = config(&[("orders", orders.clone()), ("gone", table(None))]);
    let (server, port) = started(directory.path(), &first);
    asking(move || {
        let by_hand = json!({ "TableName": "by-hand", "KeySchema": [{ "AttributeName": "a", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "a", "AttributeType": "S" }], "BillingMode": "PAY_PER_REQUEST" });
        call(port, "CreateTable", &by_hand).unwrap();
        put(port, "orders", 1, &json!({ "user": { "S": "u" } }));
        let all = tables::declared(port).unwrap();
        assert_eq!(all.declared, first);
        assert_eq!(all.others.tables.keys().collect::<Vec<_>>(), ["by-hand"]);
        let described = call(port, "DescribeTable", &json!({ "TableName": "orders" })).unwrap();
        assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
        assert_eq!(described["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");

        // Each problem is told, and nothing has changed.
        let mut wrong = config(&[("orders", table(Some(View::KeysOnly))), ("no", table(None)), ("by-hand", table(None))]);
        wrong.tables.insert("twice".into(), Table { key: vec![attribute("a", Kind::String); 2], ..Table::default() });
        let refused = format!("{:#}", tables::declare(port, &wrong).unwrap_err());
        for problem in [
            "table orders: the records of a stream cannot change from NEW_IMAGE to KEYS_ONLY",
            "table no: a name has 3 to 255 letters",
            "table by-hand: the key of a table cannot change",
            "table twice: the key needs one attribute, or two different ones",
        ] {
            assert!(refused.contains(problem), "{refused}");
        }
        assert_eq!(tables::declared(port).unwrap(), all);

        // The stream goes, an index goes, another comes with its items, and another attribute expires.
        let mut changed = table(None);
        changed.indexes.insert("by-place".into(), vec![attribute("place", Kind::String)]);
        changed.ttl = Some("until".into());
        put(port, "orders", 2, &json!({ "place": { "S": "busan" } }));
        let second = config(&[("orders", changed)]);
        tables::declare(port, &second).unwrap();
        tables::declare(port, &second).unwrap();
        let all = tables::declared(port).unwrap();
        assert_eq!(all.declared, second);
        assert_eq!(all.others.tables.keys().collect::<Vec<_>>(), ["by-hand"]);
        let found = json!({ "TableName": "orders", "IndexName": "by-place", "KeyConditionExpression": "place = :p",
            "ExpressionAttributeValues": { ":p": { "S": "busan" } } });
        assert_eq!(call(port, "Query", &found).unwrap()["Count"], 1);
        let scanned = call(port, "Scan", &json!({ "TableName": "orders" })).unwrap();
        assert_eq!(scanned["Count"], 2);
        // A table by hand is taken over, if it is the same.
        let by_hand = Table { key: vec![attribute("a", Kind::String)], ..Table::default() };
        tables::declare(port, &config(&[("by-hand", by_hand)])).unwrap();
        tables::declare(port, &Config::default()).unwrap();
        assert_eq!(tables::declared(port).unwrap(), tables::Declared::default());
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_of_the_stack_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    let (server, port) = started(directory.path(), &config(&[("short", table(NEW))]));
    asking(move || {
        let table = call(port, "DescribeTable", &json!({ "TableName": "short" })).unwrap()["Table"].clone();
        let arn = "arn:aws:dynamodb:ap-northeast-2:123456789012:table/short";
        assert_eq!((&table["TableArn"], &table["DeletionProtectionEnabled"]), (&json!(arn), &json!(false)));
        let stream = table["LatestStreamArn"].as_str().unwrap();
        let label = table["LatestStreamLabel"].as_str().unwrap();
        assert_eq!(stream, format!("{arn}/stream/{label}"));
        assert!(label.len() == 23 && label.starts_with("20") && label.contains('T'), "{label}");
        // Whatever the region and account in it: there is one place here.
        let elsewhere = "arn:aws:dynamodb:eu-west-1:000000000000:table/short";
        for named in [arn, elsewhere, "short"] {
            assert_eq!(call(port, "DescribeTable", &json!({ "TableName": named })).unwrap()["Table"]["TableArn"], arn);
        }
        let tags = json!([{ "Key": "a", "Value": "arn:aws:dynamodb:eu-west-1:000000000000:table/short" }]);
        call(port, "TagResource", &json!({ "ResourceArn": arn, "Tags": tags })).unwrap();
        assert_eq!(call(port, "ListTagsOfResource", &json!({ "ResourceArn": elsewhere })).unwrap()["Tags"], tags);
        let streams = call(port, "ListStreams", &json!({})).unwrap()["Streams"].clone();
        assert_eq!(streams, json!([{ "StreamArn": stream, "TableName": "short", "StreamLabel": label }]));
        let rest = call(port, "ListStreams", &json!({ "ExclusiveStartStreamArn": stream })).unwrap();
        assert_eq!(rest["Streams"], json!([]));

        let describe = |more: Value| {
            let mut input = json!({ "StreamArn": stream });
            input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            call(port, "DescribeStream", &input).map(|told| told["StreamDescription"].clone())
        };
        let described = describe(json!({})).unwrap();
        let shard = described["Shards"][0]["ShardId"].as_str().unwrap();
        assert!((28..=65).contains(&shard.len()) && shard.starts_with("shardId-0000"), "{shard}");
        assert!(described["Shards"][0]["SequenceNumberRange"]["StartingSequenceNumber"].is_string());
        assert_eq!(described["KeySchema"], json!([{ "AttributeName": "id", "KeyType": "HASH" }]));
        assert_eq!((&described["StreamArn"], &described["StreamViewType"]), (&json!(stream), &json!("NEW_IMAGE")));
        assert_eq!(describe(json!({ "ExclusiveStartShardId": shard, "Limit": 1 })).unwrap()["Shards"], json!([]));
        assert!(describe(json!({ "Limit": 0 })).unwrap_err().starts_with("ValidationException: 1 validation error"));
        let ask = |shard: &str, stream: &str| {
            let input = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
            call(port, "GetShardIterator", &input)
        };
        let many = json!({ "ShardIterator": ask(shard, stream).unwrap()["ShardIterator"], "Limit": 1001 });
        assert!(call(port, "GetRecords", &many).unwrap_err().contains("less than or equal to 1000"));
        assert!(ask("shardId-00000000000000000000-00000000", stream).unwrap_err().starts_with("ResourceNotFound"));
        let old = format!("{arn}/stream/2020-01-01T00:00:00.000");
        let refused = ask(shard, &old).unwrap_err();
        assert_eq!(
            refused,
            format!("ResourceNotFoundException: Requested resource not found: Stream: {old} not found")
        );

        put(port, "short", 1, &json!({ "text": { "S": "arn:aws:dynamodb:dynoxide:000000000000:table/short" } }));
        let record = records(port, "short", "TRIM_HORIZON")[0].clone();
        assert_eq!((&record["awsRegion"], &record["eventSource"]), (&json!("ap-northeast-2"), &json!("aws:dynamodb")));
        // What an item says is nobody's business.
        assert_eq!(record["dynamodb"]["NewImage"]["text"]["S"], "arn:aws:dynamodb:dynoxide:000000000000:table/short");
        let backups = call(port, "DescribeContinuousBackups", &json!({ "TableName": arn })).unwrap();
        let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        assert_eq!(recovery["PointInTimeRecoveryStatus"], "DISABLED");
        let missing = call(port, "DescribeContinuousBackups", &json!({ "TableName": "none" })).unwrap_err();
        assert_eq!(missing, "TableNotFoundException: Table not found: none");
        assert!(
            call(port, "ExportTableToPointInTime", &json!({})).unwrap_err().starts_with("UnknownOperationException")
        );
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_those_of_changes() {
    let directory = tempfile::tempdir().unwrap();
    let expiring = Table { ttl: Some("expires".into()), ..table(NEW) };
    let both = table(Some(View::NewAndOldImages));
    let first = config(&[("expiring", expiring.clone()), ("both-images", both)]);
    let (server, port) = started(directory.path(), &first);
    asking(move || {
        for (id, value) in [(1, "a"), (1, "a"), (1, "b")] {
            put(port, "both-images", id, &json!({ "set": { "SS": ["x", "y"] }, "value": { "S": value } }));
        }
        call(port, "DeleteItem", &json!({ "TableName": "both-images", "Key": { "id": { "N": "1" } } })).unwrap();
        let names = |table: &str| -> Vec<String> {
            let all = records(port, table, "TRIM_HORIZON");
            all.iter().map(|record| record["eventName"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("both-images"), ["INSERT", "MODIFY", "REMOVE"]);

        put(port, "expiring", 1, &json!({ "expires": { "S": "1" } }));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        put(port, "expiring", 2, &json!({ "expires": { "N": (now - 5).to_string() } }));
        put(port, "expiring", 3, &json!({ "expires": { "N": (now + 3600).to_string() } }));
        let removed = until("an expired item", || {
            records(port, "expiring", "TRIM_HORIZON").into_iter().find(|record| record["eventName"] == "REMOVE")
        });
        assert_eq!(removed["dynamodb"]["Keys"], json!({ "id": { "N": "2" } }));
        assert_eq!(removed["userIdentity"], json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" }));
        assert!(removed["dynamodb"].get("NewImage").is_none());
        let missing =
            call(port, "GetItem", &json!({ "TableName": "expiring", "Key": { "id": { "N": "2" } } })).unwrap();
        assert_eq!(missing, json!({}));

        // A stream that is switched on again is another one, without the records of the first.
        let before = stream(port, "expiring");
        tables::declare(port, &config(&[("expiring", Table { stream: None, ..expiring.clone() })])).unwrap();
        let refused = call(port, "DescribeStream", &json!({ "StreamArn": before })).unwrap_err();
        assert!(refused.starts_with("ResourceNotFoundException"), "{refused}");
        put(port, "expiring", 4, &json!({}));
        tables::declare(port, &config(&[("expiring", expiring)])).unwrap();
        assert_ne!(stream(port, "expiring"), before);
        assert_eq!(names("expiring"), Vec::<String>::new());
        put(port, "expiring", 5, &json!({}));
        assert_eq!(names("expiring"), ["INSERT"]);

        // A table that is made anew has no records of the first.
        tables::declare(port, &Config::default()).unwrap();
        tables::declare(port, &first).unwrap();
        assert_eq!(names("expiring"), Vec::<String>::new());
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_asked_ends_the_service() {
    let directory = tempfile::tempdir().unwrap();
    let (server, port) = started(directory.path(), &config(&[("things", table(NEW))]));
    asking(move || {
        let item = json!({ "id": { "N": "1" } });
        let put = |condition: &str| {
            let input = json!({ "TableName": "things", "Item": item, "ConditionExpression": condition });
            call(port, "PutItem", &input).unwrap_err()
        };
        let long = format!("attribute_not_exists({})", "a".repeat(4096));
        for evil in ["(".repeat(2000), "(".repeat(1 << 20), "NOT ".repeat(1000), long.clone()] {
            let refused = put(&evil);
            assert!(refused.starts_with("ValidationException: ") && refused.len() < 300, "{refused}");
        }
        assert!(put(&long).contains("Invalid ConditionExpression: Expression size has exceeded the maximum allowed size"));
        let key = json!({ "TableName": "things", "Key": item });
        let deep = "(".repeat(2000);
        for (evil, told) in [(deep.clone(), ""), ("a".repeat(4097), "Expression size has exceeded the maximum allowed size")] {
            let with = |member: &str| {
                let mut input = key.clone();
                input[member] = json!(evil);
                input
            };
            for (operation, input) in [
                ("GetItem", with("ProjectionExpression")),
                ("DeleteItem", with("ConditionExpression")),
                ("UpdateItem", with("UpdateExpression")),
                ("Query", json!({ "TableName": "things", "KeyConditionExpression": evil })),
                ("Scan", json!({ "TableName": "things", "FilterExpression": evil })),
                ("Scan", json!({ "TableName": "things", "ProjectionExpression": evil })),
                ("TransactWriteItems", json!({ "TransactItems": [{ "ConditionCheck": with("ConditionExpression") }] })),
                ("TransactWriteItems", json!({ "TransactItems": [{ "Update": with("UpdateExpression") }] })),
                ("TransactGetItems", json!({ "TransactItems": [{ "Get": with("ProjectionExpression") }] })),
            ] {
                let refused = call(port, operation, &input).unwrap_err();
                assert!(refused.starts_with("ValidationException: ") && refused.contains(told), "{operation}: {refused}");
            }
        }
        let statements = [format!("SELECT * FROM things WHERE {deep}"), "(".repeat(8192), "(".repeat(1 << 20)];
        for statement in statements {
            for (operation, input) in [
                ("ExecuteStatement", json!({ "Statement": statement })),
                ("ExecuteTransaction", json!({ "TransactStatements": [{ "Statement": statement }] })),
            ] {
                let refused = call(port, operation, &input).unwrap_err();
                assert!(refused.starts_with("ValidationException: "), "{operation}: {refused}");
            }
        }
        let nested = |depth: usize| {
            let value = format!("{}{{\"S\":\"a\"}}{}", "{\"L\":[".repeat(depth), "]}".repeat(depth));
            format!("{{\"TableName\":\"things\",\"Item\":{{\"id\":{{\"N\":\"1\"}},\"v\":{value}}},\"ConditionExpression\":\"{deep}\"}}")
        };
        for body in [nested(10), nested(500), nested(100_000), "{".into(), "[]".into(), String::new(), "\u{0}".into()] {
            let answer = send(port, "PutItem", &body).unwrap();
            assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(17 << 20));
        assert_eq!(send(port, "PutItem", &large).unwrap().status, 413);
        for iterator in ["", "e30=", "eyJ0YWJsZV9uYW1lIjoidGhpbmdzIiwic2hhcmRfaWQiOiJhIiwicG9zaXRpb24iOi05MjIzMzcyMDM2ODU0Nzc1ODA4fQ=="] {
            let _ = call(port, "GetRecords", &json!({ "ShardIterator": iterator }));
        }
        let unsigned = http::ask(port, "POST", "/", &[("X-Amz-Target", "DynamoDB_20120810.ListTables")], Some("{}"), Duration::from_secs(5));
        assert_eq!(unsigned.unwrap().status, 400, "it may be a page in a browser");
        let preflight = http::ask(port, "OPTIONS", "/", &[("Origin", "http://a.example")], None, Duration::from_secs(5)).unwrap();
        assert_eq!(preflight.header("access-control-allow-origin"), None);
        assert_eq!(call(port, "ListTables", &json!({})).unwrap()["TableNames"], json!(["things"]));
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_service_and_its_stream_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let declared = config(&[("things", table(NEW))]);
    let (server, port) = started(directory.path(), &declared);
    let path = directory.path().to_owned();
    let again = tables::serve(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), &path, &declared);
    assert!(again.err().is_some_and(|error| format!("{error:#}").contains("another process uses")));
    let outside = tables::serve(std::net::TcpListener::bind("0.0.0.0:0").unwrap(), &path, &declared);
    assert!(outside.is_err());
    let before = asking(move || {
        put(port, "things", 1, &json!({}));
        (stream(port, "things"), records(port, "things", "TRIM_HORIZON"))
    })
    .await;
    server.stop().await;
    let (server, port) = started(directory.path(), &declared);
    asking(move || {
        assert_eq!((stream(port, "things"), records(port, "things", "TRIM_HORIZON")), before);
        let behind = |read: &tables::Read| tables::behind(port, "things", read).unwrap().records;
        put(port, "things", 2, &json!({}));
        let last = before.1[0]["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
        assert_eq!((behind(&tables::Read::Record(last)), behind(&tables::Read::Since(0))), (1, 2));
        let counted = &tables::counted(port).unwrap()["things"];
        assert_eq!((counted.items, counted.records, counted.stream.as_ref()), (2, 2, Some(&before.0)));
    })
    .await;
    server.stop().await;
}

/// 100 answers at a time are under way when the process is killed.
#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    let directory = tempfile::tempdir().unwrap();
    let (file, data) = (directory.path().join("tables.json"), directory.path().join("data"));
    let declared = config(&[("things", table(NEW))]);
    local::tables::part::prepare(&file, &declared).unwrap();
    let acknowledged = Mutex::new(BTreeSet::new());
    let mut next = 0;
    for round in 0..4 {
        let port = free_port();
        let mut child = start(&file, &data, port);
        let from = next;
        next += 4000;
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    for id in (from + writer..from + 4000).step_by(4) {
                        let item = json!({ "TableName": "things", "Item": { "id": { "N": id.to_string() } } });
                        match call(port, "PutItem", &item) {
                            Ok(_) => drop(acknowledged.lock().unwrap().insert(id)),
                            Err(_) => return,
                        }
                    }
                });
            }
            let before = acknowledged.lock().unwrap().len();
            until("some writes", || (acknowledged.lock().unwrap().len() > before + 100 * (round + 1)).then_some(()));
            kill(child.id() as i32);
            child.wait().unwrap();
        });
    }
    let port = free_port();
    let mut child = start(&file, &data, port);
    let written: BTreeSet<u64> = records(port, "things", "TRIM_HORIZON")
        .iter()
        .map(|record| record["dynamodb"]["Keys"]["id"]["N"].as_str().unwrap().parse().unwrap())
        .collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > 1000);
    assert!(acknowledged.is_subset(&written));
    for id in &acknowledged {
        let got = call(port, "GetItem", &json!({ "TableName": "things", "Key": { "id": { "N": id.to_string() } } }));
        assert!(got.unwrap().get("Item").is_some(), "{id} is lost");
    }
    kill(child.id() as i32);
    child.wait().unwrap();
}

fn start(file: &std::path::Path, data: &std::path::Path, port: u16) -> Child {
    let mut command = Command::new(program());
    command.arg("local").arg("tables").args([file, data]).arg(port.to_string()).stdin(Stdio::null());
    let child = command.spawn().unwrap();
    until("the tables", || {
        let answer = http::ask(port, "GET", "/healthz", &[], None, Duration::from_secs(1));
        answer.ok().filter(|answer| answer.status == 200)
    });
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn one_door_is_that_of_all_services() {
    let directory = tempfile::tempdir().unwrap();
    let (declared, others) = (config(&[("things", table(NEW))]), messaging::Config::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let door = messaging::serve(listener, &directory.path().join("messages"), &others).unwrap();
    let port = door.address().port();
    let refused = asking(move || call(port, "ListTables", &json!({})).unwrap_err()).await;
    assert!(refused.starts_with("UnknownOperationException: This stack has no tables"), "{refused}");

    let data = directory.path().join("tables");
    let (server, behind) = started(&data, &declared);
    let with_tables = messaging::Config { tables: Some(behind), ..others.clone() };
    asking(move || {
        messaging::declare(port, &with_tables).unwrap();
        assert_eq!(messaging::declared(port).unwrap().unwrap().declared, with_tables);
        put(port, "things", 1, &json!({ "text": { "S": "x".repeat(390_000) } }));
        assert_eq!(records(port, "things", "TRIM_HORIZON").len(), 1);
        let refused = call(port, "PutItem", &json!({ "TableName": "none", "Item": {} })).unwrap_err();
        assert!(refused.starts_with("ResourceNotFoundException"), "{refused}");
        let answer = send(port, "GetItem", r#"{"TableName": "things", "Key": {"id": {"N": "1"}}}"#).unwrap();
        assert!(answer.header("x-amz-crc32").is_some() && answer.header("x-amzn-requestid").is_some());
        let unsigned = http::ask(
            port,
            "POST",
            "/",
            &[("X-Amz-Target", "DynamoDB_20120810.ListTables")],
            Some("{}"),
            Duration::from_secs(5),
        );
        assert_eq!(unsigned.unwrap().status, 400);
        // All items of a body come through, and queues are still asked at the same door.
        let queues = [("Authorization", "any"), ("X-Amz-Target", "AmazonSQS.ListQueues")];
        assert_eq!(http::ask(port, "POST", "/", &queues, Some("{}"), Duration::from_secs(5)).unwrap().status, 200);
    })
    .await;
    server.stop().await;
    // SDKs try again after this status.
    let status = asking(move || send(port, "ListTables", "{}").unwrap().status).await;
    assert_eq!(status, 503);
    let (server, behind) = started(&data, &declared);
    asking(move || {
        messaging::declare(port, &messaging::Config { tables: Some(behind), ..others }).unwrap();
        assert_eq!(call(port, "ListTables", &json!({})).unwrap()["TableNames"], json!(["things"]));
    })
    .await;
    server.stop().await;
    door.stop().await;
}
