//! Listens, and takes a new configuration as soon as there is one.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::Config;
use super::forward::Forwarder;
use super::health::Pools;
use crate::reread;

/// The default of an ALB.
pub const IDLE: Duration = Duration::from_secs(60);

/// The time for requests under way after the balancer was told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the balancer as a process of its own, until it is told to stop.
pub fn run(path: &Path, port: &OsString) -> Result<()> {
    let port: u16 = port.to_str().and_then(|port| port.parse().ok()).context("the port is not a number")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let bytes = std::fs::read(path).with_context(|| format!("`{}`", path.display()))?;
    let config = Config::parse(&bytes).with_context(|| format!("`{}`", path.display()))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
        let (sender, receiver) = watch::channel(Arc::new(config));
        let mut term = signal(SignalKind::terminate())?;
        tokio::spawn(reread::follow(path.to_owned(), bytes, Config::parse, sender));
        serve(listener, receiver, IDLE, async move { term.recv().await.unwrap_or_default() }).await
    })
}

/// Serves until `stop`, and then as long as the requests under way need, within reason.
pub async fn serve(
    listener: TcpListener,
    mut config: watch::Receiver<Arc<Config>>,
    idle: Duration,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let port = listener.local_addr()?.port();
    let forwarder = Arc::new(Forwarder::new(idle));
    let pools = Arc::new(Pools::default());
    let graceful = GracefulShutdown::new();
    pools.configure(&config.borrow_and_update());
    tokio::pin!(stop);
    loop {
        let (stream, from) = tokio::select! {
            () = &mut stop => break,
            Ok(()) = config.changed() => {
                pools.configure(&config.borrow_and_update());
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // No file descriptor is free. That does not last for ever.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let (forwarder, pools, config) = (forwarder.clone(), pools.clone(), config.clone());
        let service = service_fn(move |request| {
            let (forwarder, pools, config) = (forwarder.clone(), pools.clone(), config.borrow().clone());
            async move { Ok::<_, Infallible>(forwarder.forward(request, &config, &pools, from, port).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(graceful.watch(connection));
    }
    drop(listener);
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
    Ok(())
}
