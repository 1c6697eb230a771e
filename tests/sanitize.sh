#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs tests under sanitizers and valgrind that .ci/run has no time for.
set -eu

usage() {
    cat <<TEXT
usage: sh tests/sanitize.sh [--build DIR] KIND...

Builds below DIR (build-sanitize) and runs tests; ends with 0 if none failed.

  thread     ThreadSanitizer: threads that share, the pool, training. With the serial OpenBLAS,
             where it is installed, products are libkd's own, and the sanitizer sees them too.
  memory     MemorySanitizer (clang): all rooms, with a small CBLAS of the tests' own
  undefined  clang's further checks: numbers that wrap or lose bits unsaid, division by zero
  valgrind   memcheck on a quick selection
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-sanitize
kinds=
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --build) build=$2 && shift ;;
    thread | memory | undefined | valgrind) kinds="$kinds $1" ;;
    *) echo "sanitize.sh: no such kind: $1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
[ -n "$kinds" ] || { usage >&2 && exit 2; }

QUICK="base_border base_say io_bytes io_npy io_tensors io_malformed_tensors ckpt_net
    ckpt_training loss_golden loss_refusals loss_scratch net_net optim_optimizer teacher_teacher
    teacher_cache distill_step distill_create"
libraries=/usr/lib/$(uname -m)-linux-gnu

run() { # DIR OPTIONS...
    folder=$build/$1
    shift
    sh "$root/tests/run.sh" --no-install --build "$folder" -Dexamples=false "$@"
}

thread() {
    [ ! -d "$libraries/openblas-serial" ] || serial=$libraries/openblas-serial
    LD_LIBRARY_PATH=${serial:-} run thread -Db_sanitize=thread --suite base --suite port \
        --suite net --suite specialist --suite teacher --suite distill --suite threads \
        --timeout-multiplier 4
}

memory() {
    command -v clang >/dev/null || { echo "memory: skipped, there is no clang" && return; }
    mkdir -p "$build/cblas"
    clang -O2 -g -fPIC -fsanitize=memory -shared -o "$build/cblas/libcblas.so" \
        "$root/tests/support/cblas.c" "$root/tests/support/msan.c" -ldl
    headers=$(pkg-config --cflags openblas || pkg-config --cflags blas)
    printf 'Name: cblas\nDescription: for tests\nVersion: 1\nLibs: -L%s -lcblas\nCflags: %s\n' \
        "$build/cblas" "$headers" >"$build/cblas/blas-netlib.pc"
    CFLAGS="-fsanitize=memory -fsanitize-memory-track-origins -g" \
        LDFLAGS="-fsanitize=memory -L$build/cblas -Wl,--no-as-needed -lcblas" \
        PKG_CONFIG_PATH=$build/cblas LD_LIBRARY_PATH=$build/cblas run memory --compiler clang \
        -Db_sanitize=memory -Db_lundef=false -Dblas=blas-netlib --no-suite checks
}

undefined() {
    command -v clang >/dev/null || { echo "undefined: skipped, there is no clang" && return; }
    checks=integer,float-divide-by-zero,float-cast-overflow,bounds,nullability
    CFLAGS="-fsanitize=$checks -fno-sanitize-recover=$checks \
        -fsanitize-ignorelist=$root/tests/support/wraps.txt" run undefined --compiler clang \
        -Db_sanitize=undefined -Db_lundef=false --no-suite checks
}

valgrind() {
    command -v valgrind >/dev/null || { echo "valgrind: skipped, it is not installed" && return; }
    run valgrind --suite base -Dbuildtype=debugoptimized || return 1
    bad=
    for name in $QUICK; do
        echo "memcheck $name"
        command valgrind -q --error-exitcode=9 --leak-check=full --num-callers=30 \
            "$build/valgrind/tests/test_$name" >/dev/null || bad="$bad $name"
    done
    [ -z "$bad" ] || { echo "failed:$bad" && return 1; }
}

result=0
for kind in $kinds; do
    echo "=== $kind"
    $kind || { echo "FAILED: $kind" && result=1; }
done
exit $result
