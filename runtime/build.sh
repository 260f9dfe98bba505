#!/bin/sh
# Builds the runtime as one static binary, and prints its path as the last line of standard output.
#
#     runtime/build.sh [x86_64|aarch64]
#
# It links musl if that target is installed, else the GNU C library. Both are linked statically.
set -eu

architecture=${1:-x86_64}
case $architecture in
x86_64 | aarch64) ;;
*)
    echo "usage: $0 [x86_64|aarch64]" >&2
    exit 2
    ;;
esac

installed() {
    [ -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)" ]
}

cd "$(dirname "$0")"
cd "$(pwd -P)/.."
musl=$architecture-unknown-linux-musl
gnu=$architecture-unknown-linux-gnu
if installed "$musl"; then
    target=$musl
elif installed "$gnu"; then
    target=$gnu
else
    echo "neither the target $musl nor $gnu is installed; try: rustup target add $musl" >&2
    exit 1
fi

# The target is named even if it is the host's. Only then the flags do not touch build scripts and macros, which cannot
# be static.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
    cargo build --package runtime --bin runtime --locked --profile runtime --target "$target" >&2

directory=${CARGO_TARGET_DIR:-target}
case $directory in
/*) ;;
*) directory=$PWD/$directory ;;
esac
echo "$directory/$target/runtime/runtime"
