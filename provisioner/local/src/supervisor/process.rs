//! Processes, as the kernel has them. This is for Linux. Elsewhere the functions that need `/proc` answer "not known"
//! (never run there).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal};

use super::part::{Part, StopSignal};
use super::place::Place;

/// The variable that marks every child, with `instance/part` as its value. Children's children have it too, also those
/// that left their group.
pub const MARK: &str = "PROVISION_INSTANCE";

/// The variables that every part, and the supervisor itself, get from the environment of the client that started the
/// supervisor.
pub const PASSED_ON: &[&str] = &["PATH", "HOME", "USER", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"];

/// Starts a part in a process group of its own. The calling thread must live as long as the supervisor: the kernel ends
/// the child with the *thread* that made it.
pub fn spawn(part: &Part, place: &Place, log: File) -> std::io::Result<Child> {
    let mut command = match cfg!(target_os = "linux") {
        // The child is this program again, for a moment: it asks the kernel to end it with its parent, then becomes the
        // part.
        true => {
            let mut command = Command::new("/proc/self/exe");
            command.args(["local", "child", &std::process::id().to_string()]).arg(&part.program);
            command
        }
        false => Command::new(&part.program),
    };
    command.args(&part.args).current_dir(&part.cwd).env_clear().envs(passed_on()).envs(&part.env);
    command.env(MARK, mark(place, &part.name)).process_group(0);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}

pub fn passed_on() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

/// Why a program cannot be run. It is found out before anything is started.
pub fn runnable(program: &Path) -> Result<(), String> {
    match program.metadata() {
        Ok(file) if file.is_file() && file.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(_) => Err(format!("`{}` is not a program", program.display())),
        Err(error) => Err(format!("`{}`: {error}", program.display())),
    }
}

/// Opens the file that a child writes to. Appending never tears another's line, and no line is lost if a pipe's reader
/// ends.
pub fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

/// Sends a signal to a whole group. An empty group is not an error.
pub fn signal_group(leader: u32, signal: Signal) {
    if let Some(group) = Pid::from_raw(leader as i32) {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

/// Stops the group. Returns when its leader stands still, or after a moment.
pub fn stand_still(leader: u32) {
    signal_group(leader, Signal::STOP);
    let stopped = || {
        let stat = std::fs::read_to_string(format!("/proc/{leader}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['T', 'Z']))
    };
    for _ in 0..50 {
        if stopped() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}

pub fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
    }
}

/// The time when a process started, in ticks since boot. Together with the id it names one process for ever. `None` if
/// there is no such process, or it is dead.
pub fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// The process's proportional share of memory. If the kernel does not tell that, it is the resident memory.
pub fn memory_kib(pid: u32) -> Option<u64> {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?.trim_start();
        line.split(' ').next()?.parse().ok()
    };
    field("smaps_rollup", "Pss:").or_else(|| field("status", "VmRSS:"))
}

/// The mark of one part, or of all parts if there is no name.
pub fn mark(place: &Place, part: &str) -> String {
    format!("{}/{part}", place.instance())
}

/// The ids and start times of processes whose mark begins like this. A whole mark ends with a zero.
pub fn marked(begin: &str) -> Vec<(i32, u64)> {
    let mark = format!("{MARK}={begin}");
    let is_marked = |pid: i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split_inclusive(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
    };
    let Ok(all) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| is_marked(*pid)).filter_map(|pid| Some((pid, start_time(pid)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let test = format!("test-{}", std::process::id());
        let mut child = Command::new("sleep").arg("60").env(MARK, format!("{test}/a")).spawn().unwrap();
        let pid = child.id() as i32;
        let start = start_time(pid).unwrap();
        // For a moment after a process starts, the kernel shows no environment of it.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while marked(&test).is_empty() && std::time::Instant::now() < deadline {}
        let (whole, other) = (marked(&format!("{test}/a\0")), marked(&format!("{test}/\0")));
        let memory = memory_kib(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((whole, other), (vec![(pid, start)], vec![]));
        assert!(memory > 0);
        assert_eq!(start_time(pid), None);
        assert!(marked(&test).is_empty());
    }
}
