//! The depths of the queues and their dead letters, asked for as any SDK would.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::config::Queue;

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Depth {
    pub waiting: u64,
    pub in_flight: u64,
    pub delayed: u64,
    pub dead: u64,
}

pub fn depth(port: u16, queue: &Queue) -> Result<Depth> {
    let main = attributes(port, &queue.main)?;
    let dead = match &queue.dead_letters {
        Some(dead) => number(&attributes(port, dead)?, "ApproximateNumberOfMessages"),
        None => 0,
    };
    Ok(Depth {
        waiting: number(&main, "ApproximateNumberOfMessages"),
        in_flight: number(&main, "ApproximateNumberOfMessagesNotVisible"),
        delayed: number(&main, "ApproximateNumberOfMessagesDelayed"),
        dead,
    })
}

/// Moves dead letters back to their queue. Returns how many.
pub fn redrive(port: u16, queue: &Queue) -> Result<u64> {
    let dead = queue.dead_letters.as_ref().context("this queue has no queue for dead letters")?;
    let arn = attributes(port, dead)?;
    let arn = arn["QueueArn"].as_str().context("a queue without an ARN")?;
    let before = depth(port, queue)?.dead;
    ask(port, "StartMessageMoveTask", &json!({ "SourceArn": arn }))?;
    Ok(before.saturating_sub(depth(port, queue)?.dead))
}

/// A message that was received.
pub struct Received {
    pub body: String,
    queue: String,
    handle: String,
}

/// Receives one message of a queue, and hides it for this long. `None` if there is none.
pub fn receive(port: u16, queue: &str, hidden: Duration) -> Result<Option<Received>> {
    let url = format!("http://127.0.0.1:{port}/000000000000/{queue}");
    let asked = json!({ "QueueUrl": url, "MaxNumberOfMessages": 1, "VisibilityTimeout": hidden.as_secs() });
    let answer = ask(port, "ReceiveMessage", &asked)?;
    // An answer without messages has no list of them.
    let part = |name: &str| answer["Messages"][0][name].as_str().map(str::to_owned);
    let (body, handle) = (part("Body"), part("ReceiptHandle"));
    Ok(body.zip(handle).map(|(body, handle)| Received { body, queue: url, handle }))
}

pub fn delete(port: u16, message: &Received) -> Result<()> {
    let asked = json!({ "QueueUrl": message.queue, "ReceiptHandle": message.handle });
    ask(port, "DeleteMessage", &asked).map(drop)
}

/// Shows a message to others again.
pub fn give_back(port: u16, message: &Received) -> Result<()> {
    let asked = json!({ "QueueUrl": message.queue, "ReceiptHandle": message.handle, "VisibilityTimeout": 0 });
    ask(port, "ChangeMessageVisibility", &asked).map(drop)
}

/// Publishes a message with one attribute, as SNS takes it: a form, and not JSON.
pub fn publish(port: u16, topic_arn: &str, message: &str, (name, value): (&str, &str)) -> Result<()> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "Publish")
        .append_pair("Version", "2010-03-31")
        .append_pair("TopicArn", topic_arn)
        .append_pair("Message", message)
        .append_pair("MessageAttributes.entry.1.Name", name)
        .append_pair("MessageAttributes.entry.1.Value.DataType", "String")
        .append_pair("MessageAttributes.entry.1.Value.StringValue", value)
        .finish();
    let (head, body) = send(port, "application/x-www-form-urlencoded", "", &form)?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("Publish: {}", body.lines().next().unwrap_or("refused"));
    }
    Ok(())
}

fn attributes(port: u16, queue: &str) -> Result<Value> {
    let url = format!("http://127.0.0.1:{port}/000000000000/{queue}");
    let answer = ask(port, "GetQueueAttributes", &json!({ "QueueUrl": url, "AttributeNames": ["All"] }))?;
    Ok(answer["Attributes"].clone())
}

fn number(attributes: &Value, name: &str) -> u64 {
    attributes[name].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn ask(port: u16, operation: &str, input: &Value) -> Result<Value> {
    let target = format!("X-Amz-Target: AmazonSQS.{operation}\r\n");
    let (head, body) = send(port, "application/x-amz-json-1.0", &target, &input.to_string())?;
    let body: Value = serde_json::from_str(&body).with_context(|| format!("{operation}: no JSON"))?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{operation}: {}", body["message"].as_str().unwrap_or("refused"));
    }
    Ok(body)
}

/// Sends a request, and gives the head and the body of the answer.
fn send(port: u16, content_type: &str, headers: &str, body: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAuthorization: dashboard\r\n\
         Content-Type: {content_type}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok((head.to_owned(), body.to_owned()))
}
