//! Finds out whether a replica has everything of its primary, and nothing else.

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::sql::{Login, connect};

/// Waits until the replica has everything that the primary has committed by now.
pub async fn caught_up(replica: &Login, primary: &Login) -> Result<()> {
    let mut replica = connect(replica).await?;
    let mut primary = connect(primary).await.context("primary")?;
    let result = compare(&mut replica, &mut primary).await;
    // Both connections are closed in order, whatever the result is: a server notes in its log that a client left
    // without a word.
    primary.disconnect().await?;
    replica.disconnect().await?;
    result
}

async fn compare(replica: &mut Conn, primary: &mut Conn) -> Result<()> {
    nothing_of_its_own(replica, primary).await?;
    let (position, wait) = match is_maria(replica) {
        true => ("SELECT @@gtid_binlog_pos", "SELECT MASTER_GTID_WAIT(?, 1)"),
        false => ("SELECT @@gtid_executed", "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, 1)"),
    };
    let position: String = primary.query_first(position).await?.unwrap_or_default();
    let answer: Option<Option<i64>> = replica.exec_first(wait, (position,)).await?;
    if answer.flatten() != Some(0) {
        let why = standstill(replica).await?;
        bail!("the replica has not caught up{}", why.map_or_else(String::new, |why| format!(": {why}")));
    }
    Ok(())
}

/// It is an error if only the replica has some rows, because it was a primary once and died before it had sent them.
/// Waiting for a position does not find that out: it compares numbers, and both servers have counted on.
pub async fn nothing_of_its_own(replica: &mut Conn, primary: &mut Conn) -> Result<()> {
    let own = match is_maria(replica) {
        // The replica is asked first. A row that is only now written on the primary cannot be missing there then.
        true => {
            let state = "SELECT @@gtid_binlog_state";
            let of_replica: String = replica.query_first(state).await?.unwrap_or_default();
            let of_primary: String = primary.query_first(state).await?.unwrap_or_default();
            strays(&of_replica, &of_primary)
        }
        false => {
            let executed: String = replica.query_first("SELECT @@gtid_executed").await?.unwrap_or_default();
            let missing = "SELECT GTID_SUBTRACT(?, @@gtid_executed)";
            primary.exec_first(missing, (executed,)).await?.filter(|missing: &String| !missing.is_empty())
        }
    };
    ensure!(own.is_none(), "it has transactions that its primary never got ({})", own.unwrap_or_default());
    Ok(())
}

/// The first number of the replica that is above the primary's. A state has the last number of each server that ever
/// wrote.
fn strays(replica: &str, primary: &str) -> Option<String> {
    let last = |gtid: &str| {
        let (server, number) = gtid.trim().rsplit_once('-')?;
        Some((server.to_owned(), number.parse::<u64>().ok()?))
    };
    let known: Vec<(String, u64)> = primary.split(',').filter_map(last).collect();
    let is_known = |(server, number): &(String, u64)| known.iter().any(|(at, upto)| at == server && number <= upto);
    let stray = replica.split(',').filter_map(last).find(|gtid| !is_known(gtid))?;
    Some(format!("{}-{}", stray.0, stray.1))
}

/// The error of the replication threads, if they stand still.
async fn standstill(replica: &mut Conn) -> Result<Option<String>> {
    let Some(row): Option<Row> = replica.query_first("SHOW REPLICA STATUS").await? else {
        return Ok(Some("it follows nobody".into()));
    };
    let text = |field: &str| row.get_opt::<String, _>(field).and_then(Result::ok).filter(|text| !text.is_empty());
    Ok(text("Last_IO_Error").or_else(|| text("Last_SQL_Error")))
}

/// Whether the server is MariaDB. MariaDB went on from version 5.5 to 10.
fn is_maria(server: &Conn) -> bool {
    !((8, 0, 0)..(10, 0, 0)).contains(&server.server_version())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_above_the_primarys_are_strays() {
        assert_eq!(strays("0-1-11", "0-1-11,0-2-12"), None);
        assert_eq!(strays("", "0-1-11"), None);
        assert_eq!(strays("0-2-9, 0-1-12", "0-1-11,0-2-12"), Some("0-1-12".into()));
        assert_eq!(strays("0-3-1", "0-1-11"), Some("0-3-1".into()));
    }
}
