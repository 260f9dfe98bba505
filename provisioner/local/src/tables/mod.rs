//! DynamoDB and its streams on a loopback port, for unchanged AWS SDKs.
//!
//! The engine is the library dynoxide, with an SQLite file. It is named in this folder only. Before it is a front of
//! ours, which mends what it does differently from AWS. These promises hold, and they are tested:
//!
//! - A write that was acknowledged is there after a `kill -9`, and so is its record in the stream.
//! - ARNs and regions are those of the stack. Requests may name any.
//! - The id of a shard has the form of AWS's, and is the same after a restart. A stream has one shard.
//! - Items expire within seconds of their time. Records can be read for a day. What was trimmed is refused, as on AWS.
//! - An expression that is too long or nested too deeply is refused. A panic of the library ends one request only.
//!
//! These are missing or different: signatures and policies are not checked. A change that changes nothing makes a record,
//! unless the records hold both images. A stream that is switched off cannot be read any more. An index that is added
//! later takes items too whose key is empty or of another kind. An item expires also if its time is more than five years
//! ago. `RequestItems` takes names of tables, and no ARNs. There are no backups, global tables, exports or imports. A token
//! of a transaction is forgotten when the service restarts.

mod answer;
mod config;
mod declare;
mod engine;
mod http;
mod kept;
pub mod part;
mod place;
mod refusal;
mod streams;
mod sweep;
mod text;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use dynoxide::storage::TableMetadata;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use answer::PREFIXES;
pub use config::{Attribute, Behind, Config, Counted, Declared, Kind, Table, View};
use engine::Engine;
pub use http::LARGEST_BODY;
use kept::Kept;
use place::Place;

/// A running service. If it is dropped, it also stops, but nobody waits for that.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// Serves the tables in `directory`, with those that `config` declares. It is to be called on a tokio runtime.
pub fn serve(listener: std::net::TcpListener, directory: &Path, config: &Config) -> Result<Server> {
    let address = listener.local_addr().context("the address to listen on")?;
    if !address.ip().is_loopback() {
        bail!("{address} can be reached from outside; this service checks no signatures, and is for this machine only");
    }
    let shared = Arc::new(Shared::open(directory).with_context(|| format!("the tables in {}", directory.display()))?);
    if let Err(problems) = shared.declare(config) {
        bail!("{}", problems.join("\n"));
    }
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(sweep::run(Arc::clone(&shared), stopped.clone()));
    let running = tokio::spawn(http::run(listener, Arc::clone(&shared), stopped));
    Ok(Server { shared, address, stop, running })
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the declaration. If it has any problem, nothing changes, and the error is all problems.
    pub fn replace(&self, config: &Config) -> Result<(), Vec<String>> {
        self.shared.declare(config)
    }

    /// Stops the service. Requests under way are answered, and no others.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.running.await;
    }
}

/// Everything that the service at this port has.
pub fn declared(port: u16) -> Result<Declared> {
    ask(port, "/declared")
}

/// The items and streams of every table, by name. A service that runs at this port is asked.
pub fn counted(port: u16) -> Result<BTreeMap<String, Counted>> {
    ask(port, "/counts")
}

/// What somebody has not read yet who has read a table's stream up to a sequence number, or up to a time.
pub fn behind(port: u16, table: &str, read: &Read) -> Result<Behind> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("table", table);
    match read {
        Read::Record(sequence) => query.append_pair("after", sequence),
        Read::Since(milliseconds) => query.append_pair("since", &milliseconds.to_string()),
    };
    ask(port, &format!("/behind?{}", query.finish()))
}

/// How far somebody has read a stream.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Read {
    /// The sequence number of the last record that was handled.
    Record(String),
    /// Nothing was handled, and records before this time are passed over. It is in milliseconds since 1970.
    Since(u64),
}

/// Gives the service at this port another declaration. The tables that stay keep their items.
pub fn declare(port: u16, config: &Config) -> Result<()> {
    let text = serde_json::to_string(config)?;
    let answer = crate::http::ask(port, "POST", "/declared", &AUTHORIZED, Some(&text), CHANGED_WITHIN);
    let answer = answer.context("asking for tables")?;
    match answer.status {
        200 => Ok(()),
        _ => bail!("the tables were not changed: {}", String::from_utf8_lossy(&answer.body)),
    }
}

