#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds libkd and runs its tests, on a machine that need not be prepared.
set -eu

usage() {
    cat <<TEXT
usage: sh tests/run.sh [options] [-Doption=value ...]

Installs the Debian packages that are missing (see tests/packages.sh), builds, runs all tests, and
ends with a line: N passed, N failed. The exit code is 0 if none failed.

  --build DIR       build directory (build; with --compiler build-CC)
  --compiler CC     C compiler, such as gcc or clang (what meson finds)
  --suite NAME      only the tests of one room or of 'checks'; may be repeated
  --no-suite NAME   all but those
  --timeout-multiplier N   of the ten minutes that each test may take (1)
  --no-install      leave the machine's packages alone
  -Doption=value    for meson, such as -Db_sanitize=address,undefined
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
build=
compiler=
install=yes
suites=
options="-Dtests=true -Dwerror=false" # a newer compiler may warn of more; CI sets it to true
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --build | --compiler | --suite | --no-suite | --timeout-multiplier)
        [ $# -gt 1 ] || { echo "run.sh: $1 needs a value" >&2 && exit 2; }
        case $1 in
        --build) build=$2 ;;
        --compiler) compiler=$2 ;;
        *) suites="$suites $1 $2" ;;
        esac
        shift
        ;;
    --no-install) install=no ;;
    -D*) options="$options $1" ;;
    *) echo "run.sh: no such option: $1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
build=${build:-$root/build${compiler:+-$compiler}}

broken() {
    echo "run.sh: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}

[ $install = no ] || sh "$root/tests/packages.sh" tests || broken "packages are missing"

[ ! -f "$build/build.ninja" ] || options="--reconfigure $options"
[ -z "$compiler" ] || export CC="$compiler"
# shellcheck disable=SC2086 # lists of words
meson setup "$build" "$root" $options || broken "meson could not set $build up"
meson compile -C "$build" || broken "the build failed"

log=$build/meson-logs/testlog.json
rm -f "$log"
result=0
# shellcheck disable=SC2086
meson test -C "$build" --no-rebuild --print-errorlogs $suites || result=$?
[ -s "$log" ] || broken "no test was run"

# One line of JSON for each test. Quotes inside the tests' own words are escaped there.
count() {
    grep -c -E "\"result\": \"($1)\"" "$log" || true
}
all=$(grep -c '"result": "' "$log")
passed=$(count 'OK|EXPECTEDFAIL')
skipped=$(count 'SKIP')
failed=$((all - passed - skipped))
[ $result = 0 ] || [ $failed -gt 0 ] || failed=1
[ "$skipped" = 0 ] && echo "$passed passed, $failed failed" ||
    echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
