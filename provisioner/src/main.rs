//! Parses the command line, runs the command, ends with its exit code.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    provision::cli::main().await
}
