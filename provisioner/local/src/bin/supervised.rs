//! A program that hands its hidden arguments on, as `provision` does. For tests that kill a client, it also applies the
//! parts in a file.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use local::supervisor::client;
use local::supervisor::part::Wanted;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = local::hidden::run(&arguments) {
        return code;
    }
    match visible(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn visible(arguments: &[OsString]) -> Result<()> {
    let [verb, state, rest @ ..] = arguments else { bail!("up STATE FILE, or down STATE") };
    match (verb.to_str(), rest) {
        (Some("up"), [file]) => {
            let wanted: Wanted = serde_json::from_slice(&std::fs::read(file)?).context("the parts")?;
            let outcome = client::ensure(Path::new(state))?.apply(&wanted, Duration::from_secs(60), |_| {})?;
            match outcome.failed.first() {
                Some(failure) => bail!("{}: {}", failure.part, failure.error),
                None => Ok(()),
            }
        }
        (Some("down"), []) => client::stop_all(Path::new(state), Duration::from_secs(60), |_| {}),
        _ => bail!("up STATE FILE, or down STATE"),
    }
}
