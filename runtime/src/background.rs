//! The loops that run beside the requests. They are started together, `/healthz` watches them, and they are stopped in
//! order.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::telemetry;

/// The longest time between two beats of a healthy loop. A loop that is silent for longer is ill, and so is the
/// process.
pub const SILENCE: Duration = Duration::from_secs(90);
/// The time that a loop gets to finish the work in hand. Together with the time for the requests it stays below the 30
/// s that ECS gives.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(7);

/// All loops of this process. Clones are handles to the same loops.
#[derive(Clone)]
pub struct Background(Arc<Inner>);

/// A loop's connection to the process. It tells the loop when to stop, and the loop reports here that it goes round.
pub struct Loop {
    stopping: watch::Receiver<bool>,
    beat: Arc<Beat>,
}

struct Inner {
    started: Instant,
    stopping: watch::Sender<bool>,
    loops: Mutex<Vec<Running>>,
}

struct Running {
    beat: Arc<Beat>,
    task: Option<JoinHandle<()>>,
}

struct Beat {
    name: &'static str,
    started: Instant,
    /// The last beat, in milliseconds after the start.
    last: AtomicU64,
}

impl Background {
    #[allow(clippy::new_without_default, reason = "starting is not a default")]
    pub fn new() -> Self {
        let (stopping, _) = watch::channel(false);
        Background(Arc::new(Inner { started: Instant::now(), stopping, loops: Mutex::new(Vec::new()) }))
    }

    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, name: &'static str, work: impl FnOnce(Loop) -> F) {
        let beat = Arc::new(Beat { name, started: self.0.started, last: AtomicU64::new(0) });
        beat.now();
        let this = Loop { stopping: self.0.stopping.subscribe(), beat: Arc::clone(&beat) };
        let task = tokio::spawn(work(this));
        self.lock().push(Running { beat, task: Some(task) });
    }

    /// Whether a stop has begun. Long work, such as a stream, watches this and ends itself.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// The names of the loops that do not go round: they ended too early, or they are silent.
    pub fn ill(&self) -> Vec<&'static str> {
        if *self.0.stopping.borrow() {
            return Vec::new();
        }
        let ill = |running: &&Running| {
            let gone = running.task.as_ref().is_some_and(JoinHandle::is_finished);
            gone || running.beat.age() > SILENCE
        };
        self.lock().iter().filter(ill).map(|running| running.beat.name).collect()
    }

    pub fn announce_stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Lets every loop finish the work in hand. It is called after the requests are answered.
    pub async fn stop(&self) {
        self.announce_stop();
        let tasks: Vec<_> =
            self.lock().iter_mut().filter_map(|running| Some((running.beat.name, running.task.take()?))).collect();
        let deadline = tokio::time::Instant::now() + STOP_TIMEOUT;
        for (name, mut task) in tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
                telemetry::warn("loop.abandoned", &json!({ "loop": name }));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.0.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loop {
    /// Says that the loop goes round.
    pub fn beat(&self) {
        self.beat.now();
    }

    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    /// Sleeps until the time is over or the process stops.
    pub async fn sleep(&mut self, time: Duration) {
        self.beat();
        let _ = tokio::time::timeout(time, self.stopping.wait_for(|stopping| *stopping)).await;
    }

    /// Waits for the future and gives its result. `None` if the process stops before.
    pub async fn unless_stopping<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        self.beat();
        tokio::select! {
            value = work => Some(value),
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        }
    }
}

impl Beat {
    fn now(&self) {
        self.last.store(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn age(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}
