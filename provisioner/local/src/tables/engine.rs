//! The engine: the library's database in a file, and the library's own HTTP server before it. Only that server has the
//! library's reading of requests and its words for errors, so requests go to it, at an address that nobody else knows.
//!
//! The engine has threads of its own, with large stacks. A request that makes the library panic ends its connection. The
//! library's lock is useless after that, so the database is opened again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dynoxide::Database;
use dynoxide::server::serve_with_shutdown;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::kept;
use crate::client::{Answer, Client};
use crate::listen::log;

pub struct Engine {
    path: PathBuf,
    client: Client,
    running: Mutex<Option<Running>>,
}

struct Running {
    database: Database,
    address: SocketAddr,
    runtime: Runtime,
    stop: oneshot::Sender<()>,
}

/// The threads that answer. The database has one writer, but a large answer is made beside the others.
const THREADS: usize = 4;
/// The longest expression that gets here needs a part of it. Memory that is not touched costs nothing.
const STACK: usize = 64 << 20;
/// The time for an answer. A table of some million items is read in it.
const WITHIN: Duration = Duration::from_secs(120);

impl Engine {
    pub fn open(directory: &Path) -> Result<Engine> {
        let path = directory.join("tables.db");
        let running = start(&path)?;
        Ok(Engine { path, client: Client::new(), running: Mutex::new(Some(running)) })
    }

    pub fn database(&self) -> Result<Database> {
        let running = self.running();
        running.as_ref().map(|running| running.database.clone()).context("the tables are being closed")
    }

    /// Hands a request to the library's server. If it panics, the database is opened again, and this is an error.
    pub async fn ask(&self, mut request: Request<Full<Bytes>>) -> Result<Answer> {
        let address = self.running().as_ref().map(|running| running.address).context("the tables are being closed")?;
        *request.uri_mut() = format!("http://{address}/{}", query(request.uri().query())).parse()?;
        let answer = self.client.send(request, WITHIN).await;
        if answer.as_ref().map_or(true, |answer| answer.status.is_server_error()) {
            self.mend()?;
        }
        answer
    }

    pub fn close(&self) {
        let running = self.running().take();
        if let Some(Running { database, runtime, stop, .. }) = running {
            let _ = stop.send(());
            drop(database);
            runtime.shutdown_background();
        }
    }

    /// Opens the database again if its lock is useless.
    pub fn mend(&self) -> Result<()> {
        let mut running = self.running();
        match running.take() {
            Some(usable) if usable.database.table_count().is_ok() => *running = Some(usable),
            Some(Running { database, runtime, stop, .. }) => {
                log("a request made the engine of the tables panic; its file is opened again");
                let _ = stop.send(());
                drop(database);
                runtime.shutdown_background();
                *running = Some(start(&self.path)?);
            }
            None => {}
        }
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        // It is replaced as a whole: a panic leaves nothing half done.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
    }
}

fn query(query: Option<&str>) -> String {
    query.map(|query| format!("?{query}")).unwrap_or_default()
}

fn start(path: &Path) -> Result<Running> {
    let text = path.to_str().context("a path that is not UTF-8")?;
    let database = Database::new(text).map_err(|error| anyhow!("`{text}`: {error}"))?;
    kept::add_indexes(path)?;
    let listener = hidden_listener()?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_stack_size(STACK)
        .thread_name("tables")
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let served = database.clone();
    runtime.spawn(async move {
        let serving = async {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
            serve_with_shutdown(listener, served, async { drop(stopped.await) }).await
        };
        if let Err(error) = serving.await {
            log(&format!("the engine of the tables: {error}"));
        }
    });
    Ok(Running { database, address, runtime, stop })
}

/// The library's server lets any page of a browser in. So it listens at one of 16 million loopback addresses, where the
/// system has them, and not at 127.0.0.1.
fn hidden_listener() -> Result<TcpListener> {
    let address = Ipv4Addr::from(0x7f00_0000 | fastrand::u32(2..0x00ff_ffff));
    let listener = TcpListener::bind((address, 0)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    listener.context("a port for the engine of the tables")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dynoxide::storage_backend::Clock;
    use serde_json::json;

    use super::*;

    struct Broken;

    impl Clock for Broken {
        fn now_unix_secs(&self) -> u64 {
            panic!("a panic of the library")
        }

        fn now_unix_secs_f64(&self) -> f64 {
            panic!("a panic of the library")
        }
    }

    fn things() -> serde_json::Value {
        json!({ "TableName": "things", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "N" }] })
    }

    #[test]
    fn after_a_panic_the_file_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::open(directory.path()).unwrap();
        engine.database().unwrap().create_table(serde_json::from_value(things()).unwrap()).unwrap();
        let broken = Database::memory_with_clock(Arc::new(Broken)).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| broken.sweep_ttl()));
        assert!(panicked.is_err() && broken.table_count().is_err(), "its lock is useless now");
        let before = engine.running().as_ref().unwrap().address;
        engine.mend().unwrap();
        assert_eq!(engine.running().as_ref().unwrap().address, before, "it worked");
        engine.running().as_mut().unwrap().database = broken;
        engine.mend().unwrap();
        assert_eq!(engine.database().unwrap().table_count().unwrap(), 1);
        assert_ne!(engine.running().as_ref().unwrap().address, before);
        engine.close();
        assert!(engine.mend().is_ok() && engine.database().is_err());
    }
}
