//! What the page cannot find out by itself: which thing uses which, and how to connect. A JSON file that only its user can
//! read; it is read anew for each request, so another stack file needs no restart.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// No `Debug`: connections hold passwords.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub stack: String,
    pub environment: String,
    /// What runs instead of what.
    pub notes: Vec<String>,
    pub nodes: Vec<Node>,
    pub links: Vec<Link>,
    /// The port of SQS, if the stack has queues or topics.
    pub messaging: Option<u16>,
    pub queues: Vec<Queue>,
    /// Parts that follow another database.
    pub replicas: Vec<String>,
    pub connections: Vec<Connection>,
}

/// Something on the map.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub lane: Lane,
    /// What runs it: a queue has the state of the part that holds all queues.
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

/// Of nodes, by id: who calls, to whom.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub from: String,
    pub to: String,
    /// `reads`, `publishes`: between the names of the two it makes a sentence.
    pub verb: String,
}

/// Names as SQS knows them.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// The node.
    pub id: String,
    pub main: String,
    pub dead_letters: Option<String>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub name: String,
    pub part: String,
    pub text: String,
    /// What in the text is nobody else's business.
    pub secret: Option<String>,
}

const MASK: &str = "••••••••";

impl Connection {
    pub fn masked(&self) -> String {
        mask(&self.text, self.secret.iter().map(String::as_str))
    }
}

impl Config {
    /// What the page gets: no secret is in it.
    pub fn shown(&self) -> Value {
        let Config { stack, environment, notes, nodes, links, messaging: _, queues, replicas, connections } = self;
        let connection = |it: &Connection| json!({ "name": it.name, "part": it.part, "text": it.masked(), "secret": it.secret.is_some() });
        let connections: Vec<Value> = connections.iter().map(connection).collect();
        json!({
            "stack": stack, "environment": environment, "notes": notes, "nodes": nodes, "links": links,
            "queues": queues, "replicas": replicas, "connections": connections,
        })
    }

    /// A line of a log, which anybody may have written anything into.
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
