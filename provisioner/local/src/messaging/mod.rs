//! SNS and SQS on a loopback port, for the AWS SDKs as they are.
//!
//! It is ours because no kept crate does it: `winterbaume-sqs` keeps messages in memory only and its SNS delivers
//! nothing; `fakecloud` is under the AGPL and a whole cloud; the others are services of their own in Python or on the
//! JVM. What is promised here, and tested:
//!
//! - What was acknowledged is written down: it is there after a `kill -9`, and what was deleted stays deleted.
//! - A change of the state is a [`record::Record`]; reading the log back goes through the same code as living does.
//! - Requests are refused as AWS refuses them, by the same codes; limits are those of AWS.
//!
//! What is not here: signatures and policies are not checked, tasks that move dead letters are done at once whatever
//! their rate, a purged or deleted queue can be used again at once, and topics deliver to queues only.

mod arn;
mod attribute;
mod config;
mod declare;
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

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use arn::Place;
pub use config::{Attributes, Config, Subscription};
pub use queue::Depth;
use sqs::Task;
use store::Store;

/// A service that runs. Dropping it stops it too, but does not wait for that.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

/// Serves what is in `directory`, changed to what `config` declares. To be called on a tokio runtime.
pub fn serve(listener: std::net::TcpListener, directory: &Path, config: &Config) -> anyhow::Result<Server> {
    let address = listener.local_addr().context("the address to listen on")?;
    if !address.ip().is_loopback() {
        bail!("{address} can be reached from outside; this service checks no signatures, and is for this machine only");
    }
    let place = Place { account: config.account.clone(), region: config.region.clone() };
    let store = Store::open(directory, place).with_context(|| format!("the messages in {}", directory.display()))?;
    let shared =
        Arc::new(Shared { store: Mutex::new(store), tasks: Mutex::new(Vec::new()), stopping: AtomicBool::new(false) });
    if let Err(problems) = shared.declare(config) {
        bail!("{}", problems.join("\n"));
    }
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(http::run(listener, Arc::clone(&shared), stopped));
    Ok(Server { shared, address, stop, running })
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All of it, or with every problem that it has, nothing.
    pub fn replace(&self, config: &Config) -> Result<(), Vec<String>> {
        self.shared.declare(config)
    }

    /// Of every queue, by name.
    pub fn depths(&self) -> BTreeMap<String, Depth> {
        self.shared.depths()
    }

    /// A queue's dead letters back to where they came from; how many.
    pub fn redrive(&self, dead_letters: &str) -> Result<usize, String> {
        let mut store = self.shared.store();
        let arn = store.place.queue(dead_letters);
        let task = sqs::redrive(&mut store, &arn, None, now()).map_err(|refusal| refusal.message)?;
        Ok(task.moved)
    }

    /// Answers what is being asked, and no more.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.running.await;
    }
}

/// Of every queue, by name, asked of one that runs at this port.
pub fn depths(port: u16) -> anyhow::Result<BTreeMap<String, Depth>> {
    let answer = crate::http::ask(port, "GET", "/depths", None, Duration::from_secs(2)).context("asking for queues")?;
    serde_json::from_slice(&answer.body).context("what the queues say")
}

/// What every request has in its hands.
struct Shared {
    store: Mutex<Store>,
    tasks: Mutex<Vec<Task>>,
    stopping: AtomicBool,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        // A state is changed by records only, one after the other: none is half done where something panicked.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn declare(&self, config: &Config) -> Result<(), Vec<String>> {
        let mut store = self.store();
        store.place = Place { account: config.account.clone(), region: config.region.clone() };
        let now = now();
        let records = declare::difference(&store, config, now)?;
        store.commit(records, now).map_err(|refusal| vec![refusal.message])
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

    /// Receivers that wait are told that there is nothing.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for queue in self.store().state.queues.values() {
            queue.wake.notify_waiters();
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
