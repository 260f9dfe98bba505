//! The gateway as a program, for tools that are not Rust tests. It prints its URL and serves until it is told to end.

use clap::{Parser, ValueEnum};
use gateway::{Base, Gateway, Options, Upstreams};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// AWS emulators behind the manners of AWS. Set AWS_ENDPOINT_URL to the URL that this prints.
#[derive(Parser)]
struct Arguments {
    /// The emulator that serves what has no route of its own
    #[arg(long, value_enum, default_value = "moto")]
    base: BaseName,
    /// 0 takes any free port
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Simulated seconds per real second
    #[arg(long, default_value_t = 20.0)]
    scale: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Give the emulators' answers as they are
    #[arg(long)]
    no_mutate: bool,
    /// Everything is available at once
    #[arg(long)]
    no_lifecycles: bool,
    /// Accept what the emulators accept
    #[arg(long)]
    no_refuse: bool,
    /// Append every request to this file, a JSON line each
    #[arg(long)]
    record: Option<PathBuf>,
    /// Ports of emulators that already run
    #[arg(long)]
    moto: Option<u16>,
    #[arg(long)]
    ministack: Option<u16>,
}

#[derive(Clone, Copy, ValueEnum)]
enum BaseName {
    Moto,
    Ministack,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let gateway = Gateway::start(Options {
        base: match arguments.base {
            BaseName::Moto => Base::Moto,
            BaseName::Ministack => Base::Ministack,
        },
        scale: arguments.scale,
        mutate: !arguments.no_mutate,
        lifecycles: !arguments.no_lifecycles,
        refuse: !arguments.no_refuse,
        seed: arguments.seed,
        upstreams: Some(Upstreams::at(arguments.moto, arguments.ministack)),
        record: arguments.record,
        port: arguments.port,
    })
    .await?;
    #[allow(clippy::print_stdout, reason = "the URL is what the program is started for")]
    {
        println!("{}", gateway.url());
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    gateway.stop().await;
    Ok(())
}
