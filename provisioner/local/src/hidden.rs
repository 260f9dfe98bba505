//! The arguments with which a program calls itself. Every program that uses this crate gives its arguments here first.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::engines::light;
use crate::{balancer, dashboard, functions, http_api, messaging, supervisor, tables};

/// Does what the hidden arguments say (the program's name is left out). `None` if these are not hidden arguments.
pub fn run(arguments: &[OsString]) -> Option<ExitCode> {
    if arguments.first()? != "local" {
        return None;
    }
    let result = match (arguments.get(1)?.to_str()?, &arguments[2..]) {
        ("supervise", [flag, state]) if flag == "--state" => supervisor::serve::supervise(&PathBuf::from(state)),
        ("child", [parent, program, rest @ ..]) => supervisor::serve::become_child(parent, program, rest),
        ("balance", [config, port]) => balancer::serve::run(&PathBuf::from(config), port),
        ("cap", [port]) => light::cap(port.to_str()?.parse().ok()?),
        ("function", [config, port]) => functions::serve::run(&PathBuf::from(config), port.to_str()?),
        ("function-once", [config, port]) => functions::serve::run_once(&PathBuf::from(config), port.to_str()?),
        ("http-api", [config, port]) => http_api::serve::run(&PathBuf::from(config), port.to_str()?),
        ("dashboard", [state, port]) => dashboard::serve::run(&PathBuf::from(state), port),
        ("messages", [config, directory, port]) => messages(config, directory, port),
        ("tables", [config, directory, port]) => tables(config, directory, port),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The caller made the log file standard error.
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    })
}

/// Runs SNS and SQS until a signal says stop. Messages are kept in the directory.
fn messages(config: &OsString, directory: &OsString, port: &OsString) -> anyhow::Result<()> {
    let port: u16 = port.to_str().and_then(|port| port.parse().ok()).context("no port")?;
    let config = std::fs::read(config).with_context(|| format!("`{}`", config.display()))?;
    let config: messaging::Config = serde_json::from_slice(&config)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port}"))?;
        let server = messaging::serve(listener, &PathBuf::from(directory), &config)?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        terminate.recv().await;
        server.stop().await;
        Ok(())
    })
}

/// Runs DynamoDB and its streams until a signal says stop. Items are kept in the directory.
fn tables(config: &OsString, directory: &OsString, port: &OsString) -> anyhow::Result<()> {
    let port: u16 = port.to_str().and_then(|port| port.parse().ok()).context("no port")?;
    let config = std::fs::read(config).with_context(|| format!("`{}`", config.display()))?;
    let config: tables::Config = serde_json::from_slice(&config)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port}"))?;
        let server = tables::serve(listener, &PathBuf::from(directory), &config)?;
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        terminate.recv().await;
        server.stop().await;
        Ok(())
    })
}
