//! The marathons: their services and functions on a real database, real tables, a topic and a queue.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use local::messaging::{self, Subscription};
use local::tables::{self, Attribute, Kind, Table, View};
use mysql_async::prelude::{FromRow, Queryable};
use serde_json::{Value, json};

use super::engines::{APP, Maria, OWNER, sql};
use super::lambda::Function;
use super::sendy::{Answer, send};
use super::{Process, until};

pub const KEY: &str = "the-key-of-the-tokens-has-some-43-characters";
const ACCOUNT: &str = "123456789012";
const REGION: &str = "ap-northeast-2";
const TIMEOUT: Duration = Duration::from_secs(15);
const RECORDS: &str = "marathon-dev-official-records";
/// The tables by their names in the stack file, each with the attribute with which items expire.
const TABLES: [(&str, Option<&str>); 5] = [
    ("marathons", None),
    ("players", None),
    ("official-records", None),
    ("non-official-records", None),
    ("announcements", Some("expires")),
];

pub struct Mrmrthon {
    pub maria: Maria,
    /// The port at which all of AWS is.
    pub aws: u16,
    tables: tables::Server,
    messaging: messaging::Server,
    _directory: tempfile::TempDir,
}

pub struct Service {
    pub process: Process,
    pub door: Door,
}

/// Where a service is asked.
#[derive(Clone, Copy)]
pub struct Door(pub SocketAddr);

impl Mrmrthon {
    /// Starts the engines. The first `user` service makes the schema.
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let maria = Maria::new(&directory.path().join("m"), 1, &[]);
        let (owner, password) = (OWNER.0, sql(OWNER.1));
        for statement in [
            "CREATE DATABASE runners".to_owned(),
            format!("CREATE USER {owner}@'%' IDENTIFIED BY {password}"),
            format!("GRANT ALL ON *.* TO {owner}@'%' WITH GRANT OPTION"),
        ] {
            maria.run(&statement).await;
        }
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let table = |(name, ttl): &(&str, Option<&str>)| {
            let key = vec![Attribute { name: "id".into(), kind: Kind::Number }];
            let stream = (*name == "official-records").then_some(View::NewImage);
            let ttl = ttl.map(str::to_owned);
            (format!("marathon-dev-{name}"), Table { key, stream, ttl, ..Table::default() })
        };
        let config = tables::Config {
            account: ACCOUNT.into(),
            region: REGION.into(),
            tables: TABLES.iter().map(table).collect(),
        };
        let tables = tables::serve(listener(), &directory.path().join("t"), &config).unwrap();
        let dead = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:api-dlq");
        let redrive = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": "6" }).to_string();
        let queue = BTreeMap::from([("RedrivePolicy".into(), redrive), ("VisibilityTimeout".into(), "1".into())]);
        let config = messaging::Config {
            account: ACCOUNT.into(),
            region: REGION.into(),
            queues: BTreeMap::from([("api-queue".into(), queue), ("api-dlq".into(), BTreeMap::new())]),
            topics: BTreeMap::from([("api-receive".into(), BTreeMap::new())]),
            subscriptions: vec![Subscription {
                topic: "api-receive".into(),
                queue: "api-queue".into(),
                ..Subscription::default()
            }],
            tables: Some(tables.address().port()),
            ..messaging::Config::default()
        };
        let messaging = messaging::serve(listener(), &directory.path().join("q"), &config).unwrap();
        let aws = messaging.address().port();
        Mrmrthon { maria, aws, tables, messaging, _directory: directory }
    }

    pub fn user(&self, more: &[(&str, &str)]) -> Service {
        self.service("user", more)
    }

    pub fn main(&self, more: &[(&str, &str)]) -> Service {
        self.service("main", more)
    }

    /// Starts a service without waiting until it is ready.
    pub fn start(&self, role: &str, more: &[(&str, &str)]) -> Service {
        let variables = self.variables();
        let mut variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        variables.extend([("HOST", "127.0.0.1"), ("PORT", "0"), ("TOKEN_KEY", KEY)]);
        if role == "user" {
            variables.extend([("DATABASE_OWNER_USER", OWNER.0), ("DATABASE_OWNER_PASSWORD", OWNER.1)]);
        }
        variables.extend(more);
        let mut process = Process::start(&["serve", role], &variables);
        let address = process.line("listening")["address"].as_str().unwrap().parse().unwrap();
        Service { process, door: Door(address) }
    }

    pub fn function(&self, role: &str, more: &[(&str, &str)]) -> Arc<Function> {
        let variables = self.variables();
        let mut variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        variables.extend(more);
        Function::new(role, TIMEOUT, &variables)
    }

    pub fn queue(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}/{name}", self.aws)
    }

    /// The messages in a queue, received or not.
    pub fn depth(&self, queue: &str) -> u64 {
        let depth: Value = serde_json::to_value(self.messaging.depths()[queue]).unwrap();
        depth.as_object().unwrap().values().filter_map(Value::as_u64).sum()
    }

    pub fn redrive(&self, dead_letters: &str) -> usize {
        self.messaging.redrive(dead_letters).unwrap()
    }

    pub async fn rows<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        self.maria.root().await.query(sql).await.unwrap()
    }

    /// The rows that the database reads for some work.
    pub async fn rows_read(&self, work: impl FnOnce()) -> u64 {
        let mut connection = self.maria.root().await;
        let mut read = async || -> u64 {
            let sql = "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler_read%'";
            let counters: Vec<(String, u64)> = connection.query(sql).await.unwrap();
            counters.into_iter().map(|(_, count)| count).sum()
        };
        // To look counts too.
        let (first, second) = (read().await, read().await);
        work();
        (read().await - second).saturating_sub(second - first)
    }

    /// A call of DynamoDB, as somebody else makes it.
    pub fn table(&self, operation: &str, body: &Value) -> Value {
        dynamodb(self.tables.address().port(), operation, body)
    }

    /// Hands the records of the stream over to a function, until the source is dropped.
    pub fn stream(&self, function: &Arc<Function>) -> Stream {
        Stream::start(self.tables.address().port(), function)
    }

    fn service(&self, role: &str, more: &[(&str, &str)]) -> Service {
        let service = self.start(role, more);
        until("the service to be ready", || (service.get("/readyz", None).status == 200).then_some(()));
        service
    }

    fn variables(&self) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = [
            ("DATABASE_HOST", "127.0.0.1".to_owned()),
            ("DATABASE_PORT", self.maria.engine.port.to_string()),
            ("DATABASE_NAME", "runners".to_owned()),
            ("DATABASE_USER", APP.0.to_owned()),
            ("DATABASE_PASSWORD", APP.1.to_owned()),
            ("DATABASE_TLS", "off".to_owned()),
            ("TOPIC_ARN", format!("arn:aws:sns:{REGION}:{ACCOUNT}:api-receive")),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.aws)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        for (name, _) in TABLES {
            let variable = format!("{}_TABLE", name.to_uppercase().replace('-', "_"));
            all.push((variable, format!("marathon-dev-{name}")));
        }
        all
    }
}

