#!/usr/bin/env bash
# All tests, on a fresh Debian machine with Rust. Installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
./provisioner/setup.sh
# The static runtime is what the image and the Lambda package hold; tests run it in a chroot.
PROVISION_RUNTIME=$(./runtime/build.sh | tail -n 1)
export PROVISION_RUNTIME
# Test files one after the other: each has emulators of its own, and the machine has two cores.
cargo test --locked --workspace --no-fail-fast
