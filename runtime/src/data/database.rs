//! MySQL and MariaDB: a pool to the primary and one to the replica. The same statements run on both engines; a test keeps
//! it so.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, ensure};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Pool, PoolConstraints, PoolOpts, SslOpts};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::stores::{self, Address, Login, Tls};
use crate::telemetry;

pub struct Database {
    pub primary: Server,
    pub replica: Option<Server>,
}

/// A server, the primary or the replica, with what is known of it.
pub struct Server {
    config: stores::Database,
    address: Address,
    access: RwLock<Arc<Access>>,
    /// Held while the password is fetched again, so that it is fetched once.
    renewing: tokio::sync::Mutex<()>,
    /// As many as the pool has connections. A request that waits too long for one is told so.
    turns: Arc<Semaphore>,
    /// Whether the last attempt to reach the server succeeded. If there is another server, nobody needs to wait for a dead one.
    up: AtomicBool,
}

/// How connections to a server are made, with the password that they begin with.
struct Access {
    login: Login,
    options: Opts,
    pool: Pool,
}

/// The time limit for a new connection, or for one to become free. It is better to refuse a request than to keep it
/// waiting.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for all statements of a write together.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for a read. The other server can be asked too.
pub const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection of the pool, for as long as it is held.
pub struct Connection {
    connection: Conn,
    _turn: OwnedSemaphorePermit,
}

/// The database did not answer in time, or none of its connections became free in time. The same request may succeed later.
#[derive(Clone, Debug)]
pub struct Late(String);

/// The time limit of the wait for one of the connections. It is below [`READ_TIMEOUT`].
const TURN_TIMEOUT: Duration = Duration::from_millis(1500);

impl Database {
    pub fn new(config: &stores::Database) -> anyhow::Result<Self> {
        let server = |address: &Address| -> anyhow::Result<Server> {
            Ok(Server {
                access: RwLock::new(Arc::new(access(config, address, config.user.clone())?)),
                config: config.clone(),
                address: address.clone(),
                renewing: tokio::sync::Mutex::default(),
                turns: Arc::new(Semaphore::new(config.connections)),
                up: AtomicBool::new(true),
            })
        };
        Ok(Database { primary: server(&config.primary)?, replica: config.replica.as_ref().map(server).transpose()? })
    }
}

impl Server {
    /// A connection of the pool. The error is [`Late`] if all of them stay taken.
    pub async fn connection(&self) -> anyhow::Result<Connection> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| Late("all connections to the database are taken".to_owned()))??;
        let access = self.access();
        let connection = match within_time(access.pool.get_conn()).await {
            Err(error) if is_denied(&error) => within_time(self.renewed(&access, error).await?.pool.get_conn()).await,
            connection => connection,
        };
        self.up.store(connection.is_ok(), Ordering::Relaxed);
        Ok(Connection { connection: connection?, _turn: turn })
    }

    /// Runs a request to this server with a time limit. A server that hangs is as good as one that is gone.
    pub async fn within<T>(&self, time: Duration, asked: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        match tokio::time::timeout(time, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                self.up.store(false, Ordering::Relaxed);
                Err(Late(format!("no answer from the database in {} s", time.as_secs())).into())
            }
        }
    }

    /// A session that holds the lock of this name, outside of the pool. `None` if another session has the lock after
    /// `patience` seconds. If the client vanishes without a word, the server lets go of the lock after `wait_timeout`
    /// seconds.
    pub async fn locked_session(&self, lock: &str, patience: u32, wait_timeout: u32) -> anyhow::Result<Option<Conn>> {
        let access = self.access();
        let mut connection = match Conn::new(access.options.clone()).await {
            Err(error) if is_denied(&error) => Conn::new(self.renewed(&access, error).await?.options.clone()).await?,
            connection => connection?,
        };
        connection.query_drop(format!("SET SESSION wait_timeout = {wait_timeout}")).await?;
        let locked: Option<i64> = connection.exec_first("SELECT GET_LOCK(?, ?)", (lock, patience)).await?.flatten();
        Ok((locked == Some(1)).then_some(connection))
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another access, after the server has refused this one: with the password that its secret has now. A password
    /// that was changed in Secrets Manager shows here first. Without a secret the refusal stays.
    async fn renewed(&self, refused: &Access, error: mysql_async::Error) -> anyhow::Result<Arc<Access>> {
        let _turn = self.renewing.lock().await;
        let now = self.access();
        if now.login.password != refused.login.password {
            return Ok(now);
        }
        let Some(login) = renewed(&refused.login).await? else { return Err(error.into()) };
        let renewed = Arc::new(access(&self.config, &self.address, login)?);
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&renewed);
        Ok(renewed)
    }

    /// Whether the last attempt to reach the server succeeded.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}