impl std::ops::Deref for Service {
    type Target = Door;

    fn deref(&self) -> &Door {
        &self.door
    }
}

impl Door {
    pub fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        send(self.0, method, path, &headers, body)
    }

    pub fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.ask("GET", path, token, "")
    }

    pub fn sign_up(&self, kind: u8, login: &str) -> Answer {
        let body =
            json!({ "type": kind, "login_id": login, "password": "pw1", "name": "나혜", "phone": "010-1234-5678" });
        self.ask("POST", "/user/signup", None, &body.to_string())
    }

    pub fn log_in(&self, login: &str, password: &str) -> Answer {
        let body = json!({ "login_id": login, "password": password });
        self.ask("POST", "/user/login", None, &body.to_string())
    }

    /// Signs a user up and in. Gives the id and the token.
    pub fn member(&self, kind: u8, login: &str) -> (u64, String) {
        assert_eq!(self.sign_up(kind, login).status, 200, "{login}");
        let answer = self.log_in(login, "pw1");
        let token = answer.json()["message"].as_str().unwrap().rsplit_once("Token: ").unwrap().1.to_owned();
        (claims(&token)["user_id"].as_u64().unwrap(), token)
    }
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A token of anybody's making.
pub fn forged(key: &str, header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    let key = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64.encode(key.chain_update(&signed).finalize().into_bytes()))
}

