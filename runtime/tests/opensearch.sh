#!/bin/sh
# A real OpenSearch, one node on loopback. Needs a Java 17 runtime and Maven.
#   opensearch.sh install            fetches it into <repo>/.emulators/opensearch; does nothing if it is there
#   opensearch.sh run PORT FOLDER    becomes the node, with its data in FOLDER; PORT is between 9201 and 9299
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home="$here/../../.emulators/opensearch"
pom="$here/../../templates/search/opensearch-pom.xml"

install() {
    if [ -f "$home/pom.xml" ] && cmp -s "$pom" "$home/pom.xml"; then
        return
    fi
    rm -rf "$home"
    mkdir -p "$home/lib"
    mvn --quiet --batch-mode --file "$pom" dependency:copy-dependencies \
        "-DoutputDirectory=$(cd "$home/lib" && pwd)" >&2
    # This file is copied last. It says that all others are there.
    cp "$pom" "$home/pom.xml"
}

case "${1:-}" in
install)
    install
    ;;
run)
    install
    mkdir -p "$3"
    # The runner takes the port after the one that it is given. It replaces this shell, so that the caller can end it.
    exec java -Xms256m -Xmx512m -XX:+UseSerialGC -cp "$home/lib/*" org.codelibs.opensearch.runner.OpenSearchRunner \
        -basePath "$3" -numOfNode 1 -baseHttpPort $(($2 - 1)) -clusterName provision
    ;;
*)
    sed -n '2,4s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