impl Deref for Connection {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.connection
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Late {}

fn timed_out() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no connection to the database in time")
}

/// A connection outside of the pool, as the owner of the schema.
pub async fn as_owner(config: &stores::Database, owner: &Login) -> anyhow::Result<Conn> {
    single(config, owner)
        .await
        .with_context(|| format!("connecting to the database at {} as its owner", config.primary))
}

/// A connection outside of the pool, as the services' user.
pub async fn as_user(config: &stores::Database) -> anyhow::Result<Conn> {
    single(config, &config.user).await.with_context(|| format!("connecting to the database at {}", config.primary))
}

/// Runs statements in one transaction and one round trip. Gives the id that each statement inserted, if it inserted
/// any. After a [`refusal`] nothing has happened. After another error nobody knows whether anything happened.
pub async fn together(connection: &mut Conn, statements: &[String]) -> anyhow::Result<Vec<Option<u64>>> {
    // An error, or a caller that went away, may leave the session in the middle of the transaction. The session is
    // rolled back before anybody else gets it.
    connection.reset_connection(true);
    let mut inserted = Vec::with_capacity(statements.len() + 1);
    let answered = answers(connection, statements, &mut inserted).await;
    // The first answer is the transaction's. The last answer, the commit's, was not looked at.
    let all = inserted.len() == statements.len() + 1;
    match answered {
        // The connection may have broken after the commit was done.
        Err(error) if all => anyhow::bail!("committing: {error}"),
        Err(error) => return Err(error.into()),
        Ok(()) => ensure!(all, "the database answered {} statements", inserted.len()),
    }
    connection.reset_connection(false);
    inserted.remove(0);
    Ok(inserted)
}

/// A text as an SQL literal. In hexadecimal, no character of the text can mean anything to SQL.
pub struct Literal<'a>(pub &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_utf8mb4 x'{}'", Hex(self.0.as_bytes()))
    }
}

pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // This does not write one digit at a time, because all that a client sends goes through here twice.
        let mut digits = [0; 128];
        for bytes in self.0.chunks(digits.len() / 2) {
            for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
                pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
            }
            f.write_str(std::str::from_utf8(&digits[..bytes.len() * 2]).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// The name of a lock. The whole server knows a lock, so its name has to say which schema it is for, in 64 characters.
pub fn lock_name(schema: &str, purpose: &str) -> String {
    let schema: String = schema.chars().take(40).collect();
    format!("{schema}.{purpose}")
}

/// The number that MySQL and MariaDB give to the cause of an error.
pub fn code(error: &mysql_async::Error) -> Option<u16> {
    match error {
        mysql_async::Error::Server(error) => Some(error.code),
        _ => None,
    }
}

/// The number of the refusal, for an error whose type is not known. `None` unless the database refused.
pub fn refusal(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref().and_then(code)
}

/// Tries a transaction again if it was rolled back, and ends in time. If a transaction is given up half-way, it is
/// rolled back with its connection.
pub async fn attempts<T, F: Future<Output = anyhow::Result<T>>>(mut attempt: impl FnMut() -> F) -> anyhow::Result<T> {
    let all = async {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match attempt().await {
                Err(error) if left > 0 && matches!(refusal(&error), Some(DEADLOCK | LOCK_WAIT)) => {}
                outcome => return outcome,
            }
        }
    };
    tokio::time::timeout(STATEMENT_TIMEOUT, all)
        .await
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer from the database in {} s", STATEMENT_TIMEOUT.as_secs())))
}

pub const NO_SUCH_TABLE: u16 = 1146;
pub const DUPLICATE: u16 = 1062;
pub const DEADLOCK: u16 = 1213;
pub const LOCK_WAIT: u16 = 1205;
pub const ACCESS_DENIED: u16 = 1045;

