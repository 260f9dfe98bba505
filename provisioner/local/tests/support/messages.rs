//! The server of messages as a part, and the calls that tests make.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use local::http;
use local::messaging::{self, Attributes, Config, Depth};
use local::supervisor::part::Part;
use local::supervisor::probe::Probe;
use serde_json::{Value, json};

use super::function::free_port;
use super::{Stack, program};

pub struct Messages {
    pub port: u16,
    file: PathBuf,
    directory: PathBuf,
}

impl Messages {
    pub fn new(stack: &Stack) -> Messages {
        let state = stack.place().state().to_owned();
        Messages { port: free_port(), file: state.join("messages.json"), directory: state.join("messages") }
    }

    pub fn part(&self, config: &Config) -> Part {
        std::fs::write(&self.file, serde_json::to_vec(config).unwrap()).unwrap();
        std::fs::create_dir_all(&self.directory).unwrap();
        let (file, directory) = (self.file.to_str().unwrap(), self.directory.to_str().unwrap());
        Part {
            args: ["local", "messages", file, directory, &self.port.to_string()].map(str::to_owned).into(),
            port: Some(self.port),
            ready: Probe::Tcp { port: self.port },
            ..Part::new("messaging", "messages", program())
        }
    }

    pub fn url(&self, queue: &str) -> String {
        format!("http://127.0.0.1:{}/000000000000/{queue}", self.port)
    }

    pub fn send(&self, queue: &str, body: &str) {
        self.sqs("SendMessage", &json!({ "QueueUrl": self.url(queue), "MessageBody": body }));
    }

    pub fn receive(&self, queue: &str) -> Vec<Value> {
        let told = self.sqs("ReceiveMessage", &json!({ "QueueUrl": self.url(queue), "MaxNumberOfMessages": 10 }));
        told["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub fn depth(&self, queue: &str) -> Depth {
        messaging::depths(self.port).unwrap()[queue]
    }

    pub fn is_empty(&self, queue: &str) -> bool {
        messaging::depths(self.port).is_ok_and(|depths| depths[queue] == Depth::default())
    }

    /// Publishes a message with attributes of the type String. Returns its id.
    pub fn publish(&self, topic: &str, message: &str, attributes: &[(&str, &str)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "Publish").append_pair("Message", message);
        form.append_pair("TopicArn", &format!("arn:aws:sns:us-east-1:000000000000:{topic}"));
        for (at, (name, value)) in attributes.iter().enumerate() {
            let entry = format!("MessageAttributes.entry.{}", at + 1);
            form.append_pair(&format!("{entry}.Name"), name);
            form.append_pair(&format!("{entry}.Value.DataType"), "String");
            form.append_pair(&format!("{entry}.Value.StringValue"), value);
        }
        let headers = [("Authorization", "any")];
        let within = Duration::from_secs(10);
        let answer = http::ask(self.port, "POST", "/", &headers, Some(&form.finish()), within).unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 200, "{text}");
        let (_, rest) = text.split_once("<MessageId>").unwrap();
        rest.split_once("</MessageId>").unwrap().0.to_owned()
    }

    fn sqs(&self, action: &str, asked: &Value) -> Value {
        let headers = [("Authorization", "any"), ("X-Amz-Target", &format!("AmazonSQS.{action}"))];
        let within = Duration::from_secs(10);
        let answer = http::ask(self.port, "POST", "/", &headers, Some(&asked.to_string()), within).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }
}

/// Queues with their attributes. `work` has its dead letters in `work-dead`.
pub fn queues(all: &[(&str, &[(&str, &str)])]) -> BTreeMap<String, Attributes> {
    let attributes = |own: &[(&str, &str)]| own.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    all.iter().map(|(name, own)| ((*name).to_owned(), attributes(own))).collect()
}
