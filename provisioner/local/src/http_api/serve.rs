//! Listens, and takes a new configuration as soon as there is one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::config::Api;
use super::forward::{Forwarder, WITHIN};
use crate::client::Client;
use crate::{listen, reread};

/// The time between two requests of a connection, and for requests under way when the API is told to stop.
const PATIENCE: listen::Patience =
    listen::Patience { head: Some(Duration::from_secs(60)), drain: Duration::from_secs(5) };

/// Runs the API as a process of its own, until it is told to stop.
pub fn run(path: &Path, port: &str) -> Result<()> {
    let port: u16 = port.parse().context("the port is not a number")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let bytes = std::fs::read(path).with_context(|| format!("`{}`", path.display()))?;
    let api = Api::parse(&bytes).with_context(|| format!("`{}`", path.display()))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
        let (sender, receiver) = watch::channel(Arc::new(api));
        let mut term = signal(SignalKind::terminate())?;
        tokio::spawn(reread::follow(path.to_owned(), bytes, Api::parse, sender));
        let forwarder = Arc::new(Forwarder { client: Client::new(), port, within: WITHIN });
        let stop = async { term.recv().await.unwrap_or_default() };
        listen::serve(listener, PATIENCE, stop, move |request, from| {
            let (forwarder, api) = (Arc::clone(&forwarder), Arc::clone(&receiver.borrow()));
            Box::pin(async move { forwarder.answer(&api, request, from).await })
        })
        .await;
        Ok(())
    })
}
