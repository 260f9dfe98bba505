//! `provision local …`: failures on demand. Each command says what people will see and how to undo it. The next
//! `up --local` undoes it at the latest. Only a promotion stays, because it is a fact of the data.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use local::engines::{mariadb, replica};
use local::supervisor::client::{self, Client};
use local::supervisor::probe;
use local::supervisor::protocol::{PartStatus, State};
use serde_json::json;

use super::looked::{Looked, found};
use super::words::{NOTHING_RUNS, failed, shell};
use crate::commands::failure::{Exit, Failure};
use crate::commands::fault::{Fault, Victim};
use crate::commands::options::Global;
use crate::commands::{agree, document};
use crate::local::apply::apply;
use crate::plan::Plan;
use crate::printer::Printer;
use crate::sections::Loaded;
use crate::sections::databases::pairs::Roles;
use crate::sections::here::Ground;
use crate::sections::machine::Servers;
use crate::wait::pause_here;

pub(crate) fn fault(fault: &Fault, global: &Global, printer: Printer) -> Result<Exit, Failure> {
    let Victim { file, part } = fault.victim();
    let (loaded, state) = found(file, global)?;
    let Some(client) = client::running(&state) else {
        return Err(Failure::of(NOTHING_RUNS).hint("`provision up --local` starts it"));
    };
    if let Fault::Rejoin { discard: true, .. } = fault {
        agree(global, &format!("Throw away what only `{part}` has? [y/N]"), printer)?;
    }
    let desk = Desk { loaded: &loaded, state: &state, client: &client, file, part, printer };
    let done = match fault {
        Fault::Kill(_) => client.kill(part).and_then(|()| desk.seen("killed; it starts again within a second", None)),
        Fault::Pause(_) => {
            client.pause(part).and_then(|()| desk.seen("stands still, with its port open", Some("resume")))
        }
        Fault::Stop(_) => client.hold(part, STOP).and_then(|()| desk.seen("stopped, and stays so", Some("resume"))),
        Fault::Resume(_) => client.resume(part).map(|()| Told::plain("goes on")),
        Fault::Restart(_) => client.restart(part).and_then(|()| desk.seen("restarts", None)),
        Fault::Promote(_) => desk.promote(),
        Fault::Rejoin { discard, .. } => desk.rejoin(*discard),
        Fault::Lag { time, .. } => desk.lag(*time),
    };
    done.map_err(failed)?.print(part, global, printer);
    Ok(Exit::Done)
}

/// How long a part may take to stop, so that a service can answer the requests in flight.
const STOP: Duration = Duration::from_secs(40);
/// How long the old primary may take to get everything that the new one has written since.
const CATCH_UP: Duration = Duration::from_secs(30);

/// What was done, what people will see of it, and the command that undoes it.
struct Told {
    did: String,
    see: Option<&'static str>,
    undo: Option<String>,
}

struct Desk<'a> {
    loaded: &'a Loaded,
    state: &'a Path,
    client: &'a Client,
    file: &'a Path,
    part: &'a str,
    printer: Printer,
}

