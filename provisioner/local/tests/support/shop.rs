//! A small stack with a page: a database with its replica, topics and queues, and two services that are scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use local::dashboard::config::{Config, Connection, Lane, Link, Node, Queue};
use local::dashboard::part as dashboard;
use local::engines::find::Places;
use local::engines::mariadb::{self, Choice, Rights, Role, Server, User};
use local::engines::ports;
use local::messaging;
use local::supervisor::part::Part;
use local::supervisor::probe::Probe;
use serde_json::{Value, json};

use super::browser::http;
use super::support::{Stack, after, program, shell};

pub const PASSWORD: &str = "never-to-be-shown";
pub const TRACE: &str = "cba393e583fc9b0babc89ce239360d9d";

pub struct Shop {
    pub stack: Stack,
    ports: BTreeMap<String, u16>,
    pub parts: Vec<Part>,
    /// While this file is there, the worker works.
    pub works: PathBuf,
}

impl Shop {
    pub fn up() -> Shop {
        let stack = Stack::named("a shop 가게");
        let place = stack.place();
        let names = ["orders", "orders-replica", "messaging", dashboard::NAME];
        let (ports, _) = ports::choose(place.state(), &names, &BTreeSet::new()).unwrap();
        let works = stack.directory.path().join("works");
        std::fs::write(&works, "").unwrap();

        let maria = mariadb::find(&Places::of_this_machine(), &Choice::Auto).unwrap();
        let server = |name: &str, role: Role| Server {
            name: name.into(),
            directory: place.state().join(name),
            socket: place.socket(name),
            port: ports[name],
            database: "shop".into(),
            users: vec![User { name: "owner".into(), password: PASSWORD.into(), rights: Rights::Owner }],
            replication_password: "replication".into(),
            role,
        };
        let primary = server("orders", Role::Primary);
        let replica = server("orders-replica", Role::Replica { of: ports["orders"] });
        let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("templates");
        let database = |server: &Server| {
            mariadb::prepare(&maria, server, &cache).unwrap();
            mariadb::part(&maria, server).unwrap()
        };
        let mut replica_part = after(database(&replica), &["orders"]);
        replica_part.ready = mariadb::caught_up(&primary, &replica);

        let redrive = json!({ "deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:shop-mails-dead-letter", "maxReceiveCount": 1 });
        let queue = |attributes: &[(&str, String)]| {
            attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let config = messaging::Config {
            queues: BTreeMap::from([
                (
                    "shop-mails".to_owned(),
                    queue(&[("VisibilityTimeout", "0".into()), ("RedrivePolicy", redrive.to_string())]),
                ),
                ("shop-mails-dead-letter".to_owned(), queue(&[])),
            ]),
            topics: BTreeMap::from([("shop-ordered".to_owned(), BTreeMap::new())]),
            ..messaging::Config::default()
        };
        let (file, directory) = (place.state().join("messages.json"), place.state().join("messages"));
        std::fs::write(&file, serde_json::to_vec(&config).unwrap()).unwrap();
        std::fs::create_dir_all(&directory).unwrap();
        let port = ports["messaging"];
        let messages = Part {
            args: ["local", "messages", file.to_str().unwrap(), directory.to_str().unwrap(), &port.to_string()]
                .map(str::to_owned)
                .to_vec(),
            port: Some(port),
            ready: Probe::Tcp { port },
            ..Part::new("messaging", "topics and queues", program())
        };

        let say = |event: &str, more: &str| {
            let line = format!(
                "{{\"timestamp\":\"2026-11-21T22:19:18Z\",\"level\":\"info\",\"event\":\"{event}\",\"trace_id\":\"{TRACE}\"{more}}}"
            );
            format!("echo '{line}'; ")
        };
        let api = say("order.created", &format!(",\"password\":\"{PASSWORD}\""))
            + &say("request", ",\"path\":\"/healthz\",\"status\":200")
            + "exec sleep 600";
        let worker = format!(
            "test -e '{}' || {{ echo no work for {PASSWORD}; exit 3; }}; {} exec sleep 600",
            works.display(),
            say("mail.sent", "")
        );
        dashboard::prepare(&place, &map(&ports)).unwrap();
        let parts = vec![
            database(&primary),
            replica_part,
            messages,
            after(shell("api", &api), &["orders"]),
            shell("worker", &worker),
            dashboard::part(program(), &place, ports[dashboard::NAME]).unwrap(),
        ];
        stack.up_whole(&parts);
        Shop { stack, ports, parts, works }
    }

    pub fn address(&self) -> String {
        dashboard::address(&self.stack.place(), self.port()).unwrap()
    }

    pub fn token(&self) -> String {
        self.address().rsplit('/').nth(1).unwrap().to_owned()
    }

    pub fn port(&self) -> u16 {
        self.ports[dashboard::NAME]
    }

    pub fn look(&self, path: &str) -> Value {
        let answer = http(self.port(), "GET", &format!("/{}/api/{path}", self.token()), &[], "");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn sqs(&self, operation: &str, input: &Value) -> Value {
        let target = format!("AmazonSQS.{operation}");
        let headers = [("Authorization", "test"), ("X-Amz-Target", target.as_str())];
        let answer = http(self.ports["messaging"], "POST", "/", &headers, &input.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Sends messages, receives them once and never deletes them.
    pub fn dead_letters(&self, count: usize) {
        let url = format!("http://127.0.0.1:{}/000000000000/shop-mails", self.ports["messaging"]);
        for number in 0..count {
            self.sqs("SendMessage", &json!({ "QueueUrl": url, "MessageBody": format!("mail {number}") }));
        }
        for _ in 0..2 {
            self.sqs("ReceiveMessage", &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 }));
        }
    }
}

fn map(ports: &BTreeMap<String, u16>) -> Config {
    let node = |id: &str, kind: &str, lane: Lane, part: &str| {
        let name = id.rsplit(':').next().unwrap().to_owned();
        Node { id: id.into(), name, kind: kind.into(), lane, part: part.into() }
    };
    let link = |from: &str, verb: &str, to: &str| Link { from: from.into(), to: to.into(), verb: verb.into() };
    let text = format!("mysql://owner:{PASSWORD}@127.0.0.1:{}/shop", ports["orders"]);
    Config {
        stack: "shop".into(),
        environment: "dev".into(),
        notes: vec!["databases run on MariaDB, not on MySQL".into()],
        nodes: vec![
            node("orders", "mariadb primary", Lane::Data, "orders"),
            node("orders-replica", "mariadb replica", Lane::Data, "orders-replica"),
            node("api", "service", Lane::Services, "api"),
            node("worker", "service", Lane::Services, "worker"),
            node("topic:ordered", "topic", Lane::Messages, "messaging"),
            node("queue:mails", "queue", Lane::Messages, "messaging"),
        ],
        links: vec![
            link("orders", "replicates to", "orders-replica"),
            link("api", "owns", "orders"),
            link("api", "publishes to", "topic:ordered"),
            link("topic:ordered", "delivers to", "queue:mails"),
            link("queue:mails", "feeds", "worker"),
        ],
        messaging: Some(ports["messaging"]),
        queues: vec![Queue {
            id: "queue:mails".into(),
            main: "shop-mails".into(),
            dead_letters: Some("shop-mails-dead-letter".into()),
        }],
        dynamodb: None,
        tables: Vec::new(),
        replicas: vec!["orders-replica".into()],
        connections: vec![Connection {
            name: "orders as owner".into(),
            part: "orders".into(),
            text,
            secret: Some(PASSWORD.into()),
        }],
    }
}
