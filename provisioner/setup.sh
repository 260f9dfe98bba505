#!/usr/bin/env bash
# Installs the programs that building and testing need and that are missing. It can do that on Debian and Ubuntu.
# Elsewhere it says what is missing. It is quiet when there is nothing to do.
#
#   setup.sh            everything
#   setup.sh laptop     what README's first command needs: a C compiler (for the TLS library), the engines, a search engine
#   setup.sh packages   everything, Debian's packages only
#   setup.sh programs   everything but Debian's packages: the emulators, an OpenSearch, linters
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
part=${1:-all}

packages() {
  local missing=() sudo=""
  # On Debian the engines are not on everybody's PATH.
  local PATH=$PATH:/usr/sbin:/usr/local/sbin
  # need PACKAGE... -- PROGRAM...: the packages, when one of the programs is missing.
  need() {
    local wanted=()
    while [ "$1" != -- ]; do wanted+=("$1"); shift; done
    shift
    for program; do
      command -v "$program" >/dev/null || { missing+=("${wanted[@]}"); return; }
    done
  }
  command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.94 or later first" >&2; exit 1; }
  need gcc libc6-dev -- cc
  need cmake -- cmake
  need make -- make
  need python3 -- python3
  # Programs only, no service is started. `mariadb-install-db` is a script that calls programs of both packages.
  need mariadb-server-core -- mariadbd mariadb-install-db
  need mariadb-client-core -- my_print_defaults
  need redis-tools -- redis-check-rdb
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  if [ "$part" != laptop ]; then
    need openjdk-17-jre-headless -- java
    need maven -- mvn
    # The local dashboard is tested in a real browser.
    need chromium -- chromium
    need chromium-driver -- chromedriver
    # A test cuts a stack off from the network.
    need iproute2 -- ip
    # Builds actionlint, which checks the workflow that `provision ci` prints.
    need golang-go -- go
  fi
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "please install: ${missing[*]}" >&2
    exit 1
  fi
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "installing ${missing[*]}" >&2
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

# The local search engine: one static program out of a Python package. Without it logs are files only.
search_engine() {
  local cache=${PROVISION_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/provision}/cache
  local fetched
  if command -v osmem-server >/dev/null || [ -x "$cache/osmem-server" ]; then
    return 0
  fi
  mkdir -p "$cache"
  fetched=$(mktemp -d)
  # Not bin/pip, which is a script: its first line is a path that must not have a space or a quote.
  if python3 -m venv "$fetched/venv" && "$fetched/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps osmem-server==0.1.6; then
    find "$fetched/venv" -name osmem-server -type f -size +1M -exec install -m 755 {} "$cache/osmem-server" \;
  else
    echo "the search engine could not be fetched: logs will be files only" >&2
  fi
  rm -rf "$fetched"
}

case $part in
all | laptop | packages | programs) ;;
*) echo "usage: $0 [laptop|packages|programs]" >&2; exit 64 ;;
esac
[ "$part" = programs ] || packages
[ "$part" = packages ] || search_engine
case $part in
all | programs)
  "$here/gateway/install.sh"
  "$here/../runtime/tests/opensearch.sh" install
  ;;
esac