impl Desk<'_> {
    fn seen(&self, did: &str, undo: Option<&str>) -> anyhow::Result<Told> {
        let status = self.status(self.part)?;
        Ok(Told {
            did: did.to_owned(),
            see: Some(effect(&status.kind)),
            undo: undo.map(|undo| self.command(undo, self.part)),
        })
    }

    fn promote(&self) -> anyhow::Result<Told> {
        let part = self.part;
        let servers = self.servers()?;
        let Some(of) = servers.iter().find(|servers| servers.replica.as_ref().is_some_and(|it| it.name == part)) else {
            bail!("`{part}` is not a replica{}", replicas(&servers));
        };
        let (primary, replica) = (&of.primary, of.replica.as_ref().context("no replica")?);
        let status = self.status(part)?;
        ensure!(status.state == State::Ready, "`{part}` is {}: it cannot take over", status.state);
        let runs = self.status(&primary.name).is_ok_and(|status| status.state == State::Ready);
        replica::hand_over(runs.then_some(primary), replica).with_context(|| format!("promoting `{part}`"))?;
        // The role is written down first. If anything ends this command, the next `up` goes on from here.
        let mut roles = Roles::load(self.state)?;
        roles.promote(&of.pair.database, part);
        roles.keep(self.state)?;
        // The address must be free before another server listens there.
        self.client.hold(&primary.name, STOP)?;
        self.make_so()?;
        let again =
            format!("{}, then {}", self.command("rejoin", &primary.name), self.command("promote", &primary.name));
        Ok(Told {
            did: format!(
                "is the primary, at 127.0.0.1:{}; `{}` is out of service, with its data",
                primary.port, primary.name
            ),
            see: Some("writes and reads go on, through the addresses that the services know; there is no replica"),
            undo: Some(again),
        })
    }

    fn rejoin(&self, discard: bool) -> anyhow::Result<Told> {
        let part = self.part;
        let mut roles = Roles::load(self.state)?;
        let pairs = roles.pairs(self.loaded);
        let is_ours = |name: &Option<String>| name.as_deref() == Some(part);
        let Some(pair) = pairs.iter().find(|pair| is_ours(&pair.out) || is_ours(&pair.replica)) else {
            bail!("`{part}` is not an old primary: there is one only after a promotion");
        };
        roles.rejoin(&pair.database);
        roles.keep(self.state)?;
        if discard {
            if is_ours(&pair.replica) {
                self.client.hold(part, STOP)?;
            }
            let servers = self.servers()?;
            let replica = servers.iter().find_map(|servers| servers.replica.as_ref().filter(|it| it.name == part));
            mariadb::rebuild(replica.context("it is not a replica")?)?;
        }
        self.make_so()?;
        let servers = self.servers()?;
        let of = servers.iter().find(|servers| servers.pair.database == pair.database).context("no such database")?;
        let caught_up = mariadb::caught_up(&of.primary, of.replica.as_ref().context("no replica")?);
        let deadline = Instant::now() + CATCH_UP;
        while let Err(error) = probe::once(&caught_up) {
            let strays = format!("{error:#}").contains("never got");
            if strays || Instant::now() >= deadline {
                let discard = self.command("rejoin", part);
                return Err(error.context(format!(
                    "`{part}` cannot follow (`{discard} --discard` throws away what only it has, and fills it again)"
                )));
            }
            pause_here(Duration::from_millis(50));
        }
        Ok(Told {
            did: format!("follows `{}`, and has everything that it has", of.primary.name),
            see: Some("misses of the cache are read from the replica again"),
            undo: None,
        })
    }

    fn lag(&self, seconds: u32) -> anyhow::Result<Told> {
        let part = self.part;
        let servers = self.servers()?;
        let Some((of, replica)) =
            servers.iter().find_map(|of| Some((of, of.replica.as_ref().filter(|replica| replica.name == part)?)))
        else {
            bail!("`{part}` is not a replica{}", replicas(&servers));
        };
        let primary = self.status(&of.primary.name)?;
        // With a new delay, the replica forgets what it has received and holds back. It needs a primary that runs to
        // get that again.
        ensure!(
            primary.state == State::Ready,
            "`{}` is {}: a delay is changed while it runs",
            primary.name,
            primary.state
        );
        replica::delay(&of.program, replica, seconds)?;
        if seconds == 0 {
            return Ok(Told::plain("holds nothing back"));
        }
        Ok(Told {
            did: format!("holds back for {seconds} s whatever it gets"),
            see: Some(
                "who has written reads the primary; when the replica is five seconds behind, everybody does. Without a \
                 primary, reads answer what the replica has",
            ),
            undo: Some(format!("{} 0", self.command("lag", part))),
        })
    }

    fn servers(&self) -> anyhow::Result<Vec<Servers>> {
        Ok(Ground::look(self.state, self.loaded)?.look_at(self.loaded)?.databases)
    }

    fn make_so(&self) -> anyhow::Result<()> {
        let Looked { scope, laptop, snapshot, .. } = &Looked::look(self.loaded.clone(), self.state.to_owned())?;
        let plan = Plan::new(scope, &laptop.desired, snapshot);
        let tell = |event: &_| self.printer.talk(format!("  {event}"));
        let (_, outcome) = apply(self.state, self.loaded, (&plan, snapshot), tell)?;
        match outcome.failed.first() {
            Some(failure) => bail!("{}: {}", failure.part, failure.cause()),
            None => Ok(()),
        }
    }

    fn status(&self, part: &str) -> anyhow::Result<PartStatus> {
        let all = self.client.status()?;
        all.into_iter().find(|status| status.name == part).with_context(|| format!("there is no part `{part}`"))
    }

    fn command(&self, verb: &str, part: &str) -> String {
        format!("provision local {verb} {} {part}", shell(&self.file.display().to_string()))
    }
}

impl Told {
    fn plain(did: &str) -> Told {
        Told { did: did.to_owned(), see: None, undo: None }
    }

    fn print(&self, part: &str, global: &Global, printer: Printer) {
        let Told { did, see, undo } = self;
        if global.json {
            let told = json!({ "version": document::VERSION, "part": part, "did": did, "see": see, "undo": undo });
            return printer.document(&document::pretty(&told));
        }
        printer.talk(format!("`{part}` {did}"));
        if let Some(see) = see {
            printer.talk(format!("  you will see: {see}"));
        }
        if let Some(undo) = undo {
            printer.talk(format!("  to undo it: {undo}"));
        }
    }
}

/// What users of the stack notice while a part of this kind is away.
fn effect(kind: &str) -> &'static str {
    match kind {
        "mariadb primary" | "mysql primary" => {
            "reads are answered from the replica or the cache; writes get 503, and can be repeated"
        }
        "mariadb replica" | "mysql replica" => "reads go to the primary; nothing else changes",
        "redis" | "valkey" => "lookups answer from the database, with `x-cache: bypass`",
        "topics and queues" => "reservations go on; notifications wait in the outbox and come later",
        "load balancer" => "nothing answers at `services.address`; the services themselves go on",
        "log forwarder" => "log lines wait in the files; none is lost",
        kind if kind.starts_with("service, ") => "the load balancer answers 502 or 503 for its paths",
        kind if kind.starts_with("search engine") => "log lines wait; those in memory are gone when it is killed",
        _ => "what uses it waits",
    }
}

fn replicas(servers: &[Servers]) -> String {
    let names: Vec<&str> = servers.iter().filter_map(|servers| Some(servers.replica.as_ref()?.name.as_str())).collect();
    if names.is_empty() { "; there is none".to_owned() } else { format!("; there is: {}", names.join(", ")) }
}
