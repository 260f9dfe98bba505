//! A data directory as an engine makes it. It is kept for each version and set of options, and copied for each server.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::supervisor::logs;
use crate::supervisor::place::private_directory;

/// The time to wait for another process that is making the template, on a busy machine.
const WAIT: Duration = Duration::from_secs(120);

/// The error for a command that failed. It shows as one line with the cause; `whole` is all that the command printed.
#[derive(Debug)]
pub struct Said {
    cause: String,
    pub whole: String,
}

impl std::error::Error for Said {}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

/// The path of the template of this name. If it is not there yet, the command of `make` makes it. The command runs in
/// the cache and is given a plain name for the directory. So it never sees the path, whatever letters that has.
pub fn template(cache: &Path, name: &str, make: impl FnOnce(&str) -> Command) -> Result<PathBuf> {
    let template = cache.join(name);
    if template.exists() {
        return Ok(template);
    }
    private_directory(cache).with_context(|| format!("`{}`", cache.display()))?;
    let lock = File::create(cache.join("lock")).with_context(|| format!("`{}`", cache.display()))?;
    let deadline = Instant::now() + WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Err(error).context("waiting for another one that makes a template"),
        }
    }
    if template.exists() {
        return Ok(template);
    }
    // A directory that was half made by a killed process.
    let half = format!("{name}.new");
    let new = cache.join(&half);
    remove(&new)?;
    let mut command = make(&half);
    command.current_dir(cache).stdin(Stdio::null());
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().with_context(|| format!("running `{program}`"))?;
    if !output.status.success() {
        let whole = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines: Vec<&str> = whole.lines().collect();
        let why = logs::cause(&lines).map_or_else(String::new, |line| format!(": {line}"));
        let cause = format!("`{program}` ended with {}{why}", output.status);
        let making = format!("making a data directory in `{}`", cache.display());
        return Err(anyhow::Error::new(Said { cause, whole }).context(making));
    }
    std::fs::rename(&new, &template).with_context(|| format!("`{}`", template.display()))?;
    Ok(template)
}

/// Copies the template. The copy is made as a whole or not at all; one that is there stays as it is.
pub fn copy(template: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let new = to.with_extension("new");
    remove(&new)?;
    let mut command = Command::new("cp");
    command.arg("-a");
    if cfg!(target_os = "linux") {
        command.args(["--reflink=auto", "--sparse=always"]);
    }
    let output = command.arg(template).arg(&new).stdin(Stdio::null()).output().context("cp")?;
    ensure!(output.status.success(), "copying a data directory: {}", String::from_utf8_lossy(&output.stderr).trim());
    std::fs::rename(&new, to).with_context(|| format!("`{}`", to.display()))
}

pub fn remove(directory: &Path) -> Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("`{}`", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_half_made_is_made_again_and_what_is_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("캐시");
        let make = |directory: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "mkdir \"$0\" && echo new > \"$0/file\""]).arg(directory);
            command
        };
        std::fs::create_dir_all(cache.join("a.new")).unwrap();
        let made = template(&cache, "a", make).unwrap();
        let never = |_: &str| -> Command { panic!("it is there") };
        assert_eq!(template(&cache, "a", never).unwrap(), made);
        let data = directory.path().join("data");
        std::fs::create_dir_all(directory.path().join("data.new/half")).unwrap();
        copy(&made, &data).unwrap();
        assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "new\n");
        std::fs::write(data.join("file"), "rows").unwrap();
        copy(&made, &data).unwrap();
        assert_eq!(std::fs::read_to_string(data.join("file")).unwrap(), "rows");

        let fail = |_: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", "echo begun; echo no space >&2; exit 3"]);
            command
        };
        let error = template(&cache, "b", fail).unwrap_err();
        let whole = error.chain().find_map(|cause| cause.downcast_ref::<Said>()).unwrap();
        assert_eq!(whole.whole, "begun\nno space\n");
        let error = format!("{error:#}");
        assert!(error.ends_with("`sh` ended with exit status: 3: no space"), "{error}");
    }
}
