#!/usr/bin/env bash
# Does the main job without an AWS account: `up`, `plan` (empty) and `down` of a stack against emulators of AWS. It
# installs and starts the emulators. Simulated time runs 60 times as fast: a database takes 7 seconds instead of 7
# minutes.
#
#   provisioner/try.sh [stacks/sendy.yaml] [dev|prod] [moto|ministack]
set -euo pipefail
cd "$(dirname "$0")/.."
stack=${1:-stacks/sendy.yaml}
env=${2:-dev}
base=${3:-moto}
scale=60

step() { printf '\n==> %s\n' "$*" >&2; }

step "installing what is missing"
./provisioner/setup.sh
step "building the runtime that the stack deploys (static, for the image and the log forwarder)"
PROVISION_RUNTIME=$(./runtime/build.sh | tail -n 1)
export PROVISION_RUNTIME
step "building provision and the tests' gateway (the first time this takes some minutes)"
cargo build --locked --workspace

bin=${CARGO_TARGET_DIR:-target}/debug
step "starting the gateway with $base behind it"
address=$(mktemp)
"$bin/gateway" --base "$base" --scale "$scale" >"$address" &
gateway=$!
trap 'kill $gateway 2>/dev/null || true; rm -f "$address"' EXIT
for _ in $(seq 100); do
  [ -s "$address" ] && break
  sleep 0.1
done
AWS_ENDPOINT_URL=$(head -n 1 "$address")
[ -n "$AWS_ENDPOINT_URL" ] || { echo "the gateway did not start" >&2; exit 1; }
export AWS_ENDPOINT_URL PROVISION_TIME_SCALE=$scale
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true

step "provision up $stack --env $env --yes"
"$bin/provision" up "$stack" --env "$env" --yes
step "provision plan $stack --env $env --exit-code   (nothing is left to do)"
"$bin/provision" plan "$stack" --env "$env" --exit-code
step "provision down $stack --env $env --delete-data --yes"
"$bin/provision" down "$stack" --env "$env" --delete-data --yes
