//! Checks which targets answer. Each target has a task, as long as the configuration of its group stays the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::config::{Config, Group, Health};
use crate::listen::log;

/// The checked groups, by name.
#[derive(Default)]
pub struct Pools {
    pools: Mutex<BTreeMap<String, Arc<Pool>>>,
}

pub struct Pool {
    group: Group,
    targets: Vec<Arc<Target>>,
    next: AtomicUsize,
    checks: Vec<JoinHandle<()>>,
}

struct Target {
    address: SocketAddr,
    healthy: AtomicBool,
}

impl Pools {
    /// Takes a new configuration. What is known of the targets stays for groups that stay as they are.
    pub fn configure(&self, config: &Config) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|name, pool| config.groups.get(name) == Some(&pool.group));
        for (name, group) in &config.groups {
            pools.entry(name.clone()).or_insert_with(|| Arc::new(Pool::new(name, group)));
        }
    }

    pub fn get(&self, name: &str) -> Option<Arc<Pool>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl Pool {
    fn new(name: &str, group: &Group) -> Self {
        let target = |address: &SocketAddr| Arc::new(Target { address: *address, healthy: AtomicBool::new(false) });
        let targets: Vec<Arc<Target>> = group.targets.iter().map(target).collect();
        let check = |target: &Arc<Target>| tokio::spawn(check(name.to_owned(), target.clone(), group.health.clone()));
        let checks = targets.iter().map(check).collect();
        Pool { group: group.clone(), targets, next: AtomicUsize::new(0), checks }
    }

    /// The next target in turn, among the healthy ones. If no target is healthy, it is the next of all, as with an ALB:
    /// the checks may be wrong.
    pub fn next(&self) -> Option<SocketAddr> {
        let healthy: Vec<_> = self.targets.iter().filter(|target| target.healthy.load(Ordering::Relaxed)).collect();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        match (healthy.len(), self.targets.len()) {
            (0, 0) => None,
            (0, all) => Some(self.targets[turn % all].address),
            (some, _) => Some(healthy[turn % some].address),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.checks.iter().for_each(JoinHandle::abort);
    }
}

async fn check(group: String, target: Arc<Target>, health: Health) {
    let (mut good, mut bad, mut is_new) = (0, 0, true);
    // Since when a process listens there.
    let mut up: Option<Instant> = None;
    loop {
        let timeout = Duration::from_millis(health.timeout_ms);
        let asked = tokio::time::timeout(timeout, ask(target.address, &health)).await;
        let ok = asked.as_ref().is_ok_and(Result::is_ok);
        let refused = matches!(&asked, Ok(Err(error)) if error.is::<std::io::Error>());
        up = if refused { None } else { up.or_else(|| Some(Instant::now())) };
        let is_young = up.is_some_and(|since| since.elapsed() < Duration::from_millis(health.grace_ms));
        (good, bad) = match ok {
            true => (good + 1, 0),
            false if is_young => (0, bad),
            false => (0, bad + 1),
        };
        let before = target.healthy.load(Ordering::Relaxed);
        let after = match before {
            true => bad < health.unhealthy_after,
            false => good >= health.healthy_after || (is_new && good > 0),
        };
        if after != before {
            is_new = false;
            target.healthy.store(after, Ordering::Relaxed);
            let word = if after { "healthy" } else { "unhealthy" };
            log(&format!("target {} of `{group}` is {word}", target.address));
        }
        // Until a new target's health is known, somebody waits for it.
        let pause = if is_new { health.interval_ms.min(100) } else { health.interval_ms };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Asks a target over a connection of its own, to find out whether a connection can still be made.
async fn ask(address: SocketAddr, health: &Health) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(&health.path)
        .header(HOST, address.to_string())
        .header(USER_AGENT, "ELB-HealthChecker/2.0")
        .body(Empty::<Bytes>::new())?;
    let asking = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        match health.success.iter().any(|(first, last)| (first..=last).contains(&&status)) {
            true => Ok(()),
            false => Err(format!("answered {status}").into()),
        }
    };
    // The end of the connection says nothing: a target may close it as soon as it has answered. If it has not answered,
    // the request fails.
    let driving = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answered = asking => answered,
        () = driving => Err("closed".into()),
    }
}
