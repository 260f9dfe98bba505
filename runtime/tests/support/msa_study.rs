//! The shop: its functions on a real database and on real queues.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::messaging::{self, Config, Subscription};
use mysql_async::prelude::{FromRow, Queryable};
use serde_json::{Value, json};

use super::engines::{APP, Maria, OWNER, sql};
use super::lambda::{Function, Source, ask, call};
use super::sendy::Answer;
use super::server;

pub const ADMIN_KEY: &str = "the-key-of-the-admins";
pub const ACCOUNT: &str = "123456789012";
const REGION: &str = "ap-northeast-2";
const TIMEOUT: Duration = Duration::from_secs(8);

pub struct MsaStudy {
    pub maria: Maria,
    pub shop: Arc<Function>,
    pub shop_outbox: Arc<Function>,
    pub order: Arc<Function>,
    pub factory: Arc<Function>,
    pub factory_outbox: Arc<Function>,
    pub delivery: Arc<Function>,
    /// Whether the HTTP API in front of the factory answers.
    pub factory_serves: Arc<Mutex<bool>>,
    /// The port of the topics and queues.
    pub messages: u16,
    messaging: Option<messaging::Server>,
    directory: tempfile::TempDir,
}

impl MsaStudy {
    /// Starts the engines, and makes the schemas.
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let maria = Maria::new(&directory.path().join("m"), 1, &[]);
        let (owner, password) = (OWNER.0, sql(OWNER.1));
        for statement in [
            "CREATE DATABASE item".to_owned(),
            "CREATE DATABASE log".to_owned(),
            format!("CREATE USER {owner}@'%' IDENTIFIED BY {password}"),
            format!("GRANT ALL ON *.* TO {owner}@'%' WITH GRANT OPTION"),
        ] {
            maria.run(&statement).await;
        }
        let messaging = serve(&directory, 0);
        let messages = messaging.address().port();
        let endpoint = format!("http://127.0.0.1:{messages}");
        let port = maria.engine.port;
        for (schema, applied) in [("item", 5), ("log", 2)] {
            let migrate = migrate(port, schema);
            let answer = migrate.invoke(&json!({})).unwrap();
            assert_eq!(answer["applied"].as_array().unwrap().len(), applied, "{answer}");
            // It can be called again.
            let again = json!({ "schema": format!("msa_study/{schema}"), "version": applied, "applied": [] });
            assert_eq!(migrate.invoke(&json!({})).unwrap(), again);
        }
        let factory = function(port, &endpoint, "factory", "log", Some("delivery-topic"), &[]);
        let factory_serves = Arc::new(Mutex::new(true));
        let url = format!("http://{}", in_front_of(&factory, &factory_serves));
        let of_order: [(&str, &str); 2] = [("FACTORY_URL", &url), ("ORDER_FACTOR", "1")];
        let key = [("ADMIN_KEY", ADMIN_KEY)];
        MsaStudy {
            shop: function(port, &endpoint, "shop", "item", Some("order-topic"), &key),
            shop_outbox: function(port, &endpoint, "shop-outbox", "item", Some("order-topic"), &[]),
            order: Function::new("order", TIMEOUT, &of_order),
            factory_outbox: function(port, &endpoint, "factory-outbox", "log", Some("delivery-topic"), &[]),
            delivery: function(port, &endpoint, "delivery", "item", None, &[]),
            factory,
            factory_serves,
            maria,
            messages,
            messaging: Some(messaging),
            directory,
        }
    }

    /// A shop with another endpoint of AWS, and more variables. An empty one is none.
    pub fn shop_with(&self, endpoint: &str, more: &[(&str, &str)]) -> Arc<Function> {
        let more = [&[("ADMIN_KEY", ADMIN_KEY)], more].concat();
        function(self.maria.engine.port, endpoint, "shop", "item", Some("order-topic"), &more)
    }

    pub fn order_with(&self, more: &[(&str, &str)]) -> Arc<Function> {
        let url = format!("http://{}", in_front_of(&self.factory, &self.factory_serves));
        Function::new("order", TIMEOUT, &[&[("FACTORY_URL", url.as_str())], more].concat())
    }

    /// Hands the messages of both queues over, until the sources are dropped.
    pub fn sources(&self) -> [Source; 2] {
        self.forgetful_sources(None)
    }

    /// Every `forgets`-th message that was handled comes again.
    pub fn forgetful_sources(&self, forgets: Option<usize>) -> [Source; 2] {
        let source = |queue, function| Source::start(self.messages, &self.queue(queue), function, forgets);
        [source("order-queue", &self.order), source("delivery-queue", &self.delivery)]
    }

    pub fn queue(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}/{name}", self.messages)
    }

    pub async fn stop_messages(&mut self) {
        self.messaging.take().unwrap().stop().await;
    }

    pub fn start_messages(&mut self) {
        self.messaging = Some(serve(&self.directory, self.messages));
    }

    pub fn redrive(&self, dead_letters: &str) -> usize {
        self.messaging.as_ref().unwrap().redrive(dead_letters).unwrap()
    }

    /// The messages in a queue, received or not.
    pub fn depth(&self, queue: &str) -> u64 {
        let depth = &self.messaging.as_ref().unwrap().depths()[queue];
        let depth: Value = serde_json::to_value(depth).unwrap();
        depth.as_object().unwrap().values().filter_map(Value::as_u64).sum()
    }

    /// The messages of a queue, without waiting and without deleting them.
    pub fn peek(&self, queue: &str) -> Vec<Value> {
        let asked = json!({
            "QueueUrl": self.queue(queue), "MaxNumberOfMessages": 10, "AttributeNames": ["All"], "VisibilityTimeout": 0,
            "MessageAttributeNames": ["All"],
        });
        let received = call(self.messages, "ReceiveMessage", &asked).unwrap();
        received["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub fn buy(&self, item_name: &str, quantity: u32) -> Answer {
        let body = json!({ "item_name": item_name, "quantity": quantity, "requester": "jeonghun" });
        ask(&self.shop, "POST", "/item", &[], &body.to_string())
    }

    pub fn set(&self, item: u32, quantity: u32) {
        let body = json!({ "quantity": quantity }).to_string();
        let answer = ask(&self.shop, "PUT", &format!("/item/{item}"), &[("x-api-key", ADMIN_KEY)], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub fn stock(&self, item: u64) -> i64 {
        let items = ask(&self.shop, "GET", "/item", &[], "").json();
        let items = items.as_array().unwrap();
        items.iter().find(|other| other["item_id"] == item).unwrap()["quantity"].as_i64().unwrap()
    }

    pub fn log(&self) -> Vec<Value> {
        ask(&self.factory, "GET", "/log", &[], "").json().as_array().unwrap().clone()
    }

    pub async fn rows<T: FromRow + Send + 'static>(&self, sql: &str) -> Vec<T> {
        self.maria.root().await.query(sql).await.unwrap()
    }

    /// A publication as somebody else makes it, with the SDK of another language.
    pub fn publish(&self, topic: &str, attributes: &[(&str, &str, &str)]) {
        let arn = topic_arn(topic);
        let mut form = format!("Action=Publish&Version=2010-03-31&Message=more&TopicArn={arn}");
        for (at, (name, kind, value)) in attributes.iter().enumerate() {
            let entry = format!("&MessageAttributes.entry.{}", at + 1);
            form += &format!("{entry}.Name={name}{entry}.Value.DataType={kind}{entry}.Value.StringValue={value}");
        }
        let length = form.len();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: none\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{form}"
        );
        let answer = super::exchange(SocketAddr::from(([127, 0, 0, 1], self.messages)), request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// The function that makes a schema.
pub fn migrate(port: u16, schema: &str) -> Arc<Function> {
    let (port, name) = (port.to_string(), format!("msa_study/{schema}"));
    let mut variables = database(&port, schema).to_vec();
    variables.extend([
        ("MIGRATE_SCHEMA", name.as_str()),
        ("DATABASE_OWNER_USER", OWNER.0),
        ("DATABASE_OWNER_PASSWORD", OWNER.1),
    ]);
    Function::new("migrate", TIMEOUT * 4, &variables)
}

pub fn topic_arn(topic: &str) -> String {
    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{topic}")
}

fn function(
    port: u16,
    endpoint: &str,
    role: &str,
    schema: &str,
    topic: Option<&str>,
    more: &[(&str, &str)],
) -> Arc<Function> {
    let (port, arn) = (port.to_string(), topic.map(topic_arn));
    let mut variables = database(&port, schema).to_vec();
    variables.extend(arn.as_deref().map(|arn| ("TOPIC_ARN", arn)));
    variables.extend([
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", endpoint),
    ]);
    variables.extend(more);
    Function::new(role, TIMEOUT, &variables)
}

fn database<'a>(port: &'a str, schema: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("DATABASE_HOST", "127.0.0.1"),
        ("DATABASE_PORT", port),
        ("DATABASE_NAME", schema),
        ("DATABASE_USER", APP.0),
        ("DATABASE_PASSWORD", APP.1),
        ("DATABASE_TLS", "off"),
    ]
}

fn in_front_of(factory: &Arc<Function>, serves: &Arc<Mutex<bool>>) -> SocketAddr {
    let (factory, serves) = (Arc::clone(factory), Arc::clone(serves));
    server(move |request| {
        if !*serves.lock().unwrap() {
            return (503, String::new(), "{\"message\":\"Service Unavailable\"}".to_owned());
        }
        let (method, path) = request.line.split_once(' ').unwrap();
        let path = path.split(' ').next().unwrap();
        let kept: Vec<(&str, &str)> = ["idempotency-key", "traceparent", "x-probe"]
            .into_iter()
            .filter_map(|name| Some((name, request.header(name)?)))
            .collect();
        let answer = ask(&factory, method, path, &kept, std::str::from_utf8(&request.body).unwrap());
        (answer.status, String::new(), answer.body)
    })
}

/// The topics and queues of the stack, with shorter times.
fn serve(directory: &tempfile::TempDir, port: u16) -> messaging::Server {
    let attributes = |pairs: &[(&str, String)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<messaging::Attributes>()
    };
    let mut config = Config { account: ACCOUNT.to_owned(), region: REGION.to_owned(), ..Config::default() };
    for (topic, queue) in [("order-topic", "order-queue"), ("delivery-topic", "delivery-queue")] {
        let dead = format!("{queue}-dead");
        let redrive = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{dead}"), "maxReceiveCount": 5,
        });
        config.topics.insert(topic.to_owned(), attributes(&[]));
        config.queues.insert(dead, attributes(&[]));
        let settings = [("VisibilityTimeout", "1".to_owned()), ("RedrivePolicy", redrive.to_string())];
        config.queues.insert(queue.to_owned(), attributes(&settings));
        let (topic, queue) = (topic.to_owned(), queue.to_owned());
        config.subscriptions.push(Subscription { topic, queue, attributes: attributes(&[]) });
    }
    let state: PathBuf = directory.path().join("messages");
    std::fs::create_dir_all(&state).unwrap();
    let listener = super::until("the port of the messages", || TcpListener::bind(("127.0.0.1", port)).ok());
    messaging::serve(listener, &state, &config).unwrap()
}