/// An event with the records of a stream.
pub fn stream_event(records: &[Value]) -> Value {
    json!({ "Records": records })
}

/// A record of a stream, of a new official record.
pub fn record(sequence: u64, name: &str, image: &Value) -> Value {
    let number = |name: &str| json!({ "N": image[name].to_string() });
    let image: BTreeMap<&str, Value> = ["id", "user_id", "marathon_id"].map(|name| (name, number(name))).into();
    json!({
        "eventID": "1", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": 1_479_499_740, "Keys": { "id": image["id"] }, "NewImage": image,
            "SequenceNumber": sequence.to_string(), "SizeBytes": 26, "StreamViewType": "NEW_IMAGE"
        },
        "eventSourceARN": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{RECORDS}/stream/2026-01-31T12:00:00.000")
    })
}

/// An event with a message of the topic.
pub fn topic_event(message: &Value, message_id: &str, attributes: &Value) -> Value {
    json!({ "Records": [{
        "EventVersion": "1.0", "EventSource": "aws:sns",
        "EventSubscriptionArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:api-receive:21be56ed"),
        "Sns": {
            "Type": "Notification", "MessageId": message_id, "Message": message.to_string(), "Subject": null,
            "TopicArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:api-receive"), "MessageAttributes": attributes,
            "Timestamp": "2019-01-02T12:45:07.000Z", "SignatureVersion": "1"
        }
    }] })
}

/// A message as the queue has it.
pub fn message(id: &str, message: &Value, attributes: &Value) -> Value {
    let body = json!({
        "Type": "Notification", "MessageId": format!("sns-{id}"), "Message": message.to_string(),
        "TopicArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:api-receive"), "MessageAttributes": attributes,
    });
    json!({ "MessageId": id, "ReceiptHandle": "h", "Body": body.to_string(), "Attributes": {} })
}

/// The event source on the stream of the official records: it goes on from the lowest record that failed.
pub struct Stream {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    fn start(port: u16, function: &Arc<Function>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, function) = (Arc::clone(&stop), Arc::clone(function));
        let table = dynamodb(port, "DescribeTable", &json!({ "TableName": RECORDS }));
        let stream = table["Table"]["LatestStreamArn"].clone();
        let described = dynamodb(port, "DescribeStream", &json!({ "StreamArn": stream }));
        let shard = described["StreamDescription"]["Shards"][0]["ShardId"].clone();
        let iterator = move |kind: &str, sequence: Option<&Value>| {
            let mut asked = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": kind });
            if let Some(sequence) = sequence {
                asked["SequenceNumber"] = sequence.clone();
            }
            dynamodb(port, "GetShardIterator", &asked)["ShardIterator"].clone()
        };
        let poll = move || {
            let mut at = iterator("TRIM_HORIZON", None);
            while !stopped.load(Ordering::Relaxed) {
                let told = dynamodb(port, "GetRecords", &json!({ "ShardIterator": at, "Limit": 100 }));
                at = told["NextShardIterator"].clone();
                let records = told["Records"].as_array().cloned().unwrap_or_default();
                let Some(first) = records.first() else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                let failed = match function.invoke(&stream_event(&records)) {
                    Ok(answer) => answer["batchItemFailures"][0]["itemIdentifier"].clone(),
                    Err(_) => first["dynamodb"]["SequenceNumber"].clone(),
                };
                if !failed.is_null() {
                    at = iterator("AT_SEQUENCE_NUMBER", Some(&failed));
                }
            }
        };
        Stream { stop, thread: Some(std::thread::spawn(poll)) }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn dynamodb(port: u16, operation: &str, body: &Value) -> Value {
    let of_streams = ["DescribeStream", "GetRecords", "GetShardIterator"].contains(&operation);
    let target = format!("{}_20120810.{operation}", if of_streams { "DynamoDBStreams" } else { "DynamoDB" });
    let signed = format!(
        "AWS4-HMAC-SHA256 Credential=any/20260101/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
    );
    let headers = [("authorization", signed.as_str()), ("x-amz-date", "20260101T000000Z"), ("x-amz-target", &target)];
    let answer = send(SocketAddr::from(([127, 0, 0, 1], port)), "POST", "/", &headers, &body.to_string());
    assert_eq!(answer.status, 200, "{operation} {body}: {answer:?}");
    answer.json()
}
