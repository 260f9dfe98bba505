//! The cache in Redis or Valkey. It holds rows under their ids, and lists beside a stamp that each write renews.
//!
//! A row is stored as its version, a space and its JSON. A write leaves a *fence* instead: `!` and the version that the
//! write made. A reader that finds a fence reads from the primary. A value is never replaced by a value of an earlier
//! version. So it does not matter in which order readers, writers and the relay of the outbox arrive.

use std::fmt::Display;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use hyper::body::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisConnectionInfo, Script, TlsCertificates,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::background::Loop;
use crate::config::stores::{self, Tls};
use crate::telemetry;

pub struct Cache {
    client: Client,
    names: Names,
    ttl: Duration,
    live: RwLock<Option<Live>>,
    broken: Notify,
    scripts: Scripts,
}

/// The beginnings of the keys of a system. For the names `order` and `orders` a row is under `order:<id>`, the stamp of
/// the lists is `orders:stamp`, the list of all rows is `orders:all`, and the list that a term finds is
/// `orders:search:<term>`.
#[derive(Clone, Copy)]
pub struct Names {
    pub one: &'static str,
    pub many: &'static str,
}

/// What the cache knows of a row.
#[derive(Debug, PartialEq)]
pub enum Found {
    Row(Bytes),
    /// The row was written not long ago. A copy must have at least this version.
    Fence(u32),
    Nothing,
}

#[derive(Debug, PartialEq)]
pub struct List {
    /// The stamp. Each write renews it. A list that was read under another stamp is out of date.
    pub stamp: String,
    pub body: Option<Bytes>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    since: Instant,
}

struct Scripts {
    keep: Script,
    invalidate: Script,
    list: Script,
}

/// The time limit of the commands of a request. Without the cache everything works, only slower.
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
const PROBE_PERIOD: Duration = Duration::from_secs(1);
/// The largest list that is kept, in bytes. Larger lists are read anew each time: they would push the rows out.
const LARGEST_LIST: usize = 1024 * 1024;

impl Cache {
    pub fn new(config: &stores::Cache, names: Names) -> anyhow::Result<Self> {
        let stores::Address { host, port } = config.address.clone();
        let mut login = RedisConnectionInfo::default();
        if let Some(token) = &config.token {
            login = login.set_password(&token.0);
        }
        let info = |address| -> anyhow::Result<ConnectionInfo> {
            let info: ConnectionInfo = redis::IntoConnectionInfo::into_connection_info(address)?;
            Ok(info.set_redis_settings(login.clone()))
        };
        let secured = ConnectionAddr::TcpTls { host: host.clone(), port, insecure: false, tls_params: None };
        let client = match &config.tls {
            Tls::Off => Client::open(info(ConnectionAddr::Tcp(host, port))?)?,
            Tls::Verify { ca: None } => Client::open(info(secured)?)?,
            Tls::Verify { ca: Some(path) } => {
                let pem = std::fs::read(path).with_context(|| format!("CACHE_CA: reading {}", path.display()))?;
                let roots = TlsCertificates { client_tls: None, root_cert: Some(pem) };
                Client::build_with_tls(info(secured)?, roots)?
            }
        };
        let scripts = Scripts { keep: Script::new(KEEP), invalidate: Script::new(INVALIDATE), list: Script::new(LIST) };
        Ok(Cache { client, names, ttl: config.ttl, live: RwLock::new(None), broken: Notify::new(), scripts })
    }

    /// Since when the cache has been reachable without a break. The cache may have lost what it was told before that.
    pub fn since(&self) -> Option<Instant> {
        Some(self.live()?.since)
    }

    /// Looks a row up. An error means that the cache cannot be reached. That is no reason to fail.
    pub async fn row(&self, id: impl Display) -> anyhow::Result<Found> {
        let mut connection = self.connection()?;
        let value: Option<Bytes> =
            self.judge(redis::cmd("GET").arg(self.names.row(id)).query_async(&mut connection).await)?;
        Ok(value.map_or(Found::Nothing, found))
    }

    /// Keeps a row, unless the cache has a value of a later version, or a fence that asks for one.
    pub async fn keep(&self, id: impl Display, version: u32, body: &[u8]) -> anyhow::Result<()> {
        let mut connection = self.connection()?;
        let mut call = self.scripts.keep.key(self.names.row(id));
        call.arg(version).arg(body).arg(self.ttl.as_secs());
        self.judge(call.invoke_async(&mut connection).await)
    }

    /// Invalidates a row and all lists after a write. From then on no reader takes an earlier version of the row, and
    /// no list that was read before.
    pub async fn invalidate(&self, id: impl Display, version: u32) -> anyhow::Result<()> {
        let mut connection = self.connection()?;
        let mut call = self.scripts.invalidate.key(self.names.row(id));
        call.key(self.names.stamp()).key(self.names.list("")).arg(version).arg(self.ttl.as_secs());
        self.judge(call.invoke_async(&mut connection).await)
    }

    /// The list that a term finds. The empty term finds all rows.
    pub async fn list(&self, term: &str) -> anyhow::Result<List> {
        let mut connection = self.connection()?;
        let mut call = self.scripts.list.key(self.names.stamp());
        call.key(self.names.list(term));
        let (stamp, value): (String, Option<Bytes>) = self.judge(call.invoke_async(&mut connection).await)?;
        let body = value.and_then(|value| {
            let rest = value.strip_prefix(stamp.as_bytes())?.strip_prefix(b" ")?;
            Some(value.slice_ref(rest))
        });
        Ok(List { stamp, body })
    }

