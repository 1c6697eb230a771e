#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The full figures: everything that takes too long for each change, with a table of what came out.
set -uo pipefail

usage() {
    cat <<TEXT
usage: bash tests/long.sh [options]

Runs the steps at the end of this file and writes docs/long.md: the machine, and for each step its
result, what it counted, its seconds, and the date and commit it ran at. A step that fails does not
stop the others; the exit code is then 1. Takes two to three hours of two cores.

  --only PATTERN      only steps whose name matches this extended regular expression; if the table
                      is there already, they take the place of their rows in it
  --list              the names of the steps
  --part N            do 1/N of everything, to try it out (1)
  --fuzz-seconds N    at most so long for each libFuzzer target; 0 = until it has all its runs (0)
  --python PYTHON     one that has numpy, safetensors and torch (python3)
  --output FILE       in place of docs/long.md
  --work DIR          for the builds and the logs, which stay there (build-long)
TEXT
}

cd "$(dirname "$0")/.." || exit 2
root=$PWD
only=
part=1
seconds_of_fuzz=0
python=python3
output=docs/long.md
work=$root/build-long
list=
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --list) list=yes ;;
    --only | --part | --fuzz-seconds | --python | --output | --work)
        [ $# -gt 1 ] || { echo "long.sh: $1 needs a value" >&2 && exit 2; }
        case $1 in
        --only) only=$2 ;;
        --part) part=$2 ;;
        --fuzz-seconds) seconds_of_fuzz=$2 ;;
        --python) python=$2 ;;
        --output) output=$2 ;;
        --work) work=$2 ;;
        esac
        shift
        ;;
    *) echo "long.sh: no such option: $1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done

# ---- the table ----

mkdir -p "$work/logs"
: >"$work/failed"
# One thread each, and sanitizers that end the program: as in tests/meson.build.
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 BLIS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=halt_on_error=1:abort_on_error=1:allocator_may_return_null=1

# With a + if what runs is not quite what is committed; the table itself does not count.
commit() {
    git rev-parse --short=9 HEAD
    [ -z "$(git status --porcelain -- . ':!docs/long.md')" ] || echo "+"
}

machine() {
    echo "$(getconf _NPROCESSORS_ONLN) x" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "$(uname -sr), $(gcc --version | head -n 1), $(clang --version | head -n 1)"
}

