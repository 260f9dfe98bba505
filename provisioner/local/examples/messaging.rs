//! The messaging service on its own: `cargo run -p local --example messaging -- --port 4566 --directory /tmp/messages`.
//! `--config file.json` names a file with declared topics, queues and subscriptions.

#![allow(clippy::print_stdout)]

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context, bail};
use local::messaging::{Config, serve};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut port = 0;
    let mut directory = None;
    let mut config = Config::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--port" => port = value.parse()?,
            "--directory" => directory = Some(PathBuf::from(value)),
            "--config" => config = serde_json::from_str(&std::fs::read_to_string(value)?)?,
            _ => bail!("--port, --directory and --config are all there is, not {argument}"),
        }
    }
    let directory = directory.context("--directory is needed")?;
    let server = serve(TcpListener::bind(("127.0.0.1", port))?, &directory, &config)?;
    // The tests wait for this first line.
    println!("http://{}", server.address());
    std::future::pending::<()>().await;
    Ok(())
}
