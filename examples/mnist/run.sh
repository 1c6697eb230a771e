#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds libkd and runs the main job; every option goes to the program (see --help).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${KD_BUILD:-$root/build}

sh "$root/tests/packages.sh" build
if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" -Dtests=false -Dwerror=false >"$root/.setup.log" 2>&1 || {
        cat "$root/.setup.log" >&2
        exit 1
    }
    rm -f "$root/.setup.log"
fi
[ -x "$build/examples/mnist" ] || echo "building in $build, which takes about a minute ..." >&2
ninja -C "$build" examples/mnist >/dev/null || ninja -C "$build" examples/mnist
exec "$build/examples/mnist" "$@"
