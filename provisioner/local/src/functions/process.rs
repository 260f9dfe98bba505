//! One process of a function: it is started, gets one event at a time, and is ended.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};

use super::failure::{Failure, Outcome};
use super::pool::{Job, Pool};
use super::runtime_api::{Call, Given};
use super::store::{now_ms, timestamp};
use crate::listen::log;

/// The time until a process must have asked for its first event. Lambda gives 10 s, on a machine with less to do.
const INIT: Duration = Duration::from_secs(30);

/// How long a process waits for an event before it ends, if another one is there.
const IDLE: Duration = Duration::from_secs(60);

/// How soon after its answer a process asks for another event. For so long no other process is started in its place.
const SOON: Duration = Duration::from_millis(50);

/// How a process ended, or why it is ended.
enum End {
    /// It did not come to ask for an event.
    Init(Failure),
    /// It is not needed, or has ended between two events.
    Later,
}

/// Runs one process from its start to its end.
pub async fn run(pool: Arc<Pool>, token: String, mut calls: mpsc::Receiver<Call>) {
    let mut child = match spawn(&pool, &token) {
        Ok(child) => child,
        Err(error) => {
            let program = pool.config.program.display();
            let failure = Failure::of("Runtime.InvalidEntrypoint", &format!("`{program}` cannot be run: {error}"));
            return pool.not_started(&token, failure);
        }
    };
    let end = live(&pool, &mut child, &mut calls).await;
    end_group(&child);
    let _ = child.kill().await;
    drop(calls);
    match end {
        End::Init(failure) => {
            log(&format!("INIT_REPORT Status: error Error: {}", failure.text()));
            pool.not_started(&token, failure);
        }
        End::Later => pool.ended(&token),
    }
}

async fn live(pool: &Arc<Pool>, child: &mut Child, calls: &mut mpsc::Receiver<Call>) -> End {
    let begun = Instant::now();
    let mut next = match init(child, calls).await {
        Ok(next) => next,
        Err(failure) => return End::Init(failure),
    };
    pool.started();
    let mut init = Some(begun.elapsed());
    loop {
        let Some(job) = wait(pool, child, calls, &mut next).await else { return End::Later };
        if !handle(pool, child, calls, next, job, init.take()).await {
            pool.done();
            return End::Later;
        }
        pool.answered();
        let soon = tokio::time::timeout(SOON, asks(child, calls)).await;
        pool.returned(matches!(soon, Ok(Some(_))));
        let asked = match soon {
            Ok(asked) => asked,
            // What the process does after its answer may take as long as an event.
            Err(_) => {
                let rest = Duration::from_millis(pool.config.timeout_ms);
                tokio::time::timeout(rest, asks(child, calls)).await.ok().flatten()
            }
        };
        next = match asked {
            Some(next) => next,
            None => return End::Later,
        };
    }
}

/// Waits until the process asks for its first event.
async fn init(child: &mut Child, calls: &mut mpsc::Receiver<Call>) -> Result<oneshot::Sender<Given>, Failure> {
    let deadline = sleep(INIT);
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            biased;
            Some(call) = calls.recv() => match call {
                Call::Next(next) => return Ok(next),
                Call::InitError { failure, taken } => {
                    let _ = taken.send(true);
                    // The process has a moment to write down what it wants to say.
                    let _ = tokio::time::timeout(Duration::from_millis(300), child.wait()).await;
                    return Err(failure);
                }
                Call::Response { taken, .. } | Call::Error { taken, .. } => drop(taken.send(false)),
            },
            status = child.wait() => {
                // An error that was told just before the end says more than the end.
                if let Ok(Call::InitError { failure, taken }) = calls.try_recv() {
                    let _ = taken.send(true);
                    return Err(failure);
                }
                return Err(Failure::of("Runtime.ExitError", &how(status)));
            }
            () = &mut deadline => {
                let message = format!("the process has not asked for an event within {} s", INIT.as_secs());
                return Err(Failure::of("Sandbox.Timedout", &message));
            }
        }
    }
}

/// Waits for an event. `None` if the process has ended, or is to end.
async fn wait(
    pool: &Arc<Pool>,
    child: &mut Child,
    calls: &mut mpsc::Receiver<Call>,
    next: &mut oneshot::Sender<Given>,
) -> Option<Job> {
    let mut job = pool.next_job();
    loop {
        tokio::select! {
            biased;
            job = &mut job => return job.ok(),
            // The process has lost its connection and asks again.
            Some(call) = calls.recv() => match call {
                Call::Next(again) => *next = again,
                Call::Response { taken, .. } | Call::Error { taken, .. } | Call::InitError { taken, .. } => {
                    let _ = taken.send(false);
                }
            },
            _ = child.wait() => break,
            () = sleep(IDLE) => if !pool.is_last() {
                break;
            },
        }
    }
    job.close();
    // An event may have come at this moment.
    if let Ok(job) = job.try_recv() {
        pool.give_back(job);
    }
    None
}

