//! Ends the processes that an earlier supervisor left behind, and no others.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::place::Place;
use super::{journal, process};

/// The time for an orderly end, in which an engine flushes. Then the processes are killed.
const ORDERLY: Duration = Duration::from_secs(3);
const KILLED: Duration = Duration::from_secs(5);

/// Ends all survivors. Returns how many there were. It goes on until a look finds none, because a process that is ended
/// may just have made another.
pub fn survivors(place: &Place) -> Result<usize> {
    let mut count = 0;
    let mut found = journal::left(&place.journal());
    for _ in 0..20 {
        found.extend(process::marked(&process::mark(place, "")));
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            return Ok(count);
        }
        count += end_all(&found)?;
        found.clear();
    }
    bail!("processes of an earlier run in `{}` keep making new ones", place.state().display())
}

/// Sends a signal to the processes of a part, in its group or out of it: a function's processes have groups of their own.
/// With `KILL` it ends what an ended part left running. Does not wait.
pub fn signal_all_of(place: &Place, part: &str, how: Signal) {
    let found = process::marked(&format!("{}\0", process::mark(place, part)));
    #[cfg(target_os = "linux")]
    for handle in hold(&found) {
        signal(&handle, how);
    }
    let _ = (found, how);
}

#[cfg(target_os = "linux")]
fn end_all(found: &[(i32, u64)]) -> Result<usize> {
    let held = hold(found);
    for (how, patience) in [(Signal::TERM, ORDERLY), (Signal::KILL, KILLED)] {
        let deadline = Instant::now() + patience;
        let mut left = 0;
        for handle in &held {
            signal(handle, how);
            // A stopped process would not see the other signal.
            signal(handle, Signal::CONT);
        }
        for handle in &held {
            let rest = Timespec::try_from(deadline.saturating_duration_since(Instant::now()))?;
            match poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&rest)) {
                Ok(0) | Err(_) => left += 1,
                Ok(_) => {}
            }
        }
        if left == 0 {
            return Ok(held.len());
        }
    }
    bail!("processes of an earlier run could not be ended: {:?}", found.iter().map(|(pid, _)| pid).collect::<Vec<_>>())
}

/// Opens a handle first, and then looks at the start time. So a signal cannot hit another process that was given the
/// same id.
#[cfg(target_os = "linux")]
fn hold(found: &[(i32, u64)]) -> Vec<OwnedFd> {
    let held = found.iter().filter_map(|(pid, start)| {
        let handle = pidfd_open(Pid::from_raw(*pid)?, PidfdFlags::empty()).ok()?;
        (process::start_time(*pid) == Some(*start)).then_some(handle)
    });
    held.collect()
}

#[cfg(target_os = "linux")]
fn signal(handle: &OwnedFd, signal: Signal) {
    let _ = pidfd_send_signal(handle, signal);
}

/// On other systems there are no handles, and a bare id may be another process's by now. So nothing is ended.
#[cfg(not(target_os = "linux"))]
fn end_all(_: &[(i32, u64)]) -> Result<usize> {
    Ok(0)
}
