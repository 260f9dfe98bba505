//! The jobs, in the database. Each change is one guarded statement, so any number of tasks can work side by side.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mysql_async::prelude::Queryable;

use crate::data::database::{self, Database};

/// The steps of a line: each with its code, and the word for it.
pub const STEPS: [(u32, &str); 5] = [(1, "시작"), (2, "준비"), (3, "생산"), (4, "포장"), (LAST, "종료")];
pub const LAST: u32 = 99;

/// The longest time between two attempts to call back.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The time after which nobody is called back any more.
pub const PATIENCE_HOURS: u32 = 24;
/// The days for which an ended job is kept. No queue keeps a message for longer, so no request comes again after that.
const KEPT_DAYS: u32 = 30;

/// A job that is new or was there before.
pub enum Taken {
    New(String),
    /// A request with this key was taken before.
    Again(String),
    /// The key belongs to an earlier request with another body.
    OtherRequest,
}

/// A job whose callback is due, and is this task's for a while.
pub struct Call {
    pub job: String,
    pub body: String,
    pub url: Option<String>,
    pub attempt: u32,
    /// Whether this is the last attempt.
    pub is_last: bool,
}

/// A line, as the page shows it.
pub struct Line {
    pub job: String,
    pub body: String,
    pub callback: Option<String>,
    pub step: u32,
    pub attempts: u32,
    pub is_ended: bool,
    pub outcome: Option<String>,
}

/// Begins a job, with its first step done.
pub async fn take(
    database: &Database,
    key: Option<&str>,
    body: &str,
    callback: Option<&str>,
    step: Duration,
) -> anyhow::Result<Taken> {
    const INSERT: &str = "INSERT INTO jobs (job_id, name, body, callback, step, due_at)
VALUES (?, ?, ?, ?, 1, NOW(3) + INTERVAL ? SECOND)";
    let job = new_id();
    let taken = database::attempts(|| async {
        let mut connection = database.primary.connection().await?;
        Ok(connection.exec_drop(INSERT, (&job, key, body, callback, step.as_secs())).await?)
    });
    match (taken.await, key) {
        (Ok(()), _) => Ok(Taken::New(job)),
        (Err(error), Some(key)) if database::refusal(&error) == Some(database::DUPLICATE) => {
            let mut connection = database.primary.connection().await?;
            let sql = "SELECT job_id, body FROM jobs WHERE name = ?";
            let before: Option<(String, String)> = connection.exec_first(sql, (key,)).await?;
            match before {
                Some((job, before)) if before == body => Ok(Taken::Again(job)),
                Some(_) => Ok(Taken::OtherRequest),
                None => Err(error),
            }
        }
        (Err(error), _) => Err(error),
    }
}

/// The jobs whose next step is due, each with the step that it is at.
pub async fn due(database: &Database) -> anyhow::Result<Vec<(String, u32)>> {
    let sql = "SELECT job_id, step FROM jobs WHERE due_at <= NOW(3) AND step < 99 ORDER BY due_at LIMIT 100";
    let mut connection = database.primary.connection().await?;
    Ok(connection.query(sql).await?)
}

/// Moves a job on from a step. `false` if it is at another step by now. The callback is due with the last step.
pub async fn advance(database: &Database, job: &str, from: u32, step: Duration) -> anyhow::Result<bool> {
    let next = STEPS.iter().map(|(code, _)| *code).find(|code| *code > from).unwrap_or(LAST);
    let pause = if next == LAST { 0 } else { step.as_secs() };
    let sql = "UPDATE jobs SET step = ?, due_at = NOW(3) + INTERVAL ? SECOND WHERE job_id = ? AND step = ?";
    let mut connection = database.primary.connection().await?;
    connection.exec_drop(sql, (next, pause, job, from)).await?;
    Ok(connection.affected_rows() == 1)
}

/// Moves a job on by hand: to its next step, or to its next attempt to call back. `false` if there is no such job that
/// goes on.
pub async fn push(database: &Database, job: &str, step: Duration) -> anyhow::Result<bool> {
    let mut connection = database.primary.connection().await?;
    let sql = "SELECT step FROM jobs WHERE job_id = ? AND due_at IS NOT NULL";
    let Some(at): Option<u32> = connection.exec_first(sql, (job,)).await? else { return Ok(false) };
    if at == LAST {
        let sql = "UPDATE jobs SET due_at = NOW(3) WHERE job_id = ? AND due_at IS NOT NULL";
        connection.exec_drop(sql, (job,)).await?;
        return Ok(true);
    }
    drop(connection);
    // If it has moved on by itself meanwhile, that was the step.
    advance(database, job, at, step).await?;
    Ok(true)
}

