#!/bin/sh
# SPDX-License-Identifier: MIT
# Looks for bugs in lib/ without running it.
set -eu

usage() {
    cat <<TEXT
usage: sh tests/analyse.sh [--build DIR] [clang-tidy] [cppcheck] [gcc]

Analyses lib/ with each of these, or those named, that are installed, and says which are not. Ends
with 0 if nothing was found. DIR (build-analyse) holds meson's list of commands.

  clang-tidy  with the checks of .clang-tidy, clang-analyzer's among them
  cppcheck    all its checks of C
  gcc         gcc -fanalyzer
TEXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build-analyse
tools=
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --build) build=$2 && shift ;;
    clang-tidy | cppcheck | gcc) tools="$tools $1" ;;
    *) echo "analyse.sh: no such tool: $1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
tools=${tools:-clang-tidy cppcheck gcc}
[ -f "$build/build.ninja" ] ||
    meson setup "$build" "$root" -Dtests=false -Dexamples=false >/dev/null

cd "$root"
# The kernels of an instruction set are the same text thrice; intrinsics mean nothing to analysers.
files=$(ls lib/*/*.c | grep -v -e 'kern/avx' -e crc_table)
# These ask for POSIX before the first header, and say.c is where kdi_base_fail itself is.
first=$(grep -l -e '^#define _' -e '^kd_status kdi_base_fail' $files)
others=$(printf '%s\n' $files | grep -v -x -F "$first")
hint=$root/tests/support/analysis.h
log=$build/found.txt

# Prints what was found, and fails if that is anything.
none_in() {
    grep -E '(warning|error|style|performance|portability):' "$1" && cat "$1" && return 1
    return 0
}

clang_tidy() {
    printf '%s\n' $others |
        xargs -n 8 clang-tidy -p "$build" --quiet "--extra-arg=-include$hint" \
            >"$log" 2>/dev/null || true
    printf '%s\n' $first | xargs clang-tidy -p "$build" --quiet >>"$log" 2>/dev/null || true
    none_in "$log"
}

run_cppcheck() {
    cppcheck --std=c11 --language=c --enable=warning,style,performance,portability --inline-suppr \
        --quiet -I lib -I include --suppressions-list="$root/tests/support/cppcheck.txt" \
        --library=posix $files 2>"$log" || true
    none_in "$log"
}

gcc_analyzer() {
    : >"$log"
    for file in $files; do
        include=
        ! printf '%s\n' $others | grep -q -x -F "$file" || include="-include $hint"
        # shellcheck disable=SC2086 # a list of words
        gcc -std=c11 -O1 -fanalyzer -Iinclude -Ilib $include $cflags -c "$file" -o /dev/null \
            2>>"$log" ||
            echo "error: $file does not compile" >>"$log"
    done
    none_in "$log"
}

result=0
for tool in $tools; do
    if ! command -v "$tool" >/dev/null; then
        echo "$tool: skipped, it is not installed"
        continue
    fi
    case $tool in
    clang-tidy) clang_tidy ;;
    cppcheck) run_cppcheck ;;
    gcc) cflags=$(pkg-config --cflags openblas 2>/dev/null || true) && gcc_analyzer ;;
    esac && echo "$tool: nothing found" || { echo "$tool: FAILED" && result=1; }
done
exit $result
