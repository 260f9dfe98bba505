//! Why something failed, as far as AWS knows: gathered only for what failed, by the kind itself, within a deadline. What
//! cannot be gathered is a remark beside the failure, and never a failure of its own.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::aws::{Cx, Error, denial};
use crate::wait::pause;

/// The longest that people wait for it, in real seconds: the failure is known by then.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evidence {
    /// What to read first: the one reason below all others, where it can be told.
    pub cause: Option<String>,
    /// Events, reasons, log lines, in the order in which they help.
    pub lines: Vec<String>,
    /// What could not be read, and why not.
    pub unread: Vec<String>,
}

impl Evidence {
    /// The answer to a question for evidence. A refusal is noted.
    pub fn read<T>(&mut self, what: &str, result: Result<T, impl Into<Error>>) -> Option<T> {
        match result.map_err(Into::into) {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.unread.push(format!("{what} could not be read: {error}"));
                None
            }
        }
    }

    pub fn add(&mut self, other: Evidence) {
        self.cause = self.cause.take().or(other.cause);
        self.lines.extend(other.lines);
        self.unread.extend(other.unread);
    }
}

/// What the kind finds, and what an encoded refusal says. Given up at the deadline, and when the run is to stop.
pub async fn gather(cx: &Cx, by_kind: Option<BoxFuture<'_, Evidence>>, refusal: Option<&str>) -> Evidence {
    let all = async {
        let mut evidence = match refusal {
            Some(encoded) => denial::decode(cx, encoded).await,
            None => Evidence::default(),
        };
        if let Some(by_kind) = by_kind {
            evidence.add(by_kind.await);
        }
        evidence
    };
    let given_up = async {
        let mut left = DEADLINE;
        while !left.is_zero() && cx.stop.reason().is_none() {
            let step = left.min(Duration::from_millis(100));
            pause(step).await;
            left -= step;
        }
    };
    tokio::select! {
        evidence = all => evidence,
        () = given_up => {
            let why = cx.stop.reason().map_or_else(|| format!("no answer within {} s", DEADLINE.as_secs()), str::to_owned);
            Evidence { unread: vec![format!("what AWS knows of it was not read: {why}")], ..Evidence::default() }
        }
    }
}
