//! One loader for each key. A caller that asks for a key which is being loaded waits for that loader.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::database::Late;

pub struct Flights<T>(Mutex<InTheAir<T>>);

type InTheAir<T> = HashMap<String, Arc<OnceCell<Result<T, Arc<anyhow::Error>>>>>;

impl<T: Clone> Flights<T> {
    /// Gives what is under the key. It is loaded by this caller, or by an earlier one. If the client of a loader goes
    /// away, the next caller in line loads.
    pub async fn join(&self, key: String, load: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let flight = Arc::clone(self.lock().entry(key.clone()).or_default());
        let loaded = flight.get_or_init(|| async { load.await.map_err(Arc::new) }).await.clone();
        let mut flights = self.lock();
        // The first caller to get here removes the flight. A later flight under the same key is another one.
        if flights.get(&key).is_some_and(|current| Arc::ptr_eq(current, &flight)) {
            flights.remove(&key);
        }
        loaded.map_err(|error| match error.downcast_ref::<Late>() {
            Some(late) => late.clone().into(),
            None => anyhow::anyhow!("{error:#}"),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, InTheAir<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Flights(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_hundred_callers_load_once() {
        let flights = Arc::new(Flights::default());
        let loads = Arc::new(AtomicUsize::new(0));
        let callers = (0..100).map(|_| {
            let (flights, loads) = (Arc::clone(&flights), Arc::clone(&loads));
            tokio::spawn(async move {
                let load = async {
                    loads.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok(7)
                };
                flights.join("key".to_owned(), load).await.unwrap()
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            assert_eq!(caller.await.unwrap(), 7);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_loader_that_goes_away_is_followed_by_the_next() {
        let flights = Arc::new(Flights::default());
        let first = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.join("key".to_owned(), std::future::pending::<anyhow::Result<i32>>()).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let second = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.join("key".to_owned(), async { Ok(2) }).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        first.abort();
        assert_eq!(second.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_failure_is_everybodys_and_not_remembered() {
        let flights = Flights::default();
        let failed: anyhow::Result<i32> = flights.join("key".to_owned(), async { anyhow::bail!("no") }).await;
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert_eq!(flights.join("key".to_owned(), async { Ok(1) }).await.unwrap(), 1);
    }
}
