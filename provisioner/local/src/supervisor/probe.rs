//! Probes say when a part counts as ready. Every try has a deadline, and so have all of them together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};

use super::replication;
use super::sql::{self, Address, Login, within};

const TRY: Duration = Duration::from_secs(2);
const LIVED: Duration = Duration::from_millis(500);

/// A probe. It has no `Debug`, because of the passwords.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    /// The part is ready once it has lived for `LIVED`. Such a part can be asked nothing else, and ends at once if it
    /// cannot do its work.
    Running,
    /// The part is ready once its process has ended with 0. It is not started again until something of it changes, or
    /// somebody restarts it.
    Done,
    Tcp {
        port: u16,
    },
    /// Any answer with a status from 200 to 399.
    Http {
        port: u16,
        path: String,
    },
    /// A login as this user, and `SELECT 1`.
    Sql {
        login: Login,
    },
    /// A login as this user, `SELECT 1`, and the replica has everything that the primary has committed by now.
    Replica {
        login: Login,
        primary: Login,
    },
    /// AUTH if there is a password, and PING, over its unix socket. So it is the same with and without TLS.
    Redis {
        at: Address,
        password: Option<String>,
    },
}

impl Probe {
    /// Whether the part is ready once its process has ended.
    pub fn is_the_end(&self) -> bool {
        matches!(self, Probe::Done)
    }
}

/// Probes until the part is ready, or the time is over, or nobody is interested any more.
pub fn until_ready(probe: &Probe, within: Duration, cancelled: &AtomicBool) -> Result<(), String> {
    let started = Instant::now();
    let deadline = started + within;
    let mut pause = Duration::from_millis(5);
    loop {
        let error = match once(probe) {
            // If the part ends meanwhile, the end cancels this probe.
            Ok(()) if matches!(probe, Probe::Running) && started.elapsed() < LIVED => anyhow!("it has just started"),
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if Instant::now() >= deadline || cancelled.load(Ordering::Relaxed) {
            return Err(format!("not ready within {} s: {error:#}", within.as_secs_f32()));
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(50));
    }
}

pub fn once(probe: &Probe) -> Result<()> {
    match probe {
        Probe::Running => Ok(()),
        // The end of its process says that it is done. Until then there is nothing to ask.
        Probe::Done => bail!("it is not done"),
        Probe::Tcp { port } => tcp(*port).map(drop),
        Probe::Http { port, path } => http(*port, path),
        Probe::Sql { login } => sql::block_on(within(TRY, select_one(login))),
        Probe::Replica { login, primary } => sql::block_on(within(TRY * 2, replication::caught_up(login, primary))),
        Probe::Redis { at, password } => redis(at, password.as_deref()),
    }
}

async fn select_one(login: &Login) -> Result<()> {
    let mut connection = sql::connect(login).await?;
    let one: Option<u8> = connection.query_first("SELECT 1").await?;
    ensure!(one == Some(1), "no answer to SELECT 1");
    connection.disconnect().await?;
    Ok(())
}

fn tcp(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), TRY)?;
    stream.set_read_timeout(Some(TRY))?;
    stream.set_write_timeout(Some(TRY))?;
    Ok(stream)
}

fn http(port: u16, path: &str) -> Result<()> {
    let mut stream = tcp(port)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(1024)).read_line(&mut line)?;
    let status: u16 = line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP answer")?;
    ensure!((200..400).contains(&status), "GET {path} answered {status}");
    Ok(())
}

fn redis(at: &Address, password: Option<&str>) -> Result<()> {
    match at {
        Address::Port(port) => ping(tcp(*port)?, password),
        Address::Socket(path) => ping(unix(path)?, password),
    }
}

fn unix(path: &Path) -> Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TRY))?;
    stream.set_write_timeout(Some(TRY))?;
    Ok(stream)
}

fn ping(mut stream: impl Read + Write, password: Option<&str>) -> Result<()> {
    if let Some(password) = password {
        // The length comes before the password, so that it may hold any character.
        write!(stream, "*2\r\n$4\r\nAUTH\r\n${}\r\n{password}\r\n", password.len())?;
    }
    write!(stream, "*1\r\n$4\r\nPING\r\n")?;
    let mut lines = BufReader::new(stream.take(1024)).lines();
    for expected in password.map(|_| "+OK").into_iter().chain(["+PONG"]) {
        match lines.next().transpose()? {
            Some(line) if line == expected => {}
            Some(line) => bail!("answered `{line}`"),
            None => bail!("closed the connection"),
        }
    }
    Ok(())
}
