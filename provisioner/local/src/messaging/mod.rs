//! SNS and SQS on a loopback port, for unchanged AWS SDKs.
//!
//! This is our own code, because no maintained crate does it: `winterbaume-sqs` keeps messages in memory only and its
//! SNS delivers nothing; `fakecloud` is under the AGPL and a whole cloud; the others are services of their own in
//! Python or on the JVM. These are its promises, and they are tested:
//!
//! - A message that was acknowledged is written down: it is there after a `kill -9`. A deleted message stays deleted.
//! - Every change of the state is a [`record::Record`]. The same code applies it at once, and when the log is read
//!   back.
//! - Requests are refused as AWS refuses them, with the same codes. Limits are those of AWS.
//!
//! These are missing or different: signatures and policies are not checked. Tasks that move dead letters are done at
//! once, whatever their rate. A purged or deleted queue can be used again at once. Topics deliver to queues, and to
//! functions on this machine that the stack file names.
//!
//! Requests for tables go on to the part that serves them, so that one endpoint serves SNS, SQS and DynamoDB.

mod arn;
mod attribute;
mod config;
mod declare;
mod handing;
mod handle;
mod http;
mod log;
mod queue;
mod record;
mod refusal;
mod seen;
mod settings;
mod sns;
mod sqs;
mod state;
mod store;
mod tables;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use arn::Place;
pub use config::{Attributes, Config, Declared, FunctionSubscription, Subscription};
pub use queue::Depth;
use record::Subscribed;
pub use settings::with_defaults;
use sqs::Task;
use store::Store;
pub(crate) use store::new_id;
use tables::Door;

/// A running service. If it is dropped, it also stops, but nobody waits for that.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// Serves the messages in `directory`, with the things that `config` declares. It is to be called on a tokio runtime.
pub fn serve(listener: std::net::TcpListener, directory: &Path, config: &Config) -> anyhow::Result<Server> {
    let address = listener.local_addr().context("the address to listen on")?;
    if !address.ip().is_loopback() {
        bail!("{address} can be reached from outside; this service checks no signatures, and is for this machine only");
    }
    let place = Place { account: config.account.clone(), region: config.region.clone() };
    let store = Store::open(directory, place).with_context(|| format!("the messages in {}", directory.display()))?;
    let shared = Arc::new(Shared {
        store: Mutex::new(store),
        tasks: Mutex::new(Vec::new()),
        stopping: AtomicBool::new(false),
        handing: Notify::new(),
        tables: Mutex::new(None),
        door: Door::default(),
    });
    if let Err(problems) = shared.declare(config) {
        bail!("{}", problems.join("\n"));
    }
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(handing::run(Arc::clone(&shared), stopped.clone()));
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

    /// The depth of every queue, by name.
    pub fn depths(&self) -> BTreeMap<String, Depth> {
        self.shared.depths()
    }

    /// Moves a queue's dead letters back to where they came from. Returns how many.
    pub fn redrive(&self, dead_letters: &str) -> Result<usize, String> {
        let mut store = self.shared.store();
        let arn = store.place.queue(dead_letters);
        let task = sqs::redrive(&mut store, &arn, None, now()).map_err(|refusal| refusal.message)?;
        Ok(task.moved)
    }

    /// Stops the service. Requests under way are answered, and no others.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.running.await;
    }
}

/// The depth of every queue, by name. A service that runs at this port is asked.
pub fn depths(port: u16) -> anyhow::Result<BTreeMap<String, Depth>> {
    let answer = crate::http::ask(port, "GET", "/depths", &[], None, WITHIN).context("asking for queues")?;
    serde_json::from_slice(&answer.body).context("what the queues say")
}

/// Everything that the service at this port has. `None` if it is of an earlier version, which cannot tell.
pub fn declared(port: u16) -> anyhow::Result<Option<Declared>> {
    let answer = crate::http::ask(port, "GET", "/declared", &AUTHORIZED, None, WITHIN).context("asking for queues")?;
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map(Some).context("what the queues say"),
        _ => Ok(None),
    }
}

/// Gives the service at this port another declaration. The queues that stay keep their messages.
pub fn declare(port: u16, config: &Config) -> anyhow::Result<()> {
    let text = serde_json::to_string(config)?;
    let answer =
        crate::http::ask(port, "POST", "/declared", &AUTHORIZED, Some(&text), WITHIN).context("asking for queues")?;
    match answer.status {
        200 => Ok(()),
        _ => bail!("the queues were not changed: {}", String::from_utf8_lossy(&answer.body)),
    }
}

const WITHIN: Duration = Duration::from_secs(2);
/// Any value will do: no page in a browser can add this header to a request to another site.
const AUTHORIZED: [(&str, &str); 1] = [("Authorization", "provision")];

/// The state that all requests share.
struct Shared {
    store: Mutex<Store>,
    tasks: Mutex<Vec<Task>>,
    stopping: AtomicBool,
    /// Tells that there may be an event for a function.
    handing: Notify,
    /// The port of the part that serves the tables.
    tables: Mutex<Option<u16>>,
    door: Door,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        // The state is changed by records only, one after the other: a panic leaves none half done.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> Option<u16> {
        *self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn declare(&self, config: &Config) -> Result<(), Vec<String>> {
        let mut store = self.store();
        store.place = Place { account: config.account.clone(), region: config.region.clone() };
        let now = now();
        let records = declare::difference(&store, config, now)?;
        store.commit(records, now).map_err(|refusal| vec![refusal.message])?;
        *self.tables.lock().unwrap_or_else(PoisonError::into_inner) = config.tables;
        // A function may listen at another port now.
        self.handing.notify_one();
        Ok(())
    }

    fn declared(&self) -> Declared {
        let store = self.store();
        let place =
            || Config { account: store.place.account.clone(), region: store.place.region.clone(), ..Config::default() };
        let mut all = Declared { declared: place(), others: place() };
        for (name, queue) in &store.state.queues {
            let definition = &queue.definition;
            all.whose(definition.declared).queues.insert(name.clone(), definition.attributes.clone());
        }
        for (name, topic) in &store.state.topics {
            let definition = &topic.definition;
            all.whose(definition.declared).topics.insert(name.clone(), definition.attributes.clone());
        }
        for Subscribed { topic, queue, attributes, declared } in
            store.state.subscriptions.values().map(|subscription| subscription.subscribed.clone())
        {
            all.whose(declared).subscriptions.push(Subscription { topic, queue, attributes });
        }
        let functions = store.state.functions.values().map(|function| function.subscription.clone());
        all.declared.functions = functions.collect();
        all.declared.tables = self.tables();
        all
    }

    fn depths(&self) -> BTreeMap<String, Depth> {
        let mut store = self.store();
        let names: Vec<String> = store.state.queues.keys().cloned().collect();
        let depth = |name: String| Some((name.clone(), store.queue(&name, now()).ok()?.depth()));
        names.into_iter().filter_map(depth).collect()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells receivers that wait that there is nothing.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for queue in self.store().state.queues.values() {
            queue.wake.notify_waiters();
        }
    }
}

/// The time in milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
