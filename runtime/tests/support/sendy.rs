//! Sendy: the three services on real engines.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::engines::{self, APP, Engine, Maria, OWNER, SCHEMA, TOKEN};
use super::{Process, exchange, until};
use crate::support;

pub struct Sendy {
    pub primary: Maria,
    pub replica: Maria,
    pub cache: Engine,
    pub aws: Engine,
    pub topic: String,
    pub queue: String,
    pub dead: String,
    pub sqs: aws_sdk_sqs::Client,
    pub sns: aws_sdk_sns::Client,
    _directory: tempfile::TempDir,
}

pub struct Service {
    pub role: String,
    pub process: Process,
    pub address: SocketAddr,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Sendy {
    pub async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (primary, replica) = engines::pair(directory.path()).await;
        let cache = engines::redis(&directory.path().join("c"), &[]);
        let aws = engines::moto();
        let endpoint = format!("http://127.0.0.1:{}", aws.port);
        let credentials = aws_credential_types::Credentials::new("test", "test", None, None, "test");
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("ap-northeast-2"))
            .endpoint_url(endpoint)
            .credentials_provider(credentials)
            .http_client(http)
            .load()
            .await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let sns = aws_sdk_sns::Client::new(&config);
        let topic = sns.create_topic().name("events").send().await.unwrap().topic_arn.unwrap();
        let dead = sqs.create_queue().queue_name("notifications-dead").send().await.unwrap().queue_url.unwrap();
        let dead_arn = arn(&sqs, &dead).await;
        let redrive = json!({ "deadLetterTargetArn": dead_arn, "maxReceiveCount": "5" }).to_string();
        let queue = sqs
            .create_queue()
            .queue_name("notifications")
            .attributes(QueueAttributeName::VisibilityTimeout, "5")
            .attributes(QueueAttributeName::RedrivePolicy, redrive)
            .send()
            .await
            .unwrap()
            .queue_url
            .unwrap();
        let queue_arn = arn(&sqs, &queue).await;
        sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(queue_arn).send().await.unwrap();
        Sendy { primary, replica, cache, aws, topic, queue, dead, sqs, sns, _directory: directory }
    }

    pub fn start(&self, role: &str, more: &[(&str, &str)]) -> Service {
        self.start_on(role, 0, more)
    }

    /// Starts a role. [`Sendy::start`] has the order: the first reservation service makes the schema, the others wait
    /// for it.
    pub fn start_on(&self, role: &str, port: u16, more: &[(&str, &str)]) -> Service {
        let endpoint = format!("http://127.0.0.1:{}", self.aws.port);
        let [cache, port] = [self.cache.port, port].map(|port| port.to_string());
        let databases = self.databases();
        let mut variables: Vec<(&str, &str)> = databases.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend([
            ("HOST", "127.0.0.1"),
            ("PORT", &port),
            ("SERVICE_NAME", role),
            ("CACHE_HOST", "127.0.0.1"),
            ("CACHE_PORT", &cache),
            ("CACHE_TOKEN", TOKEN),
            ("CACHE_TLS", "off"),
            ("TOPIC_ARN", &self.topic),
            ("QUEUE_URL", &self.queue),
            ("AWS_REGION", "ap-northeast-2"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", &endpoint),
        ]);
        if role == "reservation" {
            variables.extend([("DATABASE_OWNER_USER", OWNER.0), ("DATABASE_OWNER_PASSWORD", OWNER.1)]);
        }
        variables.extend(more);
        let mut process = Process::start(&["serve", role], &variables);
        let address = process.line("listening")["address"].as_str().unwrap().parse().unwrap();
        Service { role: role.to_owned(), process, address }
    }

    /// Starts all three services and waits until they are ready.
    pub fn services(&self) -> [Service; 3] {
        let services = ["reservation", "lookup", "notification"].map(|role| self.start(role, &[]));
        for service in &services {
            service.until_ready();
        }
        services
    }

    /// Starts the probe with the variables of the stores, as a task of the service would have them.
    pub fn probe(&self, entry: SocketAddr, more: &[(&str, &str)]) -> Process {
        let entry = format!("http://{entry}");
        let databases = self.databases();
        let mut variables: Vec<(&str, &str)> = databases.iter().map(|(name, value)| (*name, value.as_str())).collect();
        variables.extend([("PROBE_URL", entry.as_str()), ("AWS_EC2_METADATA_DISABLED", "true")]);
        variables.extend(more);
        Process::start(&["probe"], &variables)
    }

    /// The answer of the cache to a command.
    pub fn redis(&self, command: &[&str]) -> String {
        let port = self.cache.port.to_string();
        let output = std::process::Command::new("redis-cli")
            .args(["--no-auth-warning", "-a", TOKEN, "-p", &port])
            .args(command)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The variables that every role gets which reads or writes.
    pub fn databases(&self) -> [(&'static str, String); 8] {
        let address = || "127.0.0.1".to_owned();
        [
            ("DATABASE_HOST", address()),
            ("DATABASE_PORT", self.primary.engine.port.to_string()),
            ("DATABASE_REPLICA_HOST", address()),
            ("DATABASE_REPLICA_PORT", self.replica.engine.port.to_string()),
            ("DATABASE_NAME", SCHEMA.to_owned()),
            ("DATABASE_USER", APP.0.to_owned()),
            ("DATABASE_PASSWORD", APP.1.to_owned()),
            ("DATABASE_TLS", "off".to_owned()),
        ]
    }

    pub async fn depth(&self, queue: &str) -> u64 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let asked = self.sqs.get_queue_attributes().queue_url(queue).set_attribute_names(Some(names.to_vec()));
        let attributes = asked.send().await.unwrap().attributes.unwrap();
        names.iter().map(|name| attributes[name].parse::<u64>().unwrap()).sum()
    }
}

impl Service {
    pub fn until_ready(&self) {
        until("the service to be ready", || (self.get("/readyz").status == 200).then_some(()));
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, body: &Value) -> Answer {
        self.send("POST", "/reservations", &[], &body.to_string())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(self.address, method, path, headers, body)
    }

    /// The items of the feed, as soon as there are so many.
    pub fn notifications(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} notifications"), || {
            let items: Vec<Value> = serde_json::from_str(&self.get("/notifications?after=0").body).ok()?;
            (items.len() >= count).then_some(items)
        })
    }
}

