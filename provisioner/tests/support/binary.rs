//! Runs the binary against a gateway, as a user would.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use gateway::Gateway;
use tokio::process::Command;

/// The longest time of a run. It is generous, because the machine is shared.
const DEADLINE: Duration = Duration::from_secs(180);

/// An address at which nobody answers.
pub const NOWHERE: &str = "http://127.0.0.1:9";

/// The path of `stacks/<name>.yaml`.
pub fn stack(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../stacks").join(format!("{name}.yaml"))
}

pub fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("PROVISION_TIME_SCALE", super::SCALE.to_string())
        .envs(std::env::var_os("PROVISION_RUNTIME").map(|path| ("PROVISION_RUNTIME", path)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub async fn run(url: &str, arguments: &[&str]) -> Output {
    let output = tokio::time::timeout(DEADLINE, command(url, arguments).output()).await;
    output.expect("ends in time").expect("the binary runs")
}

/// Runs the program as the victim of the gateway's kill rules.
pub async fn run_as_victim(gateway: &Gateway, arguments: &[&str]) -> Output {
    let child = command(gateway.url(), arguments).spawn().expect("the binary runs");
    gateway.victim(child.id().expect("it has just been started"));
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await;
    output.expect("ends in time").expect("it can be waited for")
}

/// The whole output of the program, for a failed assertion.
pub fn said(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Writes a stack file with this text. It is deleted when the path is dropped.
pub fn written(text: &str) -> tempfile::TempPath {
    use std::io::Write;
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file.into_temp_path()
}

pub fn path(file: &Path) -> &str {
    file.to_str().expect("a path in UTF-8")
}

/// The text on stderr, with the file's path replaced by `stack.yaml`.
pub fn stderr(output: &Output, file: &Path) -> String {
    String::from_utf8_lossy(&output.stderr).replace(path(file), "stack.yaml")
}
