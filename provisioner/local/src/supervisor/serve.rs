//! The supervisor process. It takes the lock, ends what an earlier supervisor left, then listens.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::Mode;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::converge::{Converger, News};
use super::journal::Journal;
use super::part::Wanted;
use super::place::Place;
use super::protocol::{PROTOCOL, Reply, Request};
use super::{chronicle, process, reap};

/// The longest request. A stack's parts with their environments are some kilobytes.
const LONGEST: u64 = 16 << 20;

/// The time between two looks at whether the state directory is still there, and how long the logs have become.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the supervisor until it is told to stop. Returns at once if there is another one.
pub fn supervise(state: &Path) -> Result<()> {
    // The supervisor leaves the caller's terminal, whose Ctrl-C is not meant for what runs here.
    let _ = rustix::process::setsid();
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let place = Place::open(state)?;
    let lock = File::create(place.lock()).with_context(|| format!("lock `{}`", place.lock().display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(error).context("lock"),
    }
    reap::survivors(&place)?;
    let journal = Journal::begin(&place.journal())?;
    chronicle::begin(&place);
    let _ = std::fs::remove_file(place.control());
    let listener =
        UnixListener::bind(place.control()).with_context(|| format!("socket `{}`", place.control().display()))?;
    let (sender, news) = channel();
    let (for_clients, for_signals) = (sender.clone(), sender.clone());
    std::thread::spawn(move || listen(&listener, &for_clients));
    std::thread::spawn(move || report_signals(&for_signals));
    main_loop(&place, Converger::new(place.clone(), journal, sender), &news, lock.metadata()?.ino());
    reap::survivors(&place)?;
    // The order matters: without the journal there is nothing to clean up, and without the socket nobody to ask.
    let _ = std::fs::remove_file(place.journal());
    let _ = std::fs::remove_file(place.control());
    let _ = std::fs::remove_dir(place.sockets());
    Ok(())
}

/// The first thing that a child does, while it is still this program. It asks to be ended with its parent, then becomes
/// the part.
pub fn become_child(parent: &OsString, program: &OsString, arguments: &[OsString]) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .context("asking to end with the parent")?;
        // The parent may have ended before the question.
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
        if now.as_deref() != parent.to_str() {
            bail!("the supervisor is gone");
        }
    }
    let _ = parent;
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("running `{}`", Path::new(program).display()))
}

/// The loop of the main thread. Every child is started from here, because a child ends with the thread that started it.
fn main_loop(place: &Place, mut converger: Converger, news: &Receiver<News>, lock: u64) {
    let mut stopping = false;
    let mut looked = Instant::now();
    loop {
        let next = converger.converge();
        if looked.elapsed() >= LOOK {
            converger.trim_logs();
            looked = Instant::now();
        }
        if stopping && converger.is_empty() {
            return;
        }
        let wait = next.map_or(LOOK, |next| next.saturating_duration_since(Instant::now()).min(LOOK));
        match news.recv_timeout(wait) {
            Ok(News::Request(Request::Stop, reply)) => {
                chronicle::asked(place, &Request::Stop);
                stopping = true;
                converger.want(Wanted::default(), reply);
            }
            Ok(News::Request(_, reply)) if stopping => {
                let _ = reply.send(Reply::Refused { why: "everything is being stopped".into() });
            }
            Ok(News::Request(request, reply)) => {
                chronicle::asked(place, &request);
                answer(&mut converger, request, reply);
            }
            Ok(News::Exited { part, pid }) => converger.exited(&part, pid),
            Ok(News::Probed { part, asked, result }) => converger.probed(&part, &asked, result),
            Ok(News::Terminate) => {
                stopping = true;
                converger.want(Wanted::default(), channel().0);
            }
            // Without its directory the supervisor cannot be told anything any more, and another one could start beside
            // it.
            Err(RecvTimeoutError::Timeout) if place.lock().metadata().map_or(0, |lock| lock.ino()) != lock => {
                stopping = true;
                converger.want(Wanted::default(), channel().0);
            }
            Err(_) => {}
        }
    }
}

fn answer(converger: &mut Converger, request: Request, reply: Sender<Reply>) {
    let done = |result: Result<(), String>| match result {
        Ok(()) => Reply::Done,
        Err(why) => Reply::Refused { why },
    };
    let answer = match request {
        Request::Hello => {
            let pid = std::process::id() as i32;
            Reply::Hello { protocol: PROTOCOL, pid, start: process::start_time(pid).unwrap_or_default() }
        }
        Request::Status => Reply::Status { parts: converger.status() },
        Request::Views => Reply::Views { views: converger.views() },
        Request::Kill { part } => done(converger.signal(&part, Signal::KILL)),
        Request::Pause { part } => done(converger.signal(&part, Signal::STOP)),
        Request::Resume { part } => done(converger.resume(&part)),
        Request::Hold { part } => done(converger.hold(&part)),
        Request::Restart { part } => done(converger.restart(&part)),
        Request::Apply { wanted } => match converger.known(&wanted).problems() {
            problems if problems.is_empty() => return converger.want(wanted, reply),
            problems => Reply::Refused { why: problems.join("; ") },
        },
        // The main loop handles this one.
        Request::Stop => return,
    };
    let _ = reply.send(answer);
}

fn listen(listener: &UnixListener, news: &Sender<News>) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let news = news.clone();
                std::thread::spawn(move || serve(&stream, &news));
            }
            // No file descriptor is free. That does not last for ever.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// Serves one connection, which has one request. If either side ends it, the thread ends.
fn serve(mut stream: &UnixStream, news: &Sender<News>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(10)));
    let mut line = String::new();
    if BufReader::new(stream.take(LONGEST)).read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let (sender, replies) = channel();
    match serde_json::from_str(&line) {
        Ok(request) => drop(news.send(News::Request(request, sender))),
        Err(error) => drop(sender.send(Reply::Refused { why: format!("not understood: {error}") })),
    }
    for reply in replies {
        let Ok(mut line) = serde_json::to_vec(&reply) else { return };
        line.push(b'\n');
        if stream.write_all(&line).is_err() {
            return;
        }
    }
}

fn report_signals(news: &Sender<News>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
    runtime.block_on(async {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [Ok(mut term), Ok(mut int), Ok(mut hup)] = kinds.map(signal) else { return };
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
                _ = hup.recv() => {}
            }
            let _ = news.send(News::Terminate);
        }
    });
}
