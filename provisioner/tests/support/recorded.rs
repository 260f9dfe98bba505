//! Compares the requests to AWS with AWS's own publications.

use std::path::Path;
use std::process::Command;

use super::binary::said;

/// Checks every request by the models that botocore ships, signatures included.
pub fn valid(record: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("../.emulators/venv/bin/python"))
        .arg(root.join("gateway/validate.py"))
        .arg(record)
        .output()
        .expect("python runs: run provisioner/gateway/install.sh first");
    assert!(output.status.success(), "{}", said(&output));
}
