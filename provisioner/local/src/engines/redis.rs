//! Redis or Valkey, with a password and TLS as ElastiCache has them. It keeps nothing on disk: a cache that was stopped
//! is empty.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::find::{Install, Places, configured};
use super::ports;
use crate::hex;
use crate::supervisor::part::{Part, Stop, StopSignal};
use crate::supervisor::place::private_directory;
use crate::supervisor::probe::Probe;
use crate::supervisor::sql::Address;

pub const INSTALL: Install = Install { apt: "redis-tools", brew: "redis" };

/// A cache. It has no `Debug`, because of the password.
#[derive(Clone)]
pub struct Cache {
    pub name: String,
    pub directory: PathBuf,
    pub socket: PathBuf,
    pub port: u16,
    pub password: Option<String>,
    pub tls: Option<Tls>,
    /// The port of the cache that this one follows.
    pub replica_of: Option<u16>,
}

/// The files of the certificates, in PEM form.
#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
}

/// Finds the server. On Debian it is the program for checking files in the package of tools, which is a server if it is
/// called so.
pub fn find(places: &Places, path: Option<&Path>) -> Result<PathBuf> {
    match path {
        Some(path) => configured(path),
        None => match places.find(&["valkey-server", "redis-server", "valkey-check-rdb", "redis-check-rdb"]) {
            Some(program) => Ok(program),
            None => INSTALL.missing("Redis or Valkey (`redis-server`, `valkey-server`)"),
        },
    }
}

/// Prepares its directory and its configuration. The configuration holds the password and so is for this user only.
pub fn prepare(program: &Path, cache: &Cache) -> Result<()> {
    private_directory(&cache.directory).with_context(|| format!("`{}`", cache.directory.display()))?;
    let called = called(program, cache);
    if called != program && called.read_link().ok().as_deref() != Some(program) {
        let _ = std::fs::remove_file(&called);
        std::os::unix::fs::symlink(program, &called).with_context(|| format!("`{}`", called.display()))?;
    }
    ports::write(&cache.directory.join("redis.conf"), configuration(cache).as_bytes())
}

pub fn part(program: &Path, cache: &Cache) -> Part {
    let kind = if program.to_string_lossy().contains("valkey") { "valkey" } else { "redis" };
    Part {
        args: vec![plain(&cache.directory.join("redis.conf").display().to_string())],
        cwd: cache.directory.clone(),
        port: Some(cache.port),
        ready: Probe::Redis { at: Address::Socket(cache.socket.clone()), password: cache.password.clone() },
        stop: Stop { signal: StopSignal::Term, within_ms: 5_000 },
        generation: hex(&Sha256::digest(configuration(cache))),
        ..Part::new(&cache.name, kind, called(program, cache))
    }
}

/// The path with `*`, `?`, `[` and the like escaped. Redis since 7.0 takes a path with one of these for a pattern
/// (`loadServerConfig`). A pattern that fits no file is an empty configuration: a server without a password, on all
/// addresses.
fn plain(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    let mut escaped = String::new();
    for letter in path.chars() {
        if "*?[]\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// The path by which the program is called. It looks at its own name.
fn called(program: &Path, cache: &Cache) -> PathBuf {
    match program.file_name().and_then(|name| name.to_str()) {
        Some("redis-check-rdb") => cache.directory.join("redis-server"),
        Some("valkey-check-rdb") => cache.directory.join("valkey-server"),
        _ => program.to_owned(),
    }
}

fn configuration(cache: &Cache) -> String {
    let path = |path: &Path| path.display().to_string();
    let mut options = vec![
        ("bind", "127.0.0.1".to_owned()),
        ("dir", path(&cache.directory)),
        ("unixsocket", path(&cache.socket)),
        ("unixsocketperm", "600".to_owned()),
        ("save", String::new()),
        ("appendonly", "no".to_owned()),
        // Without this option a replica waits five seconds for others that might come.
        ("repl-diskless-sync-delay", "0".to_owned()),
    ];
    match &cache.tls {
        None => options.push(("port", cache.port.to_string())),
        Some(tls) => options.extend([
            ("port", "0".to_owned()),
            ("tls-port", cache.port.to_string()),
            ("tls-cert-file", path(&tls.certificate)),
            ("tls-key-file", path(&tls.key)),
            ("tls-ca-cert-file", path(&tls.authority)),
            ("tls-auth-clients", "no".to_owned()),
            ("tls-replication", "yes".to_owned()),
        ]),
    }
    if let Some(password) = &cache.password {
        options.extend([("requirepass", password.clone()), ("masterauth", password.clone())]);
    }
    let mut text: String = options.iter().map(|(name, value)| format!("{name} {}\n", quoted(value))).collect();
    // These are two words, so they are not in quotes.
    text.extend(cache.replica_of.map(|port| format!("replicaof 127.0.0.1 {port}\n")));
    text
}

/// The value in the form of the configuration file. Bytes that are not printable text are written as numbers.
fn quoted(value: &str) -> String {
    let escaped: String = value
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", byte as char),
            b' '..=b'~' => (byte as char).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_not_a_pattern() {
        assert_eq!(plain("/home/a \\ b/redis.conf"), "/home/a \\ b/redis.conf");
        assert_eq!(plain("/home/[a]*\\?/redis.conf"), "/home/\\[a\\]\\*\\\\\\?/redis.conf");
    }
}
