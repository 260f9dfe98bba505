#!/bin/sh
# The review of a stack in any CI that runs a shell. Printed by `provision ci shell`.
#
#   pipeline.sh plan     on a pull request: comment.md is for people, plan.json is what `up` may do
#   pipeline.sh offline  on a pull request from a fork: no credentials are used, and no call is made
#   pipeline.sh up       on the main branch, after `plan` there: exactly what plan.json says, or nothing
#
# Give each job credentials of its own: `provision policy STACK --env ENVIRONMENT --plan` prints the rights of `plan`, which read no
# data, and without --plan the rights of `up`, which only jobs of the main branch may get. Build `provision` and the runtime in a job
# without credentials.
#
# STACK and ENVIRONMENT say what; PLAN, COMMENT and PROVISION may name other files. Credentials come from where the AWS SDKs look.
# Let only one `up` of a stack run at a time, and do not cancel it for a newer one: it holds a lease, and the next waits for that.
# A job that is cancelled is safe: SIGINT or SIGTERM ends it after the calls in flight, a second one at once, and the next `up`
# goes on where it stopped. So `up` is the last command here, and takes the place of this shell, which would keep the signal.
set -eu

: "${STACK:?the stack file}" "${ENVIRONMENT:?one of its environments}"
provision=${PROVISION:-provision}
plan=${PLAN:-plan.json}
comment=${COMMENT:-comment.md}

case ${1:-} in
plan)
  # 0: no difference, 2: a difference. Anything else is a failure.
  code=0
  "$provision" plan "$STACK" --env "$ENVIRONMENT" --out "$plan" --format markdown --exit-code >"$comment" || code=$?
  case $code in
  0) echo "no difference" >&2 ;;
  2) echo "a difference: $comment is for people, $plan for up" >&2 ;;
  *) exit "$code" ;;
  esac
  ;;
offline)
  "$provision" plan "$STACK" --env "$ENVIRONMENT" --offline --format markdown >"$comment"
  ;;
up)
  exec "$provision" up "$STACK" --env "$ENVIRONMENT" --plan "$plan" --yes
  ;;
*)
  echo "usage: $0 plan|offline|up" >&2
  exit 64
  ;;
esac