fn ask<T: serde::de::DeserializeOwned>(port: u16, path: &str) -> Result<T> {
    let answer = crate::http::ask(port, "GET", path, &AUTHORIZED, None, WITHIN).context("asking for tables")?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).context("what the tables say"),
        _ => bail!("the tables did not answer: {}", String::from_utf8_lossy(&answer.body)),
    }
}

const WITHIN: Duration = Duration::from_secs(5);
/// A new index over many items takes its time.
const CHANGED_WITHIN: Duration = Duration::from_secs(120);
/// Any value will do: no page in a browser can add this header to a request to another site.
const AUTHORIZED: [(&str, &str); 1] = [("Authorization", "provision")];

/// The state that all requests share.
struct Shared {
    engine: Engine,
    kept: Kept,
    place: Mutex<Place>,
    /// One declaration at a time.
    declaring: Mutex<()>,
    /// It is held as long as the files are open.
    lock: Mutex<Option<File>>,
}

impl Shared {
    fn open(directory: &Path) -> Result<Shared> {
        crate::supervisor::place::private_directory(directory)?;
        let lock = File::create(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another process uses {}", directory.display()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let engine = Engine::open(directory)?;
        let kept = Kept::open(directory)?;
        Ok(Shared { engine, kept, place: Mutex::default(), declaring: Mutex::default(), lock: Mutex::new(Some(lock)) })
    }

    fn close(&self) {
        self.engine.close();
        held(&self.lock).take();
    }

    fn place(&self) -> Place {
        held(&self.place).clone()
    }

    fn table(&self, name: &str) -> Option<TableMetadata> {
        self.engine.database().ok()?.get_table_metadata(name).ok()?
    }

    fn declare(&self, config: &Config) -> Result<(), Vec<String>> {
        let _one = held(&self.declaring);
        let database = self.engine.database().map_err(|error| vec![format!("{error:#}")])?;
        declare::declare(&database, &self.kept, config)?;
        *held(&self.place) = Place { account: config.account.clone(), region: config.region.clone() };
        Ok(())
    }

    fn declared(&self) -> Result<Declared> {
        let Place { account, region } = self.place();
        let place = || Config { account: account.clone(), region: region.clone(), ..Config::default() };
        let mut all = Declared { declared: place(), others: place() };
        let declared = self.kept.declared()?;
        for (name, table) in declare::tables(&self.engine.database()?)? {
            let whose = if declared.contains(&name) { &mut all.declared } else { &mut all.others };
            whose.tables.insert(name, table);
        }
        Ok(all)
    }

    fn counted(&self) -> Result<BTreeMap<String, Counted>> {
        let info = self.engine.database()?.database_info().map_err(|error| anyhow!("{error}"))?;
        let mut all = BTreeMap::new();
        for entry in info.tables {
            let name = entry.stats.table_name;
            let label = entry.metadata.filter(|table| table.stream_enabled).and_then(|table| table.stream_label);
            let records = match &label {
                Some(label) => self.kept.behind(&name, place::micros(label) - 1)?.records,
                None => 0,
            };
            let stream = label.map(|label| self.place().stream(&name, &label));
            let items = entry.stats.item_count.unsigned_abs();
            all.insert(name, Counted { items, bytes: entry.stats.size_bytes, stream, records });
        }
        Ok(all)
    }

    fn behind(&self, query: &str) -> Result<Behind> {
        let asked: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let name = asked.get("table").context("`table` is missing")?;
        let label = self.table(name).and_then(|table| table.stream_label).context("there is no such stream")?;
        let since = || asked.get("since")?.parse::<i64>().ok()?.checked_mul(1000);
        let after = asked.get("after").and_then(|number| streams::stored(number)).or_else(since).unwrap_or_default();
        self.kept.behind(name, after.max(place::micros(&label) - 1))
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each is replaced as a whole: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