/// Waits until the process asks for its next event. `None` if it has ended.
async fn asks(child: &mut Child, calls: &mut mpsc::Receiver<Call>) -> Option<oneshot::Sender<Given>> {
    loop {
        tokio::select! {
            biased;
            call = calls.recv() => match call? {
                Call::Next(next) => return Some(next),
                Call::Response { taken, .. } | Call::Error { taken, .. } | Call::InitError { taken, .. } => {
                    let _ = taken.send(false);
                }
            },
            _ = child.wait() => return None,
        }
    }
}

/// Gives the process the event, and tells the outcome. `false` if the process has ended with it.
async fn handle(
    pool: &Arc<Pool>,
    child: &mut Child,
    calls: &mut mpsc::Receiver<Call>,
    next: oneshot::Sender<Given>,
    job: Job,
    init: Option<Duration>,
) -> bool {
    let Job { id, event, trace, answer } = job;
    let timeout_ms = pool.config.timeout_ms;
    let (begun, deadline) = (Instant::now(), tokio::time::Instant::now() + Duration::from_millis(timeout_ms));
    let given = Given { id: id.clone(), event, trace, deadline_ms: now_ms() + timeout_ms };
    log(&format!("START RequestId: {id} Version: $LATEST"));
    let mut unsent = next.send(given).err();
    let mut lives = true;
    let outcome = loop {
        tokio::select! {
            biased;
            Some(call) = calls.recv() => match call {
                Call::Response { id: of, body, taken } if of == id => {
                    let _ = taken.send(true);
                    break match body {
                        Ok(body) => Outcome::Answered(body),
                        Err(failure) => Outcome::Failed(failure),
                    };
                }
                Call::Error { id: of, failure, taken } if of == id => {
                    let _ = taken.send(true);
                    break Outcome::Failed(failure);
                }
                // The connection was lost before the event was on it.
                Call::Next(next) if unsent.is_some() => unsent = unsent.take().and_then(|given| next.send(given).err()),
                // The process has not answered the event, and wants another one.
                Call::Next(next) => {
                    drop(next);
                    lives = false;
                    break Outcome::Failed(Failure::exited(&id, "the process asked for another event"));
                }
                Call::Response { taken, .. } | Call::Error { taken, .. } | Call::InitError { taken, .. } => {
                    let _ = taken.send(false);
                }
            },
            status = child.wait() => {
                lives = false;
                break Outcome::Failed(Failure::exited(&id, &how(status)));
            }
            () = sleep_until(deadline) => {
                lives = false;
                let seconds = timeout_ms as f64 / 1000.0;
                log(&format!("{} {id} Task timed out after {seconds:.2} seconds", timestamp(now_ms())));
                break Outcome::Failed(Failure::timed_out(&id, timeout_ms));
            }
        }
    };
    let took = begun.elapsed();
    let failure = match &outcome {
        Outcome::Answered(_) => None,
        Outcome::Failed(failure) => Some(failure),
    };
    if let Some(failure) = failure {
        log(&format!("ERROR RequestId: {id} {}", failure.text()));
    }
    log(&format!("END RequestId: {id}"));
    let memory = pool.config.memory_mb;
    let init = init.map(|init| format!("\tInit Duration: {:.2} ms", init.as_secs_f64() * 1000.0)).unwrap_or_default();
    let milliseconds = took.as_secs_f64() * 1000.0;
    log(&format!("REPORT RequestId: {id}\tDuration: {milliseconds:.2} ms\tMemory Size: {memory} MB{init}"));
    pool.counts.invoked(took, failure);
    if !lives {
        // The process is gone before anybody acts on the outcome.
        end_group(child);
        let _ = child.kill().await;
    }
    let _ = answer.send(outcome);
    lives
}

/// Starts the process in a group of its own. It ends with the thread that starts it, so this must be the part's main
/// thread.
fn spawn(pool: &Pool, token: &str) -> std::io::Result<Child> {
    let config = &pool.config;
    crate::supervisor::runnable(&config.program).map_err(std::io::Error::other)?;
    let mut command = match cfg!(target_os = "linux") {
        // The child is this program again, for a moment: it asks the kernel to end it with its parent.
        true => {
            let mut command = Command::new("/proc/self/exe");
            command.args(["local", "child", &std::process::id().to_string()]).arg(&config.program);
            command
        }
        false => Command::new(&config.program),
    };
    let region = config.region().unwrap_or_default();
    command.args(&config.arguments).stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    for (name, value) in [("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)] {
        if std::env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    command
        .env("_HANDLER", &config.handler)
        .env("LAMBDA_TASK_ROOT", config.program.parent().unwrap_or(&config.program))
        .env("AWS_LAMBDA_FUNCTION_NAME", &config.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", config.memory_mb.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", config.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", token)
        .env("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}/{}/{token}", pool.port, config.name));
    command.spawn()
}

/// Ends the process and what it has started.
fn end_group(child: &Child) {
    // Without an id the process was waited for, and its group's id may be another's.
    if let Some(group) = child.id().and_then(|pid| Pid::from_raw(pid as i32)) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

fn how(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) if status.success() => "Runtime exited without providing a reason".to_owned(),
        Ok(status) => format!("Runtime exited with error: {status}"),
        Err(error) => error.to_string(),
    }
}
