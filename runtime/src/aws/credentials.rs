//! The credentials of a process that runs for longer than they do. The task's role has new ones every few hours, and the
//! SDK's own clients fetch them in time. So do the calls that are [signed here](super::signed).

use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use serde_json::json;
use tokio::sync::Mutex;

use crate::telemetry;

/// The credentials that are good now.
pub struct Current {
    provider: SharedCredentialsProvider,
    /// The lock is held while new ones are fetched, so that they are fetched once.
    held: Mutex<Option<Credentials>>,
}

impl Current {
    /// The credentials that the SDK would take: of the environment, or of the task's role. Nothing is fetched yet.
    pub async fn new(region: &str) -> anyhow::Result<Self> {
        let provider = super::config(region).await.credentials_provider().context("no credentials for AWS")?;
        Ok(Current { provider, held: Mutex::default() })
    }

    pub async fn get(&self) -> anyhow::Result<Credentials> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| left(held) > SPARE) {
            return Ok(held.clone());
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => Ok(held.insert(credentials).clone()),
            Err(error) => match held.as_ref().filter(|held| left(held) > Duration::ZERO) {
                Some(old) => {
                    telemetry::warn("credentials.late", &json!({ "message": error.to_string() }));
                    Ok(old.clone())
                }
                None => Err(error).context("fetching the credentials for AWS"),
            },
        }
    }

    /// AWS says that these are not good any more.
    pub async fn forget(&self, refused: &Credentials) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| held.access_key_id() == refused.access_key_id()) {
            *held = None;
        }
    }
}

/// New credentials are fetched so long before the old ones end.
const SPARE: Duration = Duration::from_secs(300);

fn left(credentials: &Credentials) -> Duration {
    match credentials.expiry() {
        Some(expiry) => expiry.duration_since(SystemTime::now()).unwrap_or_default(),
        None => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;

    use super::*;

    /// Gives credentials that live for the seconds at their turn, and none after that.
    #[derive(Debug)]
    struct Role(Vec<u64>, AtomicU64);

    impl ProvideCredentials for Role {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let turn = self.1.fetch_add(1, Ordering::Relaxed);
            let life = self.0.get(usize::try_from(turn).unwrap());
            future::ProvideCredentials::ready(match life {
                Some(seconds) => {
                    let expiry = SystemTime::now() + Duration::from_secs(*seconds);
                    Ok(Credentials::new(format!("key-{turn}"), "hunter2", None, Some(expiry), "test"))
                }
                None => Err(CredentialsError::not_loaded_no_source()),
            })
        }
    }

    fn current(lives: &[u64]) -> Current {
        let provider = SharedCredentialsProvider::new(Role(lives.to_vec(), AtomicU64::new(0)));
        Current { provider, held: Mutex::default() }
    }

    async fn key(current: &Current) -> Option<String> {
        current.get().await.ok().map(|credentials| credentials.access_key_id().to_owned())
    }

    #[tokio::test]
    async fn credentials_are_kept_until_shortly_before_they_end() {
        let role = current(&[3600]);
        assert_eq!([key(&role).await, key(&role).await], [Some("key-0".to_owned()), Some("key-0".to_owned())]);
        let ending = current(&[200, 3600]);
        assert_eq!([key(&ending).await, key(&ending).await], [Some("key-0".to_owned()), Some("key-1".to_owned())]);
        // What is still good does while nothing new is to be had.
        let away = current(&[200]);
        assert_eq!([key(&away).await, key(&away).await], [Some("key-0".to_owned()), Some("key-0".to_owned())]);
        let dead = current(&[0]);
        assert_eq!([key(&dead).await, key(&dead).await], [Some("key-0".to_owned()), None]);
    }

    #[tokio::test]
    async fn refused_ones_are_fetched_again() {
        let role = current(&[3600, 3600]);
        let first = role.get().await.unwrap();
        role.forget(&first).await;
        assert_eq!(key(&role).await.as_deref(), Some("key-1"));
        role.forget(&first).await;
        assert_eq!(key(&role).await.as_deref(), Some("key-1"));
    }
}