begin_table() {
    cat >"$output" <<TEXT
# The long run

\`bash tests/long.sh\` wrote this table, each row at its own date and commit, on
$(machine).
$([ "$part" = 1 ] || echo "This was a trial: 1/$part of everything.")

| step | result | what it counted | seconds | at (UTC) | commit |
|---|---|---|---|---|---|
TEXT
}

# What a program said of its run: its last lines, without cmocka's frame.
said() {
    local frame='^\[|^$|^[ !]*lib/|^ *[0-9]+ (FAILED )?TEST|^ninja|^INFO|^Activating'
    grep -v -E "$frame|Entering directory|Full log written" "$1" |
        tail -n 4 | cut -c 1-160 | sed 's/|/\\|/g' | paste -sd ';' | sed 's/;/; /g'
}

# put_row NAME ROW: at the end, or in place of the row that has this name already.
put_row() {
    if grep -q -F "| $1 |" "$output"; then
        ROW=$2 awk -v name="| $1 |" '{ print index($0, name) == 1 ? ENVIRON["ROW"] : $0 }' \
            "$output" >"$output.new" && mv "$output.new" "$output"
    else
        echo "$2" >>"$output"
    fi
}

# step NAME COMMAND...: a row of the table.
step() {
    local name=$1 began=$SECONDS result=passed log row at
    if [ -n "$list" ]; then
        echo "$name"
        return
    fi
    [[ -z $only || $name =~ $only ]] || return
    log="$work/logs/${name//[^a-z0-9]/-}"
    at=$(commit | paste -sd '')
    if ! "${@:2}" >"$log" 2>&1; then
        result="**failed**"
        echo "$name" >>"$work/failed"
    fi
    echo "$name: $result, $((SECONDS - began)) s: $(said "$log")"
    row="| $name | $result | $(said "$log") | $((SECONDS - began)) |"
    [ "$at" = "$(commit | paste -sd '')" ] || at="$at, then changed"
    [ "$part" = 1 ] || at="$at, 1/$part of it"
    row="$row $(date -u '+%Y-%m-%d %H:%M') | $at |"
    (flock 9 && put_row "$name" "$row") 9>"$work/lock"
}

# 1/part of a number.
of() {
    echo $((($1 + part - 1) / part))
}

# ---- builds: each made once, when a step first asks for it, and then up to date ----

# build NAME [OPTION...]
build() {
    local folder=$work/$1
    [ -f "$folder/build.ninja" ] || meson setup "$folder" "$root" -Dwerror=false "${@:2}" || return
    meson compile -C "$folder"
}

sanitized() {
    build sanitized -Db_sanitize=address,undefined -Dbuildtype=debugoptimized
}

plain() {
    build plain -Dbuildtype=debugoptimized
}

fuzzers() {
    CC=clang build fuzz -Dfuzz=true -Dtests=false -Db_lundef=false \
        -Db_sanitize=address,undefined -Dbuildtype=debugoptimized
}

# Says nothing unless it fails.
quietly() {
    local words
    words=$("$@" 2>&1) || { printf '%s\n' "$words" && return 1; }
}

# ---- steps ----

corpora=tests/fuzz/corpus

# mutants TARGET COUNT: made from the corpus by our own mutator; half with checksums put right.
mutants() {
    sanitized >/dev/null && "$work/sanitized/tests/fuzz/fuzz_$1" "$corpora/$1" "$2"
}

# fuzz TARGET RUNS LONGEST: libFuzzer on the corpus, which is not changed; finds stay in the folder.
fuzz() {
    local found=$work/found/$1 log=$work/logs/libfuzzer-$1 result=0
    mkdir -p "$found"
    fuzzers >/dev/null || return
    "$work/fuzz/tests/fuzz/fuzz-$1" "$found" "$corpora/$1" -runs="$2" -max_len="$3" \
        -max_total_time="$(of "$seconds_of_fuzz")" -malloc_limit_mb=64 -timeout=10 \
        -artifact_prefix="$found/" -print_final_stats=1 >"$log" 2>&1 || result=$?
    grep -E 'ERROR|SUMMARY|not so' "$log"
    # "cov" counts edges of the library and of the target that some input reached.
    sed -n 's/^#[0-9]*[ \t]*\(DONE\|INITED\) *\(cov: [0-9]*\).*/\2/p' "$log" | tail -n 1
    sed -n -e 's/^stat::number_of_executed_units: */executions /p' \
        -e 's/^stat::average_exec_per_sec: */a second /p' "$log"
    return $result
}

# test_of BUILD TEST ARGUMENTS...: one of the test programs.
test_of() {
    "$1" >/dev/null && "$work/$1/tests/test_$2" "${@:3}"
}

# suite BUILD SUITE: how many of its tests passed.
suite() {
    "$1" >/dev/null && meson test -C "$work/$1" --no-rebuild --suite "$2" |
        grep -E '^(Ok|Fail|Timeout|Skipped):' | paste -sd ' ' | tr -s ' '
}

python_io() {
    plain >/dev/null &&
        "$python" tests/io/test_python.py --driver "$work/plain/tests/io_driver" --times "$1"
}

python_ckpt() {
    plain >/dev/null && "$python" tests/ckpt/test_python.py --saver "$work/plain/tests/saver"
}

python_roundtrip() {
    plain >/dev/null &&
        "$python" examples/python/roundtrip.py --distil "$work/plain/examples/distil"
}

[ -n "$list" ] || [[ -n $only && -f $output ]] || begin_table

# Made first, so that their time is nobody else's.
step "build: gcc" quietly plain
step "build: gcc with sanitizers" quietly sanitized
step "build: clang with libFuzzer" quietly fuzzers

# libFuzzer, with the same sanitizers. Half of all the time, and beside all the rest: two cores.
fuzz_all() {
    for target in checkpoint recording safetensors npy idx; do
        step "libFuzzer: $target" fuzz $target "$(of 10000000)" 4096
    done
    step "libFuzzer: tape" fuzz tape "$(of 100000)" 400
}
if [ -n "$list" ]; then
    fuzz_all
else
    fuzz_all &
    trap 'kill $! 2>/dev/null' EXIT
fi

# Analysers; coverage; threads, uninitialised memory, wrapping integers.
step "analysers" sh tests/analyse.sh --build "$work/analyse"
step "coverage" sh tests/coverage.sh --build "$work/coverage"
for kind in thread memory undefined valgrind; do
    step "sanitizer: $kind" sh tests/sanitize.sh --build "$work/sanitize" $kind
done

# Damaged files: 100,000 mutants of each format, under address and undefined behaviour sanitizers.
for target in checkpoint recording safetensors npy idx tape; do
    step "mutants: $target" mutants $target "$(of 100000)"
done
step "mutants: of whole trainings" test_of sanitized ckpt_damage "$(of 33334)"

# Every function with every sort of bad argument.
step "arguments" test_of sanitized api_arguments

# Killed in the middle, over and over.
step "kills: io" test_of plain io_kill "$(of 2000)"
step "kills: nets and trainings" test_of plain ckpt_kill --times "$(of 2000)"
step "kills: recordings" test_of plain teacher_cache_kill --times "$(of 2000)"

# Held against Python's own readers.
step "python: io" python_io "$(of 5)"
step "python: nets and trainings" python_ckpt
step "python: there and back through PyTorch" python_roundtrip

# Faults: memory, the system's calls, both, power cuts; under sanitizers, and more of them without.
step "faults: all, with sanitizers" suite sanitized trust
step "faults: power cuts of recordings" test_of plain trust_power_recording --times "$(of 10)"
step "faults: power cuts of saves" test_of plain trust_power_save --times "$(of 5)"
step "soak: memory, descriptors, the process" test_of plain trust_flat --times "$(of 10)"

step "planted bugs" python3 tests/mutate.py --work "$work/mutate" --count "$(of 320)"

# More steps go here.

if [ -z "$list" ]; then
    wait
    failed=$(wc -l <"$work/failed")
    echo "$output written, $failed failed"
    [ "$failed" = 0 ]
fi
