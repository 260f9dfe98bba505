//! SQL over the wire. Every step has a deadline: an engine that stands still must not hold its caller.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mysql_async::{Conn, OptsBuilder};
use serde::{Deserialize, Serialize};

/// A login: which user on which server. It has no `Debug`, because of the password.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    pub at: Address,
    pub user: String,
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    Port(u16),
    Socket(PathBuf),
}

pub async fn connect(login: &Login) -> Result<Conn> {
    let options = match &login.at {
        Address::Port(port) => OptsBuilder::default().ip_or_hostname("127.0.0.1").tcp_port(*port).prefer_socket(false),
        Address::Socket(path) => OptsBuilder::default().socket(Some(path.display().to_string())),
    };
    let password = Some(&login.password).filter(|password| !password.is_empty());
    let connecting = Conn::new(options.user(Some(&login.user)).pass(password));
    within(Duration::from_secs(2), async { Ok(connecting.await?) }).await
}

pub async fn within<T>(time: Duration, what: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(time, what).await {
        Ok(result) => result,
        Err(_) => bail!("no answer within {} ms", time.as_millis()),
    }
}

/// Runs a future, for a thread that waits.
pub fn block_on<T>(what: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    runtime.block_on(what)
}