/// How often a transaction is tried. Two writers may deadlock, and a transaction that was rolled back whole can be
/// tried again.
const ATTEMPTS: u32 = 3;

async fn single(config: &stores::Database, login: &Login) -> anyhow::Result<Conn> {
    let error = match within_time(Conn::new(options(config, &config.primary, login)?)).await {
        Err(error) if is_denied(&error) => error,
        connection => return Ok(connection?),
    };
    let Some(login) = renewed(login).await? else { return Err(error.into()) };
    Ok(within_time(Conn::new(options(config, &config.primary, &login)?)).await?)
}

/// The login that the secret of a refused one has now. `None` if it came from no secret.
async fn renewed(refused: &Login) -> anyhow::Result<Option<Login>> {
    let Some(origin) = &refused.origin else { return Ok(None) };
    telemetry::warn("password.refused", &json!({ "user": refused.user, "message": "its secret is fetched again" }));
    Ok(Some(origin.login(&refused.user).await?))
}

fn is_denied(error: &mysql_async::Error) -> bool {
    code(error) == Some(ACCESS_DENIED)
}

async fn within_time(
    connecting: impl Future<Output = Result<Conn, mysql_async::Error>>,
) -> Result<Conn, mysql_async::Error> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    connected.unwrap_or_else(|_| Err(mysql_async::Error::Io(timed_out().into())))
}

fn access(config: &stores::Database, address: &Address, login: Login) -> anyhow::Result<Access> {
    let options = Opts::from(options(config, address, &login)?);
    Ok(Access { pool: Pool::new(options.clone()), options, login })
}

async fn answers(
    connection: &mut Conn,
    statements: &[String],
    inserted: &mut Vec<Option<u64>>,
) -> Result<(), mysql_async::Error> {
    let length: usize = statements.iter().map(|statement| statement.len() + 2).sum();
    let mut text = String::with_capacity(length + 32);
    text.push_str("START TRANSACTION");
    for statement in statements.iter().map(String::as_str).chain(["COMMIT"]) {
        text.push_str(";\n");
        text.push_str(statement);
    }
    let mut result = connection.query_iter(text).await?;
    while !result.is_empty() {
        inserted.push(result.last_insert_id());
        result.for_each(drop).await?;
    }
    // An error of a later statement, the commit's included, is reported here.
    result.drop_result().await
}

/// The options that every session begins with.
fn options(config: &stores::Database, address: &Address, login: &Login) -> anyhow::Result<OptsBuilder> {
    let constraints = PoolConstraints::new(0, config.connections).context("the number of connections is 0")?;
    let pool = PoolOpts::default()
        .with_constraints(constraints)
        // We leave nothing behind in a session, and a reset costs each request one more round trip.
        .with_reset_connection(false)
        .with_inactive_connection_ttl(Duration::from_secs(600))
        // A primary may be replaced behind its name. So every connection ends some day, even if nothing breaks.
        .with_abs_conn_ttl(Some(config.lifetime))
        .with_abs_conn_ttl_jitter(Some(config.lifetime / 6));
    Ok(OptsBuilder::default()
        .ip_or_hostname(&address.host)
        .tcp_port(address.port)
        .user(Some(&login.user))
        .pass(Some(&login.password.0))
        .db_name(Some(&config.name))
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(20)))
        .tcp_nodelay(true)
        .client_found_rows(true)
        .setup(vec!["SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 3"])
        .pool_opts(pool)
        .ssl_opts(tls(&config.tls)?))
}

/// The TLS options. A file of authorities replaces all others. Without one the authorities of RDS are trusted, which no
/// public list has.
fn tls(tls: &Tls) -> anyhow::Result<Option<SslOpts>> {
    let roots = match tls {
        Tls::Off => return Ok(None),
        Tls::Verify { ca: None } => RDS_ROOTS.to_vec(),
        Tls::Verify { ca: Some(path) } => pem(path)?,
    };
    let options = SslOpts::default().with_disable_built_in_roots(true).with_root_certs(vec![roots.into()]);
    Ok(Some(options))
}

fn pem(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("DATABASE_CA: reading {}", path.display()))
}

const RDS_ROOTS: &[u8] = include_bytes!("../../../templates/rds-global-bundle.pem");
