//! Passwords, hashed with Argon2id: 19 MiB of memory, two passes, one lane.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>
//!
//! A hash takes some 20 ms of a core, on purpose. So each is made on a thread of its own, a few at a time, and the rest of
//! the process does not wait for them. Who gets no [turn](Passwords::turn) in time is told to come again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::telemetry::{self, metrics};

/// Bytes of the longest password. A client could keep us busy with a longer one.
pub const LONGEST: usize = 1024;

pub struct Passwords {
    turns: Arc<Semaphore>,
}

/// The right to make one hash.
pub struct Turn(OwnedSemaphorePermit);

/// Too many hashes are being made. The same request may succeed a moment later.
#[derive(Debug, PartialEq)]
pub struct Busy;

impl Passwords {
    /// At most so many hashes are made at a time.
    pub fn new(at_a_time: usize) -> Self {
        Passwords { turns: Arc::new(Semaphore::new(at_a_time)) }
    }

    /// Waits for a turn. Who came first has it first.
    pub async fn turn(&self) -> Result<Turn, Busy> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        match turn {
            Ok(Ok(turn)) => Ok(Turn(turn)),
            // The turns are never closed.
            Ok(Err(_)) | Err(_) => {
                metrics::count("PasswordsBusy", 1);
                Err(Busy)
            }
        }
    }
}

impl Turn {
    /// The hash of a password, as a text that says how it was made.
    pub async fn hash(self, password: &str) -> anyhow::Result<String> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
        let password = password.to_owned();
        let hash = self.apart(move || Ok(argon2()?.hash_password_with_salt(password.as_bytes(), &salt)?.to_string()));
        hash.await?.context("hashing a password")
    }

    /// Whether a password is the one that was hashed. Without a hash the answer is no, and takes the same time: nobody can
    /// tell by the clock which users there are.
    pub async fn is_right(self, password: &str, hash: Option<&str>) -> anyhow::Result<bool> {
        let known = hash.and_then(parsed);
        if hash.is_some() && known.is_none() {
            telemetry::error(
                "password.malformed",
                &json!({ "message": "a stored hash is none; the login is refused" }),
            );
        }
        let is_known = known.is_some();
        let (password, hash) =
            (password.to_owned(), known.map_or_else(|| Ok(PasswordHash::new(NOBODYS)?), anyhow::Ok)?);
        let is_right = self.apart(move || Ok(argon2()?.verify_password(password.as_bytes(), &hash).is_ok()));
        Ok(is_right.await?? && is_known)
    }

    /// Does the work on a thread of its own. The turn ends with the work, also if nobody waits for it any more.
    async fn apart<T: Send + 'static>(
        self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<anyhow::Result<T>> {
        let (done, outcome) = oneshot::channel();
        let work = move || {
            let turn = self.0;
            give_way();
            let made = work();
            metrics::count("PasswordHashes", 1);
            drop(turn);
            let _ = done.send(made);
        };
        std::thread::Builder::new().name("password".to_owned()).spawn(work).context("starting a thread")?;
        outcome.await.context("a hash was not made")
    }
}

/// The longest wait for a turn.
const PATIENCE: Duration = Duration::from_secs(2);
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// A hash that no password has: all zeros.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| anyhow!("Argon2: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A stored hash, if it is one that costs no more than ours.
fn parsed(hash: &str) -> Option<PasswordHash> {
    let hash = PasswordHash::new(hash).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let is_cheap = params.m_cost() <= MEMORY_KIB && params.t_cost() <= PASSES && params.p_cost() <= LANES;
    (hash.algorithm == Algorithm::Argon2id.ident() && hash.salt.is_some() && hash.hash.is_some() && is_cheap)
        .then_some(hash)
}

/// Lets the threads that answer requests go first.
fn give_way() {
    // On Linux this is about the thread. Elsewhere it would be about the process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many passwords are being hashed")
    }
}

impl std::error::Error for Busy {}

#[cfg(test)]
mod tests {
    use super::*;

    async fn hash(passwords: &Passwords, password: &str) -> String {
        passwords.turn().await.unwrap().hash(password).await.unwrap()
    }

    async fn is_right(passwords: &Passwords, password: &str, hash: Option<&str>) -> bool {
        passwords.turn().await.unwrap().is_right(password, hash).await.unwrap()
    }

    #[tokio::test]
    async fn only_the_password_fits_its_hash() {
        let passwords = Passwords::new(1);
        let (one, other) = (hash(&passwords, "비밀 pw1").await, hash(&passwords, "비밀 pw1").await);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other, "each has a salt of its own");
        assert!(is_right(&passwords, "비밀 pw1", Some(&one)).await);
        for wrong in ["", "비밀 pw1 ", "비밀 PW1", "비밀 pw", &"x".repeat(LONGEST)] {
            assert!(!is_right(&passwords, wrong, Some(&one)).await, "{wrong:.20}");
        }
        assert!(PasswordHash::new(NOBODYS).is_ok());
    }

    #[tokio::test]
    async fn a_hash_that_is_none_fits_nothing() {
        let passwords = Passwords::new(1);
        let good = hash(&passwords, "pw").await;
        for none in [
            None,
            Some(""),
            Some("pw"),
            Some("$2b$12$abcdefghijklmnopqrstuu"),
            Some(NOBODYS),
            Some(&good[..good.len() - 3]),
            Some(&good.replace("argon2id", "argon2i")),
            // It would take a gigabyte.
            Some(&good.replace("m=19456", "m=1048576")),
            Some("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            assert!(!is_right(&passwords, "pw", none).await, "{none:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_so() {
        let passwords = Passwords::new(1);
        let first = passwords.turn().await.unwrap();
        assert_eq!(passwords.turn().await.err(), Some(Busy));
        drop(first);
        assert!(passwords.turn().await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_lasts_as_long_as_the_hash_is_made_whoever_waits_for_it() {
        let passwords = Passwords::new(1);
        let turn = passwords.turn().await.unwrap();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let work = turn.apart(move || Ok(stopped.recv().is_ok()));
        assert!(tokio::time::timeout(Duration::from_millis(10), work).await.is_err());
        assert_eq!(passwords.turns.available_permits(), 0);
        stop.send(()).unwrap();
        assert!(passwords.turn().await.is_ok());
    }
}