/// Takes the callbacks that are due. They are this task's for `lease`; if it vanishes, they are due again.
pub async fn calls(database: &Database, most: usize, lease: Duration) -> anyhow::Result<Vec<Call>> {
    const DUE: &str = "SELECT job_id, body, callback, attempts,
COALESCE(first_at < NOW(3) - INTERVAL ? HOUR, 0) FROM jobs WHERE due_at <= NOW(3) AND step = 99 ORDER BY due_at LIMIT ?";
    const CLAIM: &str = "UPDATE jobs SET attempts = attempts + 1, first_at = COALESCE(first_at, NOW(3)),
due_at = NOW(3) + INTERVAL ? SECOND WHERE job_id = ? AND attempts = ? AND due_at <= NOW(3)";
    let mut connection = database.primary.connection().await?;
    let due: Vec<(String, String, Option<String>, u32, bool)> = connection.exec(DUE, (PATIENCE_HOURS, most)).await?;
    let mut calls = Vec::new();
    for (job, body, url, attempts, is_last) in due {
        connection.exec_drop(CLAIM, (lease.as_secs(), &job, attempts)).await?;
        if connection.affected_rows() == 1 {
            calls.push(Call { job, body, url, attempt: attempts + 1, is_last });
        }
    }
    Ok(calls)
}

/// Ends a job.
pub async fn end(database: &Database, job: &str, outcome: &str) -> anyhow::Result<()> {
    let sql = "UPDATE jobs SET due_at = NULL, outcome = LEFT(?, 255) WHERE job_id = ?";
    let mut connection = database.primary.connection().await?;
    Ok(connection.exec_drop(sql, (outcome, job)).await?)
}

/// Notes that a callback has failed, and when it is tried again.
pub async fn again(database: &Database, call: &Call, outcome: &str) -> anyhow::Result<()> {
    let pause = pause(call.attempt).mul_f64(0.5 + fastrand::f64());
    let sql = "UPDATE jobs SET due_at = NOW(3) + INTERVAL ? MICROSECOND, outcome = LEFT(?, 255)
WHERE job_id = ? AND attempts = ? AND due_at IS NOT NULL";
    let mut connection = database.primary.connection().await?;
    let pause = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
    Ok(connection.exec_drop(sql, (pause, outcome, &call.job, call.attempt)).await?)
}

/// The latest lines.
pub async fn lines(database: &Database, most: u32) -> anyhow::Result<Vec<Line>> {
    let sql = "SELECT job_id, body, callback, step, attempts, due_at IS NULL, outcome
FROM jobs ORDER BY created_at DESC, job_id LIMIT ?";
    let mut connection = database.primary.connection().await?;
    let row = |(job, body, callback, step, attempts, is_ended, outcome)| Line {
        job,
        body,
        callback,
        step,
        attempts,
        is_ended,
        outcome,
    };
    Ok(connection.exec_map(sql, (most,), row).await?)
}

/// Forgets what has ended long ago.
pub async fn tidy(database: &Database) -> anyhow::Result<()> {
    let sql = "DELETE FROM jobs WHERE due_at IS NULL AND created_at < NOW(3) - INTERVAL ? DAY LIMIT 1000";
    let mut connection = database.primary.connection().await?;
    Ok(connection.exec_drop(sql, (KEPT_DAYS,)).await?)
}

/// The time between two attempts: a second, then twice as long each time.
fn pause(attempt: u32) -> Duration {
    let seconds = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
    LONGEST_PAUSE.min(Duration::from_secs(seconds.max(1)))
}

/// A UUID of version 1, as the factory has always given it: the time, and a node that is made up.
fn new_id() -> String {
    /// The 100 nanoseconds between 1582, where these UUIDs begin, and 1970.
    const BEFORE_1970: u128 = 0x01b2_1dd2_1381_4000;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = now.as_nanos() / 100 + BEFORE_1970;
    let (low, middle, high) = (time & 0xffff_ffff, (time >> 32) & 0xffff, (time >> 48) & 0x0fff);
    let (clock, node) = (fastrand::u16(..) & 0x3fff | 0x8000, fastrand::u64(..) & 0xffff_ffff_ffff | 1 << 40);
    format!("{low:08x}-{middle:04x}-1{high:03x}-{clock:04x}-{node:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = [1, 2, 3, 10, 11, 64, 65, u32::MAX].map(|attempt| pause(attempt).as_secs()).to_vec();
        assert_eq!(seconds, [1, 2, 4, 512, 900, 900, 900, 900]);
    }

    #[test]
    fn an_id_is_a_uuid_of_version_1() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        let parts: Vec<&str> = one.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(parts[2].starts_with('1') && ['8', '9', 'a', 'b'].contains(&parts[3].chars().next().unwrap()), "{one}");
    }
}