    pub async fn keep_list(&self, term: &str, stamp: &str, body: &[u8]) -> anyhow::Result<()> {
        if body.len() > LARGEST_LIST {
            return Ok(());
        }
        let mut connection = self.connection()?;
        let value = [stamp.as_bytes(), b" ", body].concat();
        let mut set = redis::cmd("SET");
        set.arg(self.names.list(term)).arg(value).arg("EX").arg(self.ttl.as_secs());
        self.judge(set.query_async(&mut connection).await)
    }

    fn connection(&self) -> anyhow::Result<MultiplexedConnection> {
        Ok(self.live().context("the cache is not there")?.connection)
    }

    fn live(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, live: Option<Live>) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Judges an answer. If an answer did not come, the connection is given up at once, because the cache may have lost
    /// what it was told.
    fn judge<T>(&self, answer: redis::RedisResult<T>) -> anyhow::Result<T> {
        answer.map_err(|error| {
            if error.is_io_error()
                || error.is_timeout()
                || error.is_connection_dropped()
                || error.is_unrecoverable_error()
            {
                self.set(None);
                self.broken.notify_one();
            }
            error.into()
        })
    }
}

/// Connects to the cache, and connects again after each break.
pub async fn connected(cache: std::sync::Arc<Cache>, mut this: Loop) {
    let mut told = false;
    let timeouts = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    while !this.is_stopping() {
        match cache.client.get_multiplexed_async_connection_with_config(&timeouts).await {
            Ok(connection) => {
                telemetry::info("cache.connected", &json!({}));
                told = false;
                cache.set(Some(Live { connection, since: Instant::now() }));
                while cache.since().is_some() && !this.is_stopping() {
                    let broken = tokio::time::timeout(PROBE_PERIOD, cache.broken.notified());
                    if let Some(Err(_)) = this.unless_stopping(broken).await
                        && let Ok(mut connection) = cache.connection()
                    {
                        let pong: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut connection).await;
                        let _ = cache.judge(pong);
                    }
                }
                if !this.is_stopping() {
                    telemetry::warn("cache.lost", &json!({}));
                }
            }
            Err(error) => {
                if !told {
                    let message = error.to_string();
                    telemetry::warn("cache.unreachable", &json!({ "message": message }));
                    told = true;
                }
                this.sleep(RECONNECT_PAUSE).await;
            }
        }
    }
}

/// Keeps a row. `KEYS[1]` is the row; the arguments are version, JSON and seconds. A fence of the same version waits
/// for just this value, and is replaced.
const KEEP: &str = "
local now = redis.call('GET', KEYS[1])
if now then
  local fence, version = string.match(now, '^(!?)(%d+)')
  local ours, theirs = tonumber(ARGV[1]), tonumber(version)
  if theirs and (theirs > ours or (theirs == ours and fence == '')) then return end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'EX', ARGV[3])";

/// Invalidates. `KEYS[1]` is the row, `KEYS[2]` the stamp, `KEYS[3]` the list of all rows; the arguments are version
/// and seconds.
const INVALIDATE: &str = "
local now = redis.call('GET', KEYS[1])
local theirs = now and tonumber(string.match(now, '^!?(%d+)'))
if not theirs or theirs < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '!' .. ARGV[1], 'EX', ARGV[2])
end
redis.call('DEL', KEYS[3])
if redis.call('EXISTS', KEYS[2]) == 0 then
  local time = redis.call('TIME')
  redis.call('SET', KEYS[2], time[1] .. string.format('%06d', time[2]))
end
redis.call('INCR', KEYS[2])";

/// Reads a list. `KEYS[1]` is the stamp, `KEYS[2]` the list. A stamp that was lost begins at the clock, which no
/// earlier stamp has reached.
const LIST: &str = "
local stamp = redis.call('GET', KEYS[1])
if not stamp then
  local time = redis.call('TIME')
  stamp = time[1] .. string.format('%06d', time[2])
  redis.call('SET', KEYS[1], stamp)
end
return {stamp, redis.call('GET', KEYS[2])}";

impl Names {
    fn row(self, id: impl Display) -> String {
        format!("{}:{id}", self.one)
    }

    fn stamp(self) -> String {
        format!("{}:stamp", self.many)
    }

    fn list(self, term: &str) -> String {
        if term.is_empty() { format!("{}:all", self.many) } else { format!("{}:search:{term}", self.many) }
    }
}

fn found(value: Bytes) -> Found {
    if let Some(version) = value.strip_prefix(b"!") {
        let version = std::str::from_utf8(version).ok().and_then(|text| text.parse().ok());
        return version.map_or(Found::Nothing, Found::Fence);
    }
    match value.iter().position(|byte| *byte == b' ') {
        Some(space) => Found::Row(value.slice(space + 1..)),
        None => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_lists_are_under_the_names_of_their_system() {
        let names = Names { one: "order", many: "orders" };
        assert_eq!([names.row(7), names.row("a-b"), names.stamp()], ["order:7", "order:a-b", "orders:stamp"]);
        assert_eq!([names.list(""), names.list("a:b")], ["orders:all", "orders:search:a:b"]);
    }

    #[test]
    fn what_is_no_value_of_ours_is_nothing() {
        assert_eq!(found(Bytes::from_static(b"7 {\"id\":1}")), Found::Row(Bytes::from_static(b"{\"id\":1}")));
        assert_eq!(found(Bytes::from_static(b"!7")), Found::Fence(7));
        for odd in [&b""[..], b"!", b"!x", b"\xff", b"{\"id\":1}"] {
            assert_eq!(found(Bytes::copy_from_slice(odd)), Found::Nothing, "{odd:?}");
        }
    }
}
