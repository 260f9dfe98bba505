//! Ports that stay. They are chosen once and kept beside the state, so that a copied address still works tomorrow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

/// A port that another process had taken, so that it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub name: String,
    pub from: u16,
    pub to: u16,
}

/// Chooses a port for each name. The ports of `running` are in use by ourselves, so nobody asks whether they are free.
/// Any other port that is taken is replaced, and the caller says so.
pub fn choose(state: &Path, names: &[&str], running: &BTreeSet<String>) -> Result<(BTreeMap<String, u16>, Vec<Moved>)> {
    let path = state.join(FILE);
    let mut kept = kept(state)?;
    let before = kept.clone();
    // All ports are held until all are chosen, so that none is given twice.
    let mut held = Vec::new();
    let claims = Claims::of(state);
    let mut moved = Vec::new();
    for name in names.iter().filter(|name| !running.contains(**name)) {
        let old = kept.get(*name).copied();
        match old.and_then(again) {
            Some(listener) => held.push(listener),
            None => {
                let listener = free(&before, &claims)?;
                let to = listener.local_addr()?.port();
                held.push(listener);
                kept.insert((*name).to_owned(), to);
                moved.extend(old.map(|from| Moved { name: (*name).to_owned(), from, to }));
            }
        }
    }
    if kept != before {
        write(&path, &serde_json::to_vec_pretty(&kept)?)?;
    }
    kept.retain(|name, _| names.contains(&name.as_str()));
    Ok((kept, moved))
}

/// The kept ports of these names that are free, or in use by ourselves: those that [`choose`] would not replace.
/// Changes nothing.
pub fn settled(state: &Path, names: &[&str], running: &BTreeSet<String>) -> Result<BTreeMap<String, u16>> {
    let mut kept = kept(state)?;
    kept.retain(|name, port| names.contains(&name.as_str()) && (running.contains(name) || again(*port).is_some()));
    Ok(kept)
}

/// Keeps a port of this range for a program that takes no others, if the name has none yet or another process has it.
/// It is to be called before [`choose`], which then keeps that port.
pub fn prefer(state: &Path, name: &str, range: RangeInclusive<u16>, running: &BTreeSet<String>) -> Result<()> {
    let mut kept = kept(state)?;
    let is_good = |port: u16| range.contains(&port) && (running.contains(name) || again(port).is_some());
    if kept.get(name).is_some_and(|port| is_good(*port)) {
        return Ok(());
    }
    let is_free = |port: &u16| {
        !kept.iter().any(|(other, kept)| other != name && kept == port)
            && TcpListener::bind(("127.0.0.1", *port)).is_ok()
    };
    let (first, last) = (*range.start(), *range.end());
    let port = range.clone().find(is_free).with_context(|| format!("all ports from {first} to {last} are taken"))?;
    kept.insert(name.to_owned(), port);
    write(&state.join(FILE), &serde_json::to_vec_pretty(&kept)?)
}

/// The ports that were chosen before, also for names that nobody asks for at the moment.
pub fn kept(state: &Path) -> Result<BTreeMap<String, u16>> {
    let path = state.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("`{}`", path.display())),
        Err(_) => Ok(BTreeMap::new()),
    }
}

const FILE: &str = "ports.json";

/// Tries for a moment to take the port. A process that is just being started holds the open files of its parent until
/// it becomes another program.
fn again(port: u16) -> Option<TcpListener> {
    for _ in 0..10 {
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return Some(listener),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    None
}

/// The ports that are given out. The system gives none of them to a connection that goes out, which could otherwise have the
/// port of a part for as long as the part is stopped (`net.ipv4.ip_local_port_range` is 32768 to 60999, where nobody has
/// changed it).
const GIVEN: RangeInclusive<u16> = 20_000..=32_767;
/// How often a port of this range is tried. After that, any will do.
const TRIES: usize = 200;

/// A free port that no other name has.
fn free(kept: &BTreeMap<String, u16>, claims: &Claims) -> Result<TcpListener> {
    let is_kept = |port: u16| kept.values().any(|kept| *kept == port);
    for _ in 0..TRIES {
        let port = fastrand::u16(GIVEN);
        if !is_kept(port)
            && let Ok(listener) = TcpListener::bind(("127.0.0.1", port))
            && claims.claim(port)
        {
            return Ok(listener);
        }
    }
    let mut refused = Vec::new();
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
        if !listener.local_addr().is_ok_and(|it| is_kept(it.port())) {
            return Ok(listener);
        }
        refused.push(listener);
    }
}

