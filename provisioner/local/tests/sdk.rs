//! The Rust SDK, configured as in the runtime, against a service in this process and one that is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName,
};
use aws_smithy_http_client::Builder;
use local::messaging::{self, Config, Subscription, serve};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The deadline of any test here as a whole.
const DEADLINE: Duration = Duration::from_secs(120);

/// Another declaration is taken while the service runs, as a whole or not at all. The answer to what there is tells who
/// has made it.
#[tokio::test(flavor = "multi_thread")]
async fn another_declaration_while_it_runs() {
    timeout(DEADLINE, async {
        let directory = tempfile::tempdir().expect("a directory");
        let server = serve(port(), directory.path(), &declared()).expect("a service");
        let (sqs, _) = clients(&format!("http://{}", server.address())).await;
        sqs.create_queue().queue_name("by-hand").send().await.expect("a queue");
        let at = server.address().port();
        let work = move || {
            let there = messaging::declared(at).expect("an answer").expect("this service tells");
            assert_eq!(there.declared, declared());
            assert_eq!(there.others.queues.keys().collect::<Vec<_>>(), ["by-hand"]);
            let mut next = declared();
            next.queues.get_mut("notify").expect("a queue").insert("VisibilityTimeout".to_owned(), "7".to_owned());
            messaging::declare(at, &next).expect("it is right");
            assert_eq!(messaging::declared(at).expect("an answer").expect("it tells").declared, next);
            let mut wrong = next.clone();
            wrong.subscriptions[0].topic = "nobody".to_owned();
            let refused = messaging::declare(at, &wrong).expect_err("there is no such topic").to_string();
            assert!(refused.contains("there is no topic nobody"), "{refused}");
            assert_eq!(messaging::declared(at).expect("an answer").expect("it tells").declared, next);
        };
        tokio::task::spawn_blocking(work).await.expect("no panic");
        let url = sqs.get_queue_url().queue_name("notify").send().await.expect("a queue").queue_url.expect("a URL");
        let all = sqs.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All).send().await;
        let all = all.expect("attributes").attributes.expect("attributes");
        assert_eq!(all[&QueueAttributeName::VisibilityTimeout], "7");
        server.stop().await;
    })
    .await
    .expect("within the deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_runtime_calls() {
    timeout(DEADLINE, async {
        let directory = tempfile::tempdir().expect("a directory");
        let server = serve(port(), directory.path(), &declared()).expect("a service");
        let (sqs, sns) = clients(&format!("http://{}", server.address())).await;
        let topic = "arn:aws:sns:ap-northeast-2:123456789012:reservations";
        let url = sqs.get_queue_url().queue_name("notify").send().await.expect("a queue").queue_url.expect("a URL");

        let waiting = tokio::spawn({
            let (sqs, url) = (sqs.clone(), url.clone());
            async move { receive(&sqs, &url, 20).await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        let start = Instant::now();
        let entry = |at: usize| {
            let value = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value("00-ab");
            PublishBatchRequestEntry::builder()
                .id(at.to_string())
                .message(format!("{{\"reservationId\":{at}}}"))
                .message_attributes("traceparent", value.build().expect("an attribute"))
                .build()
                .expect("an entry")
        };
        let entries = (0..10).map(entry).collect();
        let answer = sns.publish_batch().topic_arn(topic).set_publish_batch_request_entries(Some(entries));
        assert_eq!(answer.send().await.expect("published").successful().len(), 10);
        let messages = waiting.await.expect("received");
        assert_eq!(messages.len(), 10);
        assert!(start.elapsed() < Duration::from_secs(5), "a long poll wakes when something comes");
        assert_eq!(messages[3].body(), Some("{\"reservationId\":3}"));
        let attributes = messages[3].message_attributes().expect("attributes");
        assert_eq!(attributes["traceparent"].string_value(), Some("00-ab"));

        let hide = |at: usize| {
            let handle = messages[at].receipt_handle().expect("a handle");
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
            entry.visibility_timeout(0).build().expect("an entry")
        };
        let call = sqs.change_message_visibility_batch().queue_url(&url).entries(hide(0)).entries(hide(1));
        assert_eq!(call.send().await.expect("hidden").successful().len(), 2);
        assert_eq!(receive(&sqs, &url, 0).await.len(), 2);
        delete(&sqs, &url, &messages).await;
        assert!(receive(&sqs, &url, 0).await.is_empty());

        let error = sqs.get_queue_url().queue_name("nothing").send().await.expect_err("there is none");
        assert!(error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()), "{error:?}");
        let error = sns.publish().topic_arn(format!("{topic}x")).message("x").send().await.expect_err("there is none");
        assert!(error.as_service_error().is_some_and(|error| error.is_not_found_exception()), "{error:?}");
        let empty = aws_sdk_sns::types::MessageAttributeValue::builder().data_type("String").string_value("");
        let call = sns.publish().topic_arn(topic).message("x").message_attributes("a", empty.build().expect("a value"));
        let error = call.send().await.expect_err("it is empty");
        assert_eq!(error.code(), Some("ParameterValueInvalid"), "{error:?}");
        server.stop().await;
    })
    .await
    .expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_configuration_keeps_the_messages_of_queues_that_stay() {
    timeout(DEADLINE, async {
        let directory = tempfile::tempdir().expect("a directory");
        let server = serve(port(), directory.path(), &declared()).expect("a service");
        let (sqs, sns) = clients(&format!("http://{}", server.address())).await;
        let base = format!("http://{}/123456789012", server.address());
        for queue in ["notify", "notify-dlq"] {
            sqs.send_message().queue_url(format!("{base}/{queue}")).message_body(queue).send().await.expect("sent");
        }
        sqs.create_queue().queue_name("by-hand").send().await.expect("made");

        // The queue changes, its dead-letter queue and the subscription go, another subscription comes.
        let mut config = declared();
        config.queues = BTreeMap::from([
            ("notify".to_owned(), [("VisibilityTimeout".to_owned(), "0".to_owned())].into()),
            ("other".to_owned(), BTreeMap::new()),
        ]);
        config.subscriptions[0].queue = "other".to_owned();
        server.replace(&config).expect("no problems");
        let topic = "arn:aws:sns:ap-northeast-2:123456789012:reservations";
        sns.publish().topic_arn(topic).message("published").send().await.expect("published");
        for _ in 0..2 {
            assert_eq!(bodies(&receive(&sqs, &format!("{base}/notify"), 0).await), ["notify"]);
        }
        assert_eq!(bodies(&receive(&sqs, &format!("{base}/other"), 0).await), ["published"]);
        let listed = sqs.list_queues().send().await.expect("listed").queue_urls.unwrap_or_default();
        let names: Vec<&str> = listed.iter().filter_map(|url| url.rsplit('/').next()).collect();
        assert_eq!(names, ["by-hand", "notify", "other"]);
        let depths = server.depths();
        assert_eq!((depths["notify"].visible, depths["other"].in_flight), (1, 1));

        // Every problem is told, and nothing is changed.
        let mut wrong = config.clone();
        wrong.queues.insert("a b".to_owned(), BTreeMap::new());
        wrong.queues.insert("short".to_owned(), [("MessageRetentionPeriod".to_owned(), "1".to_owned())].into());
        wrong.subscriptions[0].queue = "nowhere".to_owned();
        assert_eq!(server.replace(&wrong).expect_err("it is wrong").len(), 3);
        assert_eq!(server.depths().keys().map(String::as_str).collect::<Vec<_>>(), ["by-hand", "notify", "other"]);

        // All of it survives a restart, with the things that were made by hand.
        server.stop().await;
        let server = serve(port(), directory.path(), &config).expect("a service");
        assert_eq!(server.depths().keys().map(String::as_str).collect::<Vec<_>>(), ["by-hand", "notify", "other"]);
        assert_eq!(server.depths()["notify"].visible, 1);
        server.stop().await;
    })
    .await
    .expect("in time");
}

/// Otherwise the message would be in flight, to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_gets_nothing() {
    timeout(DEADLINE, async {
        let directory = tempfile::tempdir().expect("a directory");
        let server = serve(port(), directory.path(), &declared()).expect("a service");
        let (sqs, _) = clients(&format!("http://{}", server.address())).await;
        let url = format!("http://{}/123456789012/notify", server.address());
        let gone = tokio::spawn({
            let (sqs, url) = (sqs.clone(), url.clone());
            async move { receive(&sqs, &url, 20).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        gone.abort();
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqs.send_message().queue_url(&url).message_body("for somebody").send().await.expect("sent");
        assert_eq!(bodies(&receive(&sqs, &url, 5).await), ["for somebody"]);

        // Stopping does not wait for receivers that wait.
        let waiting = tokio::spawn({
            let (sqs, url) = (sqs.clone(), url.clone());
            async move { receive(&sqs, &url, 20).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let start = Instant::now();
        server.stop().await;
        assert!(waiting.await.expect("answered").is_empty());
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    })
    .await
    .expect("in time");
}

#[tokio::test]
async fn only_this_machine_is_listened_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
    let error = serve(listener, directory.path(), &Config::default()).err().expect("it is refused");
    assert!(error.to_string().contains("can be reached from outside"), "{error}");
}

/// The service is killed again and again while it is used. Acknowledged messages are there, and deleted ones are not.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_kills() {
    timeout(DEADLINE, async {
        let directory = tempfile::tempdir().expect("a directory");
        let port = port().local_addr().expect("an address").port();
        let base = format!("http://127.0.0.1:{port}");
        let mut service = start(directory.path(), port).await;
        let (sqs, _) = clients(&base).await;
        let attributes = sqs.create_queue().queue_name("load").attributes(QueueAttributeName::VisibilityTimeout, "5");
        let url = attributes.send().await.expect("made").queue_url.expect("a URL");

        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = Vec::new();
        for sender in 0..3 {
            tasks.push(tokio::spawn(send_for_ever(sqs.clone(), url.clone(), sender, Arc::clone(&seen))));
        }
        for _ in 0..2 {
            tasks.push(tokio::spawn(take_for_ever(sqs.clone(), url.clone(), Arc::clone(&seen))));
        }
        for round in 0..20u64 {
            tokio::time::sleep(Duration::from_millis(50 + round * 37 % 200)).await;
            service.start_kill().expect("it runs");
            service.wait().await.expect("it is dead");
            service = start(directory.path(), port).await;
        }
        for task in &tasks[..3] {
            task.abort();
        }
        let lost = |seen: &Seen| seen.acknowledged.difference(&seen.received).count();
        while lost(&seen.lock().expect("no panic")) > 0 {
            // The deadline of the test is the deadline of this loop.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let seen = seen.lock().expect("no panic");
        assert!(seen.acknowledged.len() > 100, "only {} sent", seen.acknowledged.len());
        assert_eq!(seen.resurrected, Vec::<String>::new());
    })
    .await
    .expect("in time: something is lost");
}

#[derive(Default)]
struct Seen {
    acknowledged: BTreeSet<String>,
    received: BTreeSet<String>,
    deleted: BTreeSet<String>,
    resurrected: Vec<String>,
}

async fn send_for_ever(sqs: aws_sdk_sqs::Client, url: String, sender: usize, seen: Arc<Mutex<Seen>>) {
    for at in 0.. {
        let body = format!("{sender}-{at}");
        let value = MessageAttributeValue::builder().data_type("String").string_value("00").build().expect("a value");
        let call = sqs.send_message().queue_url(&url).message_body(&body).message_attributes("trace", value);
        if let Ok(answer) = call.send().await {
            seen.lock().expect("no panic").acknowledged.insert(answer.message_id.expect("an id"));
        }
    }
}

async fn take_for_ever(sqs: aws_sdk_sqs::Client, url: String, seen: Arc<Mutex<Seen>>) {
    loop {
        let call = sqs.receive_message().queue_url(&url).max_number_of_messages(5).wait_time_seconds(1);
        let Ok(answer) = call.send().await else {
            continue;
        };
        for message in answer.messages() {
            // Messages are compared by id and not by content: the SDK sends a message again if it got no answer, though
            // it may have been written down.
            let id = message.message_id().expect("an id").to_owned();
            {
                let mut seen = seen.lock().expect("no panic");
                if seen.deleted.contains(&id) {
                    seen.resurrected.push(id.clone());
                }
                seen.received.insert(id.clone());
            }
            let handle = message.receipt_handle().expect("a handle");
            if sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.is_ok() {
                seen.lock().expect("no panic").deleted.insert(id);
            }
        }
    }
}

/// Starts the example, which `cargo test -p local` builds as well.
async fn start(directory: &Path, port: u16) -> Child {
    let tests = std::env::current_exe().expect("this test");
    let example: PathBuf = tests.parent().and_then(Path::parent).expect("target/debug").join("examples/messaging");
    assert!(example.exists(), "cargo build -p local --example messaging makes {}", example.display());
    let mut child = Command::new(example)
        .args(["--port", &port.to_string(), "--directory"])
        .arg(directory)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    lines.next_line().await.expect("readable").expect("its address");
    child
}

fn declared() -> Config {
    let redrive =
        "{\"deadLetterTargetArn\":\"arn:aws:sqs:ap-northeast-2:123456789012:notify-dlq\",\"maxReceiveCount\":5}";
    Config {
        account: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        queues: BTreeMap::from([
            ("notify".to_owned(), [("RedrivePolicy".to_owned(), redrive.to_owned())].into()),
            ("notify-dlq".to_owned(), BTreeMap::new()),
        ]),
        topics: BTreeMap::from([("reservations".to_owned(), BTreeMap::new())]),
        subscriptions: vec![Subscription {
            topic: "reservations".to_owned(),
            queue: "notify".to_owned(),
            attributes: [("RawMessageDelivery".to_owned(), "true".to_owned())].into(),
        }],
        functions: Vec::new(),
        tables: None,
    }
}

fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

/// The clients as in the runtime, with other keys.
async fn clients(endpoint: &str) -> (aws_sdk_sqs::Client, aws_sdk_sns::Client) {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(2)).operation_timeout(DEADLINE).build();
    let config: SdkConfig = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(Builder::new().build_http())
        .timeout_config(timeouts)
        .load()
        .await;
    (aws_sdk_sqs::Client::new(&config), aws_sdk_sns::Client::new(&config))
}

async fn receive(sqs: &aws_sdk_sqs::Client, url: &str, wait: i32) -> Vec<aws_sdk_sqs::types::Message> {
    let call = sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(wait);
    let call = call.message_attribute_names("All").message_system_attribute_names(MessageSystemAttributeName::All);
    call.send().await.expect("received").messages.unwrap_or_default()
}

async fn delete(sqs: &aws_sdk_sqs::Client, url: &str, messages: &[aws_sdk_sqs::types::Message]) {
    let entry = |(at, message): (usize, &aws_sdk_sqs::types::Message)| {
        let handle = message.receipt_handle().expect("a handle");
        let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
        entry.build().expect("an entry")
    };
    let entries = messages.iter().enumerate().map(entry).collect();
    let call = sqs.delete_message_batch().queue_url(url).set_entries(Some(entries));
    assert!(call.send().await.expect("deleted").failed().is_empty());
}

fn bodies(messages: &[aws_sdk_sqs::types::Message]) -> Vec<&str> {
    messages.iter().filter_map(|message| message.body()).collect()
}