/// A load balancer that routes as the stack's does: by path and method.
pub fn balancer(services: &[Service]) -> SocketAddr {
    let address = |role: &str| services.iter().find(|service| service.role == role).map(|service| service.address);
    let (write, read, notify) = (address("reservation"), address("lookup"), address("notification"));
    support::server(move |request| {
        let (method, path) = request.line.split_once(' ').unwrap();
        let path = path.split(' ').next().unwrap();
        let target = match (method, path) {
            ("POST" | "PUT" | "DELETE", path) if path.starts_with("/reservations") => write,
            ("GET" | "HEAD", path) if path.starts_with("/reservations") => read,
            ("GET", path) if path.starts_with("/notifications") => notify,
            _ => None,
        };
        let Some(target) = target else { return (404, String::new(), String::new()) };
        let kept: Vec<(&str, &str)> = ["idempotency-key", "traceparent", "x-request-id", "x-probe"]
            .into_iter()
            .filter_map(|name| Some((name, request.header(name)?)))
            .collect();
        let answer = send(target, method, path, &kept, &String::from_utf8_lossy(&request.body));
        let mark = answer.header("x-cache").map(|mark| format!("x-cache: {mark}\r\n"));
        (answer.status, mark.unwrap_or_default(), answer.body)
    })
}

pub fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {headers}content-length: {length}\r\n\r\n{body}"
    );
    Answer::parse(&exchange(address, request.as_bytes()))
}

impl Answer {
    /// Parses an answer. The status is 0 if the connection broke.
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

pub fn reservation() -> Value {
    json!({ "departure": "서울", "destination": "부산", "date": "2022-06-07", "user_name": "peachdo" })
}

/// Waits until the condition holds, or [`super::DEADLINE`] is over.
pub async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + super::DEADLINE;
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn arn(sqs: &aws_sdk_sqs::Client, queue: &str) -> String {
    let asked = sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::QueueArn);
    asked.send().await.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone()
}
