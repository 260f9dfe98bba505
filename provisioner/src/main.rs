//! Parses the command line, runs the command, ends with its exit code.

use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};

fn main() -> ExitCode {
    // Passwords pass through this memory, and a crash must not leave them in a core file. A system that refuses this
    // call refuses core files too.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    if let Some(code) = provision::commands::laptop::hidden() {
        return code;
    }
    match tokio::runtime::Runtime::new() {
        Ok(tokio) => tokio.block_on(provision::cli::main()),
        Err(_) => ExitCode::FAILURE,
    }
}
