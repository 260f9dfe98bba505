//! The running parts and their state: processes, replication, queues. This asks the parts and changes nothing. It needs
//! neither the runtime nor an installed engine. If a part does not answer, it says so.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use local::engines::replica::{self, Replication};
use local::messaging;
use local::supervisor::client;
use local::supervisor::place::Place;
use local::supervisor::protocol::{PartStatus, State};
use local::supervisor::sql::{Address, Login};
use serde::Serialize;

use crate::sections::Loaded;
use crate::sections::databases::pairs::{Pair, Roles};
use crate::sections::machine::queue_names;
use crate::sections::queues::MESSAGING;

#[derive(Serialize)]
pub(crate) struct Watched {
    /// The one process that all parts are children of.
    pub(crate) supervisor: Option<Supervisor>,
    pub(crate) parts: Vec<Part>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) memory_kib: u64,
    /// Old primaries. They wait with their data until somebody decides about it.
    pub(crate) out_of_service: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Supervisor {
    pub(crate) pid: i32,
    pub(crate) memory_kib: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct Part {
    #[serde(flatten)]
    pub(crate) status: PartStatus,
    pub(crate) uptime_seconds: Option<u64>,
    /// The state of a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replication: Option<Replication>,
    /// The last GTID that a primary has written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Queue {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) depth: messaging::Depth,
    pub(crate) dead_letters: usize,
}

pub(crate) fn watch(state: &Path, loaded: &Loaded) -> anyhow::Result<Watched> {
    let mut watched =
        Watched { supervisor: None, parts: Vec::new(), queues: Vec::new(), memory_kib: 0, out_of_service: Vec::new() };
    let Some(client) = client::running(state) else { return Ok(watched) };
    let (_, (pid, _)) = client.hello()?;
    let memory_kib = u32::try_from(pid).ok().and_then(client::memory_kib);
    watched.supervisor = Some(Supervisor { pid, memory_kib });
    let pairs = Roles::load(state)?.pairs(loaded);
    watched.parts = client.status()?.into_iter().map(|status| part(client.place(), &pairs, status)).collect();
    watched.memory_kib =
        watched.parts.iter().filter_map(|part| part.status.memory_kib).sum::<u64>() + memory_kib.unwrap_or(0);
    watched.out_of_service = pairs.into_iter().filter_map(|pair| pair.out).collect();
    let messaging = watched.parts.iter().find(|part| part.status.name == MESSAGING);
    if let Some(port) = messaging.filter(|part| part.status.state == State::Ready).and_then(|part| part.status.port) {
        // A server that does not answer has no numbers. Its log says why it does not.
        watched.queues = queues(loaded, &messaging::depths(port).unwrap_or_default());
    }
    Ok(watched)
}

/// The replicas that hold back what they get, each with the seconds. A replica that does not answer is left out.
pub(crate) fn delays(state: &Path, loaded: &Loaded, running: &[PartStatus]) -> anyhow::Result<BTreeMap<String, u64>> {
    let Ok(place) = Place::find(state) else { return Ok(BTreeMap::new()) };
    let mut delays = BTreeMap::new();
    for replica in Roles::load(state)?.pairs(loaded).into_iter().filter_map(|pair| pair.replica) {
        if running.iter().any(|part| part.name == replica && part.state == State::Ready)
            && let Ok(Some(replication)) = replica::replication(&root(&place, &replica))
            && replication.delay_seconds > 0
        {
            delays.insert(replica, replication.delay_seconds);
        }
    }
    Ok(delays)
}

fn part(place: &Place, pairs: &[Pair], status: PartStatus) -> Part {
    let since = status.since_ms.filter(|_| status.pid.is_some());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let uptime_seconds = since.map(|since| now.saturating_sub(since) / 1000);
    let is_ready = status.state == State::Ready;
    let login = root(place, &status.name);
    let (mut replication, mut position) = (None, None);
    if pairs.iter().any(|pair| pair.replica.as_ref() == Some(&status.name)) {
        let unknown = |why: String| Replication { why: Some(why), ..Replication::default() };
        replication = Some(match is_ready {
            true => match replica::replication(&login) {
                Ok(Some(replication)) => replication,
                Ok(None) => unknown("it follows nobody".to_owned()),
                Err(error) => unknown(format!("it does not answer: {error:#}")),
            },
            false => unknown(format!("it is {}", status.state)),
        });
    } else if is_ready && pairs.iter().any(|pair| pair.primary == status.name) {
        position = replica::position(&login).ok();
    }
    Part { status, uptime_seconds, replication, position }
}

/// The login over the socket, which only this user can reach.
fn root(place: &Place, part: &str) -> Login {
    Login { at: Address::Socket(place.socket(part)), user: "root".to_owned(), password: String::new() }
}

fn queues(loaded: &Loaded, depths: &BTreeMap<String, messaging::Depth>) -> Vec<Queue> {
    let mut queues = Vec::new();
    for (name, queue) in &loaded.stack.queues {
        let (main, dead) = queue_names(loaded, &name.0, queue);
        let Some(depth) = depths.get(&main) else { continue };
        let dead = depths.get(&dead).copied().unwrap_or_default();
        let dead_letters = dead.visible + dead.in_flight + dead.delayed;
        queues.push(Queue { name: name.0.clone(), depth: *depth, dead_letters });
    }
    queues
}
