#!/usr/bin/env bash
# Runs all tests, also on a fresh Debian machine with Rust. It installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
./provisioner/setup.sh packages
# The emulators and the linters arrive while the first build runs.
log=$(mktemp)
./provisioner/setup.sh programs >"$log" 2>&1 &
programs=$!
# The static runtime is what the image and the Lambda package hold; tests run it in a chroot.
PROVISION_RUNTIME=$(./runtime/build.sh | tail -n 1)
export PROVISION_RUNTIME
wait "$programs" || { cat "$log" >&2; exit 1; }
rm -f "$log"
exec ./provisioner/tests/run.py "$@"
