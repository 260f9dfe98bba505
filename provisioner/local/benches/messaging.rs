//! Measures messages per second, with the Rust SDK in the same process: `cargo bench -p local`. The numbers are to be
//! looked at; nothing is tested.

#![allow(clippy::print_stdout)]

use std::net::TcpListener;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_sns::types::PublishBatchRequestEntry;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use aws_smithy_http_client::Builder;
use local::messaging::{Config, Subscription, serve};

const CLIENTS: usize = 4;
const MESSAGES: usize = 20_000;
const BODY: usize = 300;

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = Config::default();
    config.queues.insert("load".to_owned(), Default::default());
    config.topics.insert("load".to_owned(), Default::default());
    let subscription = Subscription { topic: "load".to_owned(), queue: "load".to_owned(), ..Default::default() };
    config.subscriptions.push(subscription);
    let start = Instant::now();
    let server =
        serve(TcpListener::bind("127.0.0.1:0").expect("a port"), directory.path(), &config).expect("a service");
    println!("{:>9.1?}  start with nothing", start.elapsed());

    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "bench"))
        .endpoint_url(format!("http://{}", server.address()))
        .http_client(Builder::new().build_http())
        .load()
        .await;
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let sns = aws_sdk_sns::Client::new(&sdk);
    let url = format!("http://{}/000000000000/load", server.address());
    let topic = "arn:aws:sns:us-east-1:000000000000:load";
    let body = "x".repeat(BODY);

    measure("SendMessage", MESSAGES / 4, async |_| {
        sqs.send_message().queue_url(&url).message_body(&body).send().await.expect("sent");
        1
    })
    .await;
    measure("SendMessageBatch of 10", MESSAGES, async |_| {
        let entry = |at: usize| SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(&body).build();
        let entries = (0..10).map(|at| entry(at).expect("an entry")).collect();
        sqs.send_message_batch().queue_url(&url).set_entries(Some(entries)).send().await.expect("sent");
        10
    })
    .await;
    measure("PublishBatch of 10, to one queue", MESSAGES, async |_| {
        let entry = |at: usize| PublishBatchRequestEntry::builder().id(at.to_string()).message(&body).build();
        let entries = (0..10).map(|at| entry(at).expect("an entry")).collect();
        sns.publish_batch()
            .topic_arn(topic)
            .set_publish_batch_request_entries(Some(entries))
            .send()
            .await
            .expect("sent");
        10
    })
    .await;

    let log = std::fs::metadata(directory.path().join("messages.log")).expect("a log").len();
    let depth = server.depths()["load"].visible;
    server.stop().await;
    let start = Instant::now();
    let server =
        serve(TcpListener::bind("127.0.0.1:0").expect("a port"), directory.path(), &config).expect("a service");
    println!("{:>9.1?}  start with {depth} messages, {} MB of log", start.elapsed(), log / 1_000_000);
    let sqs = aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::config::Builder::from(&sdk).endpoint_url(format!("http://{}", server.address())).build(),
    );
    measure("ReceiveMessage of 10 and DeleteMessageBatch", depth, async |_| {
        let call = sqs.receive_message().queue_url(&url).max_number_of_messages(10);
        let messages = call.send().await.expect("received").messages.unwrap_or_default();
        let entry = |(at, message): (usize, &aws_sdk_sqs::types::Message)| {
            let handle = message.receipt_handle().expect("a handle");
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle);
            entry.build().expect("an entry")
        };
        let entries: Vec<_> = messages.iter().enumerate().map(entry).collect();
        if !entries.is_empty() {
            sqs.delete_message_batch().queue_url(&url).set_entries(Some(entries)).send().await.expect("deleted");
        }
        messages.len().max(1)
    })
    .await;

    // One message at a time is sent and waited for. This is the least time that a message's way takes.
    let mut ways = Vec::new();
    for _ in 0..300 {
        let receive = sqs.receive_message().queue_url(&url).wait_time_seconds(10).send();
        let waiting = tokio::spawn(receive);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let start = Instant::now();
        sqs.send_message().queue_url(&url).message_body(&body).send().await.expect("sent");
        waiting.await.expect("no panic").expect("received");
        ways.push(start.elapsed());
    }
    ways.sort();
    println!("{:>9.1?}  from a send to a waiting receiver (median), {:.1?} (99 of 100)", ways[150], ways[296]);
    server.stop().await;
}

async fn measure(what: &str, messages: usize, call: impl AsyncFn(usize) -> usize) {
    let start = Instant::now();
    let client = async |client: usize| {
        let mut done = 0;
        while done < messages / CLIENTS {
            done += call(client).await;
        }
    };
    tokio::join!(client(0), client(1), client(2), client(3));
    println!("{:>7.0}/s  {what}", messages as f64 / start.elapsed().as_secs_f64());
}
