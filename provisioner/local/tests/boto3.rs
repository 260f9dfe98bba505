//! The standard behaviour, as boto3 sees it: `tests/standard.py`, with the Python that the emulators' tests have.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local::messaging::{Config, serve};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn standard_behaviour() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../.emulators/venv/bin/python");
    assert!(python.exists(), "provisioner/setup.sh installs boto3, with the emulators: {}", python.display());
    let directory = tempfile::tempdir().expect("a directory");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = serve(listener, directory.path(), &Config::default()).expect("a service");

    let run = Command::new(python)
        .arg(root.join("tests/standard.py"))
        .arg(format!("http://{}", server.address()))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run).await.expect("in time").expect("Python");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    server.stop().await;
}
