//! Group commit. Reservations that arrive during a commit share the next transaction. Thirty of them cost the same
//! round trips, and the same flush of the database's log, as one. A reservation does not wait for company.

use std::sync::{Arc, MutexGuard, PoisonError};

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;

use super::outbox::{Effects, ROWS};
use crate::data::database::{self, Database, STATEMENT_TIMEOUT};
use crate::events::outbox;

pub struct GroupCommit {
    database: Arc<Database>,
    waiting: std::sync::Mutex<Vec<Write>>,
    /// One transaction runs at a time. The writes of the next gather meanwhile.
    turn: tokio::sync::Mutex<()>,
}

/// A reservation to insert, as SQL.
pub struct New {
    /// The four values of the row, in parentheses.
    pub reservation: String,
    /// The idempotency key and the digest of its request.
    pub key: Option<String>,
    pub effects: Effects,
}

/// The ids of the inserted rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Made {
    pub reservation: u64,
    /// The row of the outbox that invalidates the cache.
    pub invalidation: u64,
}

struct Write {
    new: New,
    answer: oneshot::Sender<anyhow::Result<Made>>,
}

/// The most reservations of one transaction. A reservation has at most some 15 KiB of SQL, and MariaDB takes 16 MiB at
/// once.
const LARGEST: usize = 64;

impl GroupCommit {
    pub fn new(database: &Arc<Database>) -> Arc<Self> {
        Arc::new(GroupCommit { database: Arc::clone(database), waiting: Default::default(), turn: Default::default() })
    }

    /// Commits a reservation wholly or not at all, whatever becomes of the others in the transaction.
    pub async fn commit(self: &Arc<Self>, new: New) -> anyhow::Result<Made> {
        let (answer, answered) = oneshot::channel();
        self.waiting().push(Write { new, answer });
        // This runs in a task of its own: a caller that goes away must not take the others' writes with it.
        tokio::spawn(take_turn(Arc::clone(self)));
        answered.await.context("the transaction ended without an answer")?
    }

    async fn together(&self, writes: &[Write]) -> anyhow::Result<Vec<Made>> {
        let statements = statements(writes)?;
        let committed = async {
            let mut connection = self.database.primary.connection().await?;
            database::together(&mut connection, &statements).await
        };
        let inserted = self.database.primary.within(STATEMENT_TIMEOUT, committed).await?;
        let first = |at: Option<&Option<u64>>| at.copied().flatten().context("no id for the row");
        let (reservation, invalidation) = (first(inserted.first())?, first(inserted.last())?);
        let made = (0..writes.len() as u64)
            .map(|at| Made { reservation: reservation + at, invalidation: invalidation + at * ROWS as u64 });
        Ok(made.collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Write>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Commits the reservations that all callers have brought. The first caller does it for all, and leaves nothing for
/// those behind it.
async fn take_turn(group: Arc<GroupCommit>) {
    let _turn = group.turn.lock().await;
    let mut writes: Vec<Write> = {
        let mut waiting = group.waiting();
        let count = waiting.len().min(LARGEST);
        waiting.drain(..count).collect()
    };
    // The callers of these are gone and could not be told of a commit. So their writes are not committed.
    writes.retain(|write| !write.answer.is_closed());
    if writes.is_empty() {
        return;
    }
    match group.together(&writes).await {
        Ok(made) => {
            for (write, made) in writes.into_iter().zip(made) {
                let _ = write.answer.send(Ok(made));
            }
        }
        Err(error) if writes.len() > 1 && database::refusal(&error).is_some() => one_by_one(&group, writes).await,
        Err(error) => fail(writes, error),
    }
}

/// Commits each reservation by itself. It is called if the database refused one of them, and rolled all back.
async fn one_by_one(group: &GroupCommit, writes: Vec<Write>) {
    let mut writes = writes.into_iter();
    while let Some(write) = writes.next() {
        match group.together(std::slice::from_ref(&write)).await {
            Ok(made) => {
                let _ = write.answer.send(made.first().copied().context("nothing was inserted"));
            }
            Err(error) if database::refusal(&error).is_some() => {
                let _ = write.answer.send(Err(error));
            }
            // The database is gone meanwhile, for the others too.
            Err(error) => return fail(std::iter::once(write).chain(writes).collect(), error),
        }
    }
}

/// Answers all writes with the same error.
fn fail(mut writes: Vec<Write>, error: anyhow::Error) {
    let last = writes.pop();
    for write in writes {
        let _ = write.answer.send(Err(anyhow!("{error:#}")));
    }
    if let Some(write) = last {
        let _ = write.answer.send(Err(error));
    }
}

/// The statements, one for each table. The rows of one statement get ids that follow each other.
/// <https://dev.mysql.com/doc/refman/8.4/en/innodb-auto-increment-handling.html>
fn statements(writes: &[Write]) -> anyhow::Result<Vec<String>> {
    let ids: Vec<String> = (0..writes.len()).map(|at| id(at, writes.len())).collect();
    let reservations: Vec<&str> = writes.iter().map(|write| write.new.reservation.as_str()).collect();
    let key = |(write, id): (&Write, &String)| Some(format!("({}, {id})", write.new.key.as_ref()?));
    let keys: Vec<String> = writes.iter().zip(&ids).filter_map(key).collect();
    let mut effects = Vec::with_capacity(writes.len() * ROWS);
    for (write, id) in writes.iter().zip(&ids) {
        effects.extend(write.new.effects.rows(id)?);
    }

    let columns = "departure, destination, date, user_name";
    let mut all = vec![format!("INSERT INTO reservations ({columns}) VALUES {}", reservations.join(", "))];
    if !keys.is_empty() {
        // This comes after the rows, because it has their ids, and before the outbox, which has ids of its own.
        let columns = "name, request, reservation_id";
        all.push(format!("INSERT INTO idempotency_keys ({columns}) VALUES {}", keys.join(", ")));
    }
    all.push(format!("{}{}", outbox::INSERT, effects.join(", ")));
    Ok(all)
}

/// SQL for the id that the statement before gave to its row of this number. In a cluster that writes on several nodes,
/// ids do not follow one by one. There a second row is an error, and each reservation gets a transaction of its own.
fn id(at: usize, count: usize) -> String {
    match (at, count) {
        (0, 1) => "LAST_INSERT_ID()".to_owned(),
        (0, _) => "LAST_INSERT_ID() + IF(@@auto_increment_increment = 1, 0, (SELECT 0 UNION SELECT 1))".to_owned(),
        (at, _) => format!("LAST_INSERT_ID() + {at}"),
    }
}
