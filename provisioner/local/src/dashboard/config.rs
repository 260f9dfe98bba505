//! The facts that the page cannot find out by itself: which thing uses which, and how to connect. They are in a JSON
//! file that only its user can read. It is read anew for each request, so another stack file needs no restart.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The facts for the page. It has no `Debug`, because connections hold passwords.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    pub stack: String,
    pub environment: String,
    /// Notes on what runs here in place of another thing.
    pub notes: Vec<String>,
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
    /// The port of SQS, if the stack has queues or topics.
    pub messaging: Option<u16>,
    pub queues: Vec<Queue>,
    /// The port of DynamoDB, if the stack has tables.
    pub dynamodb: Option<u16>,
    pub tables: Vec<Table>,
    /// The parts that follow another database.
    pub replicas: Vec<String>,
    pub connections: Vec<Connection>,
}

/// A thing on the map.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub lane: Lane,
    /// The part that runs it. A queue has the state of the part that holds all queues.
    pub part: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Entry,
    Services,
    Messages,
    Data,
}

/// A link between two nodes, by id, from the caller to the called.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub from: String,
    pub to: String,
    /// The verb, such as `reads` or `publishes`. Between the names of the two it makes a sentence.
    pub verb: String,
}

/// A queue, with the names that SQS knows.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// The id of its node.
    pub id: String,
    pub main: String,
    pub dead_letters: Option<String>,
}

/// A table, with the name that DynamoDB knows.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The id of its node.
    pub id: String,
    pub name: String,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub name: String,
    pub part: String,
    pub text: String,
    /// The secret in the text, which is shown to nobody else.
    pub secret: Option<String>,
}

const MASK: &str = "••••••••";

impl Connection {
    pub fn masked(&self) -> String {
        mask(&self.text, self.secret.iter().map(String::as_str))
    }
}

impl Config {
    /// The facts that the page gets. They hold no secret.
    pub fn shown(&self) -> Value {
        let Config { stack, environment, notes, nodes, links, queues, tables, replicas, connections, .. } = self;
        let connection = |it: &Connection| json!({ "name": it.name, "part": it.part, "text": it.masked(), "secret": it.secret.is_some() });
        let connections: Vec<Value> = connections.iter().map(connection).collect();
        json!({
            "stack": stack, "environment": environment, "notes": notes, "nodes": nodes, "links": links,
            "queues": queues, "tables": tables, "replicas": replicas, "connections": connections,
        })
    }

    /// The text without secrets. It is a line of a log, into which anybody may have written anything.
    pub fn without_secrets(&self, text: &str) -> String {
        mask(text, self.connections.iter().filter_map(|it| it.secret.as_deref()))
    }
}

fn mask<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, MASK);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret() {
        let connection = |name: &str, text: &str, secret: Option<&str>| Connection {
            name: name.into(),
            part: "db".into(),
            text: text.into(),
            secret: secret.map(str::to_owned),
        };
        let config = Config {
            connections: vec![
                connection("owner", "mysql://owner:pa55@127.0.0.1:3306/db", Some("pa55")),
                connection("address", "http://127.0.0.1:80", None),
                connection("empty", "redis://127.0.0.1:6379", Some("")),
            ],
            ..Config::default()
        };
        let shown = config.shown();
        assert_eq!(shown["connections"][0]["text"], "mysql://owner:••••••••@127.0.0.1:3306/db");
        assert_eq!(shown["connections"][1]["text"], "http://127.0.0.1:80");
        assert_eq!(shown["connections"][2]["text"], "redis://127.0.0.1:6379");
        assert!(!shown.to_string().contains("pa55"));
        assert_eq!(config.without_secrets("connecting with pa55, pa55"), "connecting with ••••••••, ••••••••");
    }
}
