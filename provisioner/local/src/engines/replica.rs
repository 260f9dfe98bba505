//! Finds out how far a replica is behind, holds it back, and hands a primary over to it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use serde::{Deserialize, Serialize};

use super::mariadb::{Flavour, Program, Server, root, run};
use super::mysql;
use crate::supervisor::sql::{Login, block_on, connect, within};

/// What a replica says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    /// Whether it is connected, and applies what it gets.
    pub replicating: bool,
    /// Why it does not replicate.
    pub why: Option<String>,
    /// How far it is behind. `None` if it does not know, because the primary cannot be reached.
    pub lag_seconds: Option<u64>,
    /// How long it holds everything back, on purpose.
    pub delay_seconds: u64,
    /// The transactions that it has applied, as a GTID.
    pub position: String,
    /// The transactions that it has received.
    pub received: String,
}

/// Asks a server about its replication. `None` if it follows nobody.
pub fn replication(login: &Login) -> Result<Option<Replication>> {
    block_on(within(ANSWER, async {
        let mut connection = connect(login).await?;
        let replication = look(&mut connection).await?;
        connection.disconnect().await?;
        Ok(replication)
    }))
}

/// The transactions that a server has written or applied, as a GTID.
pub fn position(login: &Login) -> Result<String> {
    block_on(within(ANSWER, async {
        let mut connection = connect(login).await?;
        let position = written(&mut connection).await?;
        connection.disconnect().await?;
        Ok(position)
    }))
}

/// Makes the replica hold everything back for so long, as a slow replica does. 0 ends it.
pub fn delay(program: &Program, server: &Server, seconds: u32) -> Result<()> {
    let statements = match program.flavour {
        Flavour::Maria => {
            ["STOP SLAVE".into(), format!("CHANGE MASTER TO MASTER_DELAY={seconds}"), "START SLAVE".into()]
        }
        Flavour::Mysql => mysql::delay(seconds),
    };
    run(server, &statements).with_context(|| format!("delaying `{}`", server.name))
}

/// Waits until the replica has everything that there is for it, so that nothing is lost when it takes over. If the
/// primary runs, it takes no more writes from now on, and the replica gets all that it has committed. If the primary is
/// gone, that is all that the replica received.
pub fn hand_over(primary: Option<&Server>, replica: &Server) -> Result<()> {
    let Some(primary) = primary else { return applied(replica) };
    run(primary, &["SET GLOBAL read_only=1".to_owned()])
        .with_context(|| format!("ending writes on `{}`", primary.name))?;
    let caught_up = caught_up(primary, replica);
    if caught_up.is_err() {
        // The primary stays the primary.
        open(primary)?;
    }
    caught_up
}

/// Lets a primary take writes, also after a handing over that was broken off.
pub fn open(primary: &Server) -> Result<()> {
    run(primary, &["SET GLOBAL read_only=0".to_owned()]).with_context(|| format!("opening `{}`", primary.name))
}

const ANSWER: Duration = Duration::from_secs(3);
/// The time for a replica to apply everything when it holds nothing back.
const PATIENCE: Duration = Duration::from_secs(10);

fn caught_up(primary: &Server, replica: &Server) -> Result<()> {
    let wanted = position(&root(primary)).with_context(|| format!("asking `{}`", primary.name))?;
    wait(replica, |now, _| now == wanted || ends_with_all(now, &wanted))
}

fn applied(replica: &Server) -> Result<()> {
    wait(replica, |now, received| received.is_empty() || ends_with_all(now, received))
}

/// Waits as long as the replica holds everything back, and then as long as is fair.
fn wait(replica: &Server, enough: impl Fn(&str, &str) -> bool) -> Result<()> {
    let begin = Instant::now();
    loop {
        let state = replication(&root(replica)).with_context(|| format!("asking `{}`", replica.name))?;
        let Some(state) = state else { bail!("`{}` follows nobody", replica.name) };
        if enough(&state.position, &state.received) {
            return Ok(());
        }
        let patience = PATIENCE + Duration::from_secs(state.delay_seconds);
        ensure!(
            begin.elapsed() < patience,
            "`{}` has not applied everything after {} s{}",
            replica.name,
            patience.as_secs(),
            state.why.map_or_else(String::new, |why| format!(": {why}"))
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a state has at least the wanted number of each domain. Writes meanwhile may have raised it.
fn ends_with_all(now: &str, wanted: &str) -> bool {
    let parse = |text: &str| -> Vec<(String, u64)> {
        let parts = text.split(',').filter_map(|gtid| {
            let mut numbers = gtid.trim().split('-');
            let (domain, _, number) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some((domain.to_owned(), number.parse().ok()?))
        });
        parts.collect()
    };
    let now = parse(now);
    parse(wanted).iter().all(|(domain, number)| now.iter().any(|(other, at)| other == domain && at >= number))
}

async fn look(connection: &mut Conn) -> Result<Option<Replication>> {
    let Some(row): Option<Row> = connection.query_first("SHOW REPLICA STATUS").await? else { return Ok(None) };
    // MariaDB kept the old names, MySQL has the new ones.
    let text = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| row.get_opt::<Option<String>, _>(*name)?.ok()?);
        found.filter(|text| !text.is_empty())
    };
    let (receives, applies) = (
        text(["Slave_IO_Running", "Replica_IO_Running"]).unwrap_or_default(),
        text(["Slave_SQL_Running", "Replica_SQL_Running"]).unwrap_or_default(),
    );
    let error = text(["Last_SQL_Error", "Last_SQL_Error"]).or_else(|| text(["Last_IO_Error", "Last_IO_Error"]));
    let replicating = receives == "Yes" && applies == "Yes";
    let why = match (replicating, error) {
        (true, _) => None,
        (false, Some(error)) => Some(error),
        (false, None) if receives == "Connecting" => Some("it cannot reach its primary".to_owned()),
        (false, None) => Some(format!("receiving: {receives}, applying: {applies}")),
    };
    let number = |names| text(names).and_then(|number| number.parse().ok());
    Ok(Some(Replication {
        replicating,
        why,
        lag_seconds: number(["Seconds_Behind_Master", "Seconds_Behind_Source"]),
        delay_seconds: number(["SQL_Delay", "SQL_Delay"]).unwrap_or(0),
        received: text(["Gtid_IO_Pos", "Retrieved_Gtid_Set"]).unwrap_or_default(),
        position: written(connection).await?,
    }))
}

/// The transactions that a server has in its log. A replica logs what it applies, so primary and replica are asked the
/// same.
async fn written(connection: &mut Conn) -> Result<String> {
    let question = match connection.server_version() {
        version if ((8, 0, 0)..(10, 0, 0)).contains(&version) => "SELECT @@gtid_executed",
        _ => "SELECT @@gtid_current_pos",
    };
    Ok(connection.query_first(question).await?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::ends_with_all;

    #[test]
    fn of_each_domain_the_number_counts_and_not_who_wrote() {
        assert!(ends_with_all("0-2-12", "0-1-12") && ends_with_all("0-1-13,1-1-1", "0-1-12") && ends_with_all("", ""));
        assert!(!ends_with_all("0-1-11", "0-1-12") && !ends_with_all("", "0-1-1") && !ends_with_all("0-1-5", "1-1-1"));
    }
}
