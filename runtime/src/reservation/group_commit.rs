//! Group commit: writes that arrive while others are being committed share the next transaction. For thirty writes it
//! costs the same round trips, and the same flush of the database's log, as for one. Nobody waits for company.

use std::sync::{Arc, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;

use crate::database::{self, Database, STATEMENT_TIMEOUT};

pub struct GroupCommit {
    database: Arc<Database>,
    waiting: std::sync::Mutex<Vec<Write>>,
    /// One transaction at a time: the next one's writes gather meanwhile.
    turn: tokio::sync::Mutex<()>,
}

/// The id that each statement of a write inserted, if it did.
pub type Inserted = Vec<Option<u64>>;

struct Write {
    statements: Vec<String>,
    answer: oneshot::Sender<anyhow::Result<Inserted>>,
}

/// A write has at most some 15 KiB of SQL, and MariaDB takes 16 MiB at once.
const LARGEST: usize = 64;

impl GroupCommit {
    pub fn new(database: &Arc<Database>) -> Arc<Self> {
        Arc::new(GroupCommit { database: Arc::clone(database), waiting: Default::default(), turn: Default::default() })
    }

    /// All of these statements or none, whatever becomes of the writes beside it.
    pub async fn commit(self: &Arc<Self>, statements: Vec<String>) -> anyhow::Result<Inserted> {
        let (answer, answered) = oneshot::channel();
        self.waiting().push(Write { statements, answer });
        // A task of its own: a caller that goes away must not take the others' writes with it.
        tokio::spawn(take_turn(Arc::clone(self)));
        answered.await.context("the transaction ended without an answer")?
    }

    async fn together(&self, statements: &[&str]) -> anyhow::Result<Inserted> {
        let committed = async {
            let mut connection = self.database.primary.connection().await?;
            database::together(&mut connection, statements).await
        };
        self.database.primary.within(STATEMENT_TIMEOUT, committed).await
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Write>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().map(String::as_str)
    }
}

/// Whoever is first commits what all have brought, and leaves nothing to those behind.
async fn take_turn(group: Arc<GroupCommit>) {
    let _turn = group.turn.lock().await;
    let mut writes: Vec<Write> = {
        let mut waiting = group.waiting();
        let count = waiting.len().min(LARGEST);
        waiting.drain(..count).collect()
    };
    // Nobody could be told that these were committed, so they are not.
    writes.retain(|write| !write.answer.is_closed());
    if writes.is_empty() {
        return;
    }
    let statements: Vec<&str> = writes.iter().flat_map(Write::texts).collect();
    match group.together(&statements).await {
        Ok(mut inserted) => {
            for write in writes {
                let rest = inserted.split_off(write.statements.len());
                let _ = write.answer.send(Ok(std::mem::replace(&mut inserted, rest)));
            }
        }
        Err(error) if writes.len() > 1 && database::refusal(&error).is_some() => one_by_one(&group, writes).await,
        Err(error) => fail(writes, error),
    }
}

/// The database refused one of them, and rolled all back.
async fn one_by_one(group: &GroupCommit, writes: Vec<Write>) {
    let mut writes = writes.into_iter();
    while let Some(write) = writes.next() {
        match group.together(&write.texts().collect::<Vec<_>>()).await {
            // The database is gone meanwhile, for the others too.
            Err(error) if database::refusal(&error).is_none() => {
                return fail(std::iter::once(write).chain(writes).collect(), error);
            }
            outcome => {
                let _ = write.answer.send(outcome);
            }
        }
    }
}

/// For one cause.
fn fail(mut writes: Vec<Write>, error: anyhow::Error) {
    let last = writes.pop();
    for write in writes {
        let _ = write.answer.send(Err(anyhow!("{error:#}")));
    }
    if let Some(write) = last {
        let _ = write.answer.send(Err(error));
    }
}
