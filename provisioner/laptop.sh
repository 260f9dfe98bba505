#!/usr/bin/env bash
# Runs Sendy on this machine, from a fresh clone. It installs what is missing, builds, runs `up --local` with the probe
# as its last step, and says what to try. It leaves the stack running.
#
#   provisioner/laptop.sh [stacks/sendy.yaml]
set -euo pipefail
cd "$(dirname "$0")/.."
stack=${1:-stacks/sendy.yaml}

step() { printf '\n==> %s\n' "$*" >&2; }

step "installing what is missing"
./provisioner/setup.sh laptop
step "building provision and the runtime (the first time this takes some minutes)"
# Without what talks to AWS, whose SDKs are most of a build; in a folder of its own, so that it never stands in for the whole.
target=${CARGO_TARGET_DIR:-target}/laptop
cargo build --locked --target-dir "$target" -p provision -p runtime --no-default-features
provision=$target/debug/provision

step "provision up $stack --local --yes"
"$provision" up "$stack" --local --yes
outputs=$("$provision" outputs "$stack" --local --format env)
address=$(sed -n 's/^SERVICES_ADDRESS=//p' <<<"$outputs")
dashboard=$(sed -n 's/^DASHBOARD=//p' <<<"$outputs")
# As one would type it: there may be a space in it.
stack=$(printf %q "$stack")
provision=$(printf %q "$provision")
cat >&2 <<END

It runs. Try:
  curl -X POST $address/reservations -d '{"departure":"서울","destination":"부산","date":"2022-06-07","user_name":"me"}'
  curl -i $address/reservations/1
  curl $address/notifications?after=0
  $provision status $stack --local
  $dashboard    # in a browser: all of it on one page
  $provision local stop $stack reservations            # the primary; ask again, then:
  $provision local promote $stack reservations-replica # and again; status tells more
  $provision down $stack --local                       # stops everything, keeps the data
END