/// The ports that stacks of this user have chosen a moment ago, and whose parts may not listen yet: an empty file for each.
/// Two stacks that start at the same time would otherwise choose the same one now and then.
struct Claims(Option<PathBuf>);

/// Longer than the slowest `up` takes from the choice to the last part that listens.
const CLAIMED: Duration = Duration::from_secs(120);

impl Claims {
    /// The claims of the user who owns the state. If there can be no folder for them, every port is anybody's.
    fn of(state: &Path) -> Claims {
        use std::os::unix::fs::{DirBuilderExt, MetadataExt};
        let Ok(owner) = state.metadata().map(|state| state.uid()) else { return Claims(None) };
        let folder = std::env::temp_dir().join(format!("provision-ports-{owner}"));
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        let is_ours = folder.symlink_metadata().is_ok_and(|it| it.is_dir() && it.uid() == owner);
        Claims((made.is_ok() && is_ours).then_some(folder))
    }

    /// Claims a port, unless another stack has done so a moment ago.
    fn claim(&self, port: u16) -> bool {
        let Some(folder) = &self.0 else { return true };
        let path = folder.join(port.to_string());
        let claimed = path.metadata().and_then(|file| file.modified());
        if claimed.is_ok_and(|when| when.elapsed().is_ok_and(|age| age > CLAIMED)) {
            let _ = std::fs::remove_file(&path);
        }
        match std::fs::File::create_new(&path) {
            Ok(_) => true,
            Err(error) => error.kind() != std::io::ErrorKind::AlreadyExists,
        }
    }
}

/// Writes a file for this user only. It is written as a whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let write = || {
        let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("`{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_another_stack_has_just_chosen_is_not_chosen() {
        let directory = tempfile::tempdir().unwrap();
        let claims = Claims(Some(directory.path().to_owned()));
        assert!(claims.claim(20_001) && !claims.claim(20_001) && claims.claim(20_002));
        let old = std::time::SystemTime::now() - CLAIMED * 2;
        std::fs::File::open(directory.path().join("20001")).unwrap().set_modified(old).unwrap();
        assert!(claims.claim(20_001) && !claims.claim(20_001));
        assert!(Claims(None).claim(20_001));
        assert!(Claims::of(directory.path()).0.is_some());
    }

    #[test]
    fn ports_stay_unless_somebody_else_has_one() {
        let directory = tempfile::tempdir().unwrap();
        let nobody = BTreeSet::new();
        let (first, moved) = choose(directory.path(), &["a", "b"], &nobody).unwrap();
        assert!(moved.is_empty() && first["a"] != first["b"]);
        let taken = again(first["a"]).unwrap();
        let ourselves = BTreeSet::from(["a".to_owned()]);
        assert_eq!(choose(directory.path(), &["a", "b"], &ourselves).unwrap(), (first.clone(), vec![]));
        let (second, moved) = choose(directory.path(), &["a", "b", "c"], &nobody).unwrap();
        assert_eq!(moved, [Moved { name: "a".into(), from: first["a"], to: second["a"] }]);
        assert_eq!((second["b"], second.len()), (first["b"], 3));
        assert_eq!(
            settled(directory.path(), &["a", "b", "x"], &nobody).unwrap(),
            BTreeMap::from([("a".to_owned(), second["a"]), ("b".to_owned(), second["b"])])
        );
        let other = again(second["b"]).unwrap();
        assert_eq!(settled(directory.path(), &["b"], &nobody).unwrap(), BTreeMap::new());
        drop(other);
        drop(taken);
        assert_eq!(choose(directory.path(), &["a"], &nobody).unwrap().0["a"], second["a"]);

        let range = 48_100..=48_199;
        prefer(directory.path(), "a", range.clone(), &nobody).unwrap();
        let chosen = choose(directory.path(), &["a"], &nobody).unwrap().0["a"];
        assert!(range.contains(&chosen));
        let taken = again(chosen).unwrap();
        prefer(directory.path(), "a", range.clone(), &ourselves).unwrap();
        assert_eq!(choose(directory.path(), &["a"], &ourselves).unwrap().0["a"], chosen);
        prefer(directory.path(), "a", range.clone(), &nobody).unwrap();
        let other = choose(directory.path(), &["a"], &nobody).unwrap().0["a"];
        assert!(range.contains(&other) && other != chosen);
        drop(taken);
    }
}
