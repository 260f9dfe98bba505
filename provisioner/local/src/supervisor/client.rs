//! The calls for commands. They block, and every call has a deadline.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::part::{View, Wanted};
use super::place::Place;
use super::protocol::{Event, Outcome, PROTOCOL, PartStatus, Reply, Request, State, first_line};
use super::{logs, process};

/// The time for a supervisor to start. It is longer than it takes to end what an earlier supervisor left.
const START: Duration = Duration::from_secs(20);
const ANSWER: Duration = Duration::from_secs(5);

/// A client of one supervisor. Each call is a connection of its own, so a supervisor that is gone gives an error and
/// never a wait.
#[derive(Debug, Clone)]
pub struct Client {
    place: Place,
}

/// The supervisor of this state directory. It is started if there is none. The running program must give its arguments
/// to `hidden::run`.
pub fn ensure(state: &Path) -> Result<Client> {
    let program = std::env::current_exe().context("finding this program")?;
    ensure_by(&program, state)
}

pub fn ensure_by(program: &Path, state: &Path) -> Result<Client> {
    let place = Place::open(state)?;
    let deadline = Instant::now() + START;
    let mut starting: Option<Child> = None;
    loop {
        let client = Client { place: place.clone() };
        match client.hello() {
            Ok((PROTOCOL, _)) => {
                // If the supervisor ends before its caller does, somebody has to wait for it.
                if let Some(mut child) = starting {
                    std::thread::spawn(move || child.wait());
                }
                return Ok(client);
            }
            // The supervisor is of another version of this program.
            Ok(_) => client.stop(deadline, |_| {})?,
            Err(_) => {}
        }
        if Instant::now() >= deadline {
            bail!("the supervisor of `{}` does not answer; its log: {}", place.state().display(), said(&place));
        }
        match starting.as_mut().map(|child| child.try_wait()).transpose()?.flatten() {
            Some(status) if !status.success() => bail!("the supervisor did not start: {}", said(&place)),
            // Another supervisor holds the lock: either it answers soon, or it is about to end.
            Some(_) => starting = None,
            None if starting.is_none() => starting = Some(start(program, &place)?),
            None => {}
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The running supervisor, or `None`. Starts nothing.
pub fn running(state: &Path) -> Option<Client> {
    let client = Client { place: Place::find(state).ok()? };
    client.hello().ok().map(|_| client)
}

/// Ends everything that runs for this state directory, the supervisor too, in whatever state they are.
pub fn stop_all(state: &Path, within: Duration, mut tell: impl FnMut(&Event)) -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    stop_all_by(&program, state, within, &mut tell)
}

pub fn stop_all_by(program: &Path, state: &Path, within: Duration, mut tell: impl FnMut(&Event)) -> Result<()> {
    let deadline = Instant::now() + within;
    if !state.exists() {
        return Ok(());
    }
    let place = Place::find(state)?;
    // If a supervisor is killed meanwhile, it leaves its journal. Then another one is started, which ends what was
    // left.
    while Instant::now() < deadline {
        match running(state) {
            Some(client) => client.stop(deadline, &mut tell)?,
            None if place.journal().exists() => drop(ensure_by(program, state)?),
            None => return Ok(()),
        }
    }
    bail!("not everything in `{}` has ended within {} s", state.display(), within.as_secs())
}

/// The memory of one process: its share of the machine's memory.
pub fn memory_kib(pid: u32) -> Option<u64> {
    process::memory_kib(pid)
}

impl Client {
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Applies the wanted parts, and tells what happens, until every part is ready, failed or skipped.
    pub fn apply(&self, wanted: &Wanted, within: Duration, mut tell: impl FnMut(&Event)) -> Result<Outcome> {
        let deadline = Instant::now() + within;
        let mut replies = self.ask(&Request::Apply { wanted: wanted.clone() }, deadline)?;
        loop {
            match replies.next() {
                Ok(Some(Reply::Event { event })) => tell(&event),
                Ok(Some(Reply::Outcome { outcome })) => return Ok(outcome),
                Ok(Some(Reply::Refused { why })) => return Err(anyhow!(why)),
                Ok(Some(_) | None) => bail!("the supervisor has ended"),
                Err(error) if Instant::now() >= deadline => return Err(self.not_ready().unwrap_or(error)),
                Err(error) => return Err(error),
            }
        }
    }

    pub fn status(&self) -> Result<Vec<PartStatus>> {
        match self.ask_once(&Request::Status)? {
            Reply::Status { parts } => Ok(parts),
            other => refused(other),
        }
    }

    /// The parts as they run, by name. `None` if the supervisor is of an earlier version, which cannot tell.
    pub fn views(&self) -> Result<Option<BTreeMap<String, View>>> {
        match self.ask_once(&Request::Views)? {
            Reply::Views { views } => Ok(Some(views)),
            Reply::Refused { .. } => Ok(None),
            other => refused(other),
        }
    }

    /// Kills a part as `kill -9` does. It is started again as if it had crashed.
    pub fn kill(&self, part: &str) -> Result<()> {
        self.done(&Request::Kill { part: part.into() })
    }

    /// Stops a part where it stands, with its ports open.
    pub fn pause(&self, part: &str) -> Result<()> {
        self.done(&Request::Pause { part: part.into() })
    }

    /// Lets a paused part go on, and starts a held one.
    pub fn resume(&self, part: &str) -> Result<()> {
        self.done(&Request::Resume { part: part.into() })
    }

    pub fn restart(&self, part: &str) -> Result<()> {
        self.done(&Request::Restart { part: part.into() })
    }

    /// Ends a part in order. It is not started again until it is resumed, restarted or applied. Returns when its
    /// process is gone.
    pub fn hold(&self, part: &str, within: Duration) -> Result<()> {
        self.done(&Request::Hold { part: part.into() })?;
        let deadline = Instant::now() + within;
        while self.status()?.iter().any(|status| status.name == part && status.pid.is_some()) {
            if Instant::now() >= deadline {
                bail!("`{part}` is still stopping");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The supervisor's protocol, and its process id with its start time.
    pub fn hello(&self) -> Result<(u32, (i32, u64))> {
        match self.ask_once(&Request::Hello)? {
            Reply::Hello { protocol, pid, start } => Ok((protocol, (pid, start))),
            other => refused(other),
        }
    }

    /// Stops the supervisor. Returns when its process is gone.
    fn stop(&self, deadline: Instant, mut tell: impl FnMut(&Event)) -> Result<()> {
        let Ok((_, (pid, start))) = self.hello() else { return Ok(()) };
        if let Ok(mut replies) = self.ask(&Request::Stop, deadline) {
            // The connection ends without a word when the supervisor is gone. That is waited for.
            while let Ok(Some(reply)) = replies.next() {
                match reply {
                    Reply::Event { event } => tell(&event),
                    Reply::Refused { .. } => break,
                    _ => {}
                }
            }
        }
        while process::start_time(pid) == Some(start) {
            if Instant::now() >= deadline {
                bail!("the supervisor (process {pid}) is still stopping");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// The error for parts that an `apply` still waits for, with what went wrong so far.
    fn not_ready(&self) -> Option<anyhow::Error> {
        let waiting = self.status().ok()?.into_iter().filter(|part| part.state != State::Ready);
        let texts: Vec<String> = waiting
            .map(|part| match part.last_error {
                Some(error) => format!("{} ({}; {})", part.name, part.state, first_line(&error)),
                None => format!("{} ({})", part.name, part.state),
            })
            .collect();
        Some(anyhow!("not ready in time: {}", texts.join(", ")))
    }

    fn done(&self, request: &Request) -> Result<()> {
        match self.ask_once(request)? {
            Reply::Done => Ok(()),
            other => refused(other),
        }
    }

    fn ask_once(&self, request: &Request) -> Result<Reply> {
        self.ask(request, Instant::now() + ANSWER)?.next()?.context("the supervisor has ended")
    }

    fn ask(&self, request: &Request, deadline: Instant) -> Result<Replies> {
        let mut stream = UnixStream::connect(self.place.control()).context("the supervisor does not run")?;
        stream.set_write_timeout(Some(ANSWER))?;
        let mut line = serde_json::to_vec(request).context("a path that is not UTF-8")?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok(Replies { lines: BufReader::new(stream), deadline })
    }
}

struct Replies {
    lines: BufReader<UnixStream>,
    deadline: Instant,
}

impl Replies {
    fn next(&mut self) -> Result<Option<Reply>> {
        let rest = self.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.lines.get_ref().set_read_timeout(Some(rest))?;
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(serde_json::from_str(&line).context("not understood")?)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("no answer from the supervisor in time")
            }
            // The supervisor was killed with a request unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn start(program: &Path, place: &Place) -> Result<Child> {
    let path = place.supervisor_log();
    let open = || logs::rotate(&path).and_then(|()| process::append(&path)).and_then(|log| Ok((log.try_clone()?, log)));
    let (out, err) = open().with_context(|| format!("`{}`", path.display()))?;
    let mut command = Command::new(program);
    command.args(["local", "supervise", "--state"]).arg(place.state()).current_dir("/");
    // The supervisor gets only the variables that it needs: credentials in the caller's environment are not for a
    // process that stays.
    command.env_clear().envs(process::passed_on());
    let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
    child.with_context(|| format!("starting `{}`", program.display()))
}

fn said(place: &Place) -> String {
    logs::tail(&place.supervisor_log(), 1).pop().unwrap_or_else(|| "nothing".into())
}

fn refused<T>(reply: Reply) -> Result<T> {
    match reply {
        Reply::Refused { why } => Err(anyhow!(why)),
        _ => bail!("the supervisor answered something else"),
    }
}
