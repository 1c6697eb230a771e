#!/bin/sh
# SPDX-License-Identifier: MIT
# Which lines and branches of lib/ the tests reach.
set -eu

usage() {
    cat <<TEXT
usage: sh tests/coverage.sh [--build DIR]

Builds with gcc --coverage in DIR (build-coverage), runs the tests, and prints what gcovr finds for
each file of lib/. Ends with 0 if 95 % of the lines and 90 % of the branches are reached, and all
branches of the readers of files and of the arithmetic of sizes, but for those that
tests/support/unreached.txt lists with reasons. DIR/coverage.html has the lines.
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-coverage
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --build) build=$2 && shift ;;
    *) echo "coverage.sh: no such option: $1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
command -v gcovr >/dev/null || { echo "coverage: skipped, gcovr is not installed" && exit 0; }

find "$build" -name '*.gcda' -delete 2>/dev/null || true
CFLAGS="-O0 -fprofile-update=atomic" sh "$root/tests/run.sh" --no-install --build "$build" \
    --compiler gcc -Db_coverage=true -Dexamples=false --no-suite checks
cd "$root"
gcovr --root . --object-directory "$build" --filter 'lib/' --gcov-ignore-parse-errors \
    --json "$build/coverage.json" --html-details "$build/coverage.html" >/dev/null
python3 tests/support/coverage.py "$build/coverage.json"
