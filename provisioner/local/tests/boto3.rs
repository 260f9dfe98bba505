//! The standard behaviour, as boto3 sees it: `tests/standard.py` and `tests/tables.py`, with the Python that the emulators'
//! tests have.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use local::{messaging, tables};
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn standard_behaviour() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = messaging::serve(port(), directory.path(), &messaging::Config::default()).expect("a service");
    run("standard.py", server.address().port()).await;
    server.stop().await;
}

/// The tables are behind the door of all services.
#[tokio::test(flavor = "multi_thread")]
async fn tables_and_streams() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = tables::Config {
        account: "123456789012".to_owned(),
        region: "ap-northeast-2".to_owned(),
        ..tables::Config::default()
    };
    let tables = tables::serve(port(), &directory.path().join("tables"), &config).expect("a service");
    let config = messaging::Config { tables: Some(tables.address().port()), ..messaging::Config::default() };
    let door = messaging::serve(port(), &directory.path().join("messages"), &config).expect("a service");
    run("tables.py", door.address().port()).await;
    door.stop().await;
    tables.stop().await;
}

async fn run(script: &str, port: u16) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../.emulators/venv/bin/python");
    assert!(python.exists(), "provisioner/setup.sh installs boto3, with the emulators: {}", python.display());
    let run = Command::new(python)
        .arg(root.join("tests").join(script))
        .arg(format!("http://127.0.0.1:{port}"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run).await.expect("in time").expect("Python");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
}

fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}
