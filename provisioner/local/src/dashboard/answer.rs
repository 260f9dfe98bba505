//! Answers a request that was let in. Everything in here may wait.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::config::Config;
use super::history::History;
use super::live::{self, Asked};
use super::logs::{self, Cursor, Wanted};
use super::messages;
use super::part::CONFIG;
use crate::supervisor::chronicle::Entry;
use crate::supervisor::client;
use crate::supervisor::place::Place;

pub struct Dashboard {
    place: Place,
    history: Mutex<History>,
    asked: Arc<Asked>,
}

/// The part of the address behind the `?`. A name may be there more than once.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Query {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }

    fn one(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn needed(&self, name: &str) -> Result<&str> {
        self.one(name).with_context(|| format!("`{name}` is missing"))
    }
}

impl Dashboard {
    pub fn new(place: Place) -> Dashboard {
        let history = Mutex::new(History::open(&place.state().join("history.db")));
        Dashboard { place, history, asked: Arc::default() }
    }

    /// Answers a question. `None` if there is nothing of this name.
    pub fn look(&self, what: &str, query: &Query) -> Option<Result<Value>> {
        Some(match what {
            "stack" => self.config().map(|config| config.shown()),
            "state" => self.state(),
            "logs" => self.logs(query),
            "history" => self.happened(query),
            _ => return None,
        })
    }

    /// Does what only the stack's user may do, and no page from elsewhere.
    pub fn act(&self, what: &str, query: &Query) -> Option<Result<Value>> {
        Some(match what {
            "connection" => self.connection(query),
            "part" => self.part(query),
            "redrive" => self.redrive(query),
            _ => return None,
        })
    }

    /// Takes what has happened into the history, though nobody looks. It is to be called now and then.
    pub fn follow(&self) {
        let _ = self.history(|history| history.follow(&self.place));
    }

    fn config(&self) -> Result<Config> {
        let path = self.place.state().join(CONFIG);
        let bytes = std::fs::read(&path).with_context(|| format!("`{}`", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("`{}`", path.display()))
    }

    fn state(&self) -> Result<Value> {
        let mut state = live::state(&self.place, &self.config()?, &self.asked);
        let changed = self.place.state().join(CONFIG).metadata().and_then(|file| file.modified()).ok();
        let changed = changed.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        state["revision"] = json!(changed.map(|at| at.as_nanos().to_string()));
        Ok(state)
    }

    fn connection(&self, query: &Query) -> Result<Value> {
        let name = query.needed("name")?;
        let connections = self.config()?.connections;
        let connection = connections.into_iter().find(|it| it.name == name);
        Ok(json!({ "text": connection.with_context(|| format!("there is no connection `{name}`"))?.text }))
    }

    fn logs(&self, query: &Query) -> Result<Value> {
        let known = logs::parts(&self.place.state().join("logs"));
        let asked = query.all("part");
        let number =
            |name: &str| query.one(name).map(str::parse::<u64>).transpose().with_context(|| format!("`{name}`"));
        let wanted = Wanted {
            // Only known names pass, because the asked name is put into a path.
            parts: known.into_iter().filter(|part| asked.is_empty() || asked.contains(part)).collect(),
            text: query.one("text").unwrap_or_default().to_owned(),
            id: query.one("id").unwrap_or_default().to_owned(),
            quiet: query.one("quiet").is_some(),
            before: number("before")?,
        };
        let (mut lines, cursor) = match query.one("cursor") {
            Some(cursor) => {
                let cursor: Cursor = serde_json::from_str(cursor).context("`cursor`")?;
                logs::since(&self.place, &wanted, &cursor, live::now_ms())?
            }
            None => logs::latest(&self.place, &wanted)?,
        };
        let config = self.config()?;
        for line in &mut lines {
            line.text = config.without_secrets(&line.text);
        }
        Ok(json!({ "lines": lines, "cursor": serde_json::to_string(&cursor)? }))
    }

    fn happened(&self, query: &Query) -> Result<Value> {
        let before = query.one("before").map(str::parse).transpose().context("`before`")?;
        let config = self.config()?;
        let mut events = self.history(|history| {
            // On a full disk the old history can still be read.
            let _ = history.follow(&self.place);
            history.before(before, query.one("part"))
        })?;
        for event in &mut events {
            event.text = config.without_secrets(&event.text);
        }
        Ok(json!({ "events": events }))
    }

    fn part(&self, query: &Query) -> Result<Value> {
        let (name, wanted) = (query.needed("name")?, query.needed("do")?);
        let client = client::running(self.place.state()).context("the supervisor does not run")?;
        match wanted {
            "restart" => client.restart(name)?,
            "kill" => client.kill(name)?,
            "pause" => client.pause(name)?,
            "resume" => client.resume(name)?,
            other => bail!("`{other}` is nothing that can be done to a part"),
        }
        Ok(json!({}))
    }

    fn redrive(&self, query: &Query) -> Result<Value> {
        let id = query.needed("queue")?;
        let config = self.config()?;
        let queue =
            config.queues.iter().find(|queue| queue.id == id).with_context(|| format!("there is no queue `{id}`"))?;
        let moved = messages::redrive(config.messaging.context("this stack has no queues")?, queue)?;
        let entry = Entry::now(id, "redrive", &format!("{moved} dead letters moved back"));
        // The action is done, whether the history could note it or not.
        let _ = self.history(|history| history.add(&entry));
        Ok(json!({ "moved": moved }))
    }

    fn history<T>(&self, what: impl FnOnce(&mut History) -> Result<T>) -> Result<T> {
        // A change is a transaction: a panic leaves none half done.
        what(&mut self.history.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
