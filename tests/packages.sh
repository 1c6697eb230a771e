#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs those Debian packages of a list that are not there yet.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config libopenblas-dev zlib1g-dev libcjson-dev
ca-certificates curl"
tests="$build g++ binutils libcmocka-dev libfftw3-dev libsndfile1-dev python3"
ci="$tests python3-venv clang clang-format git libblis-dev libblas-dev libopenblas0-serial
abigail-tools"
bench="$build g++ python3 python3-venv git valgrind"

analysis="$tests clang clang-tidy cppcheck gcovr valgrind libopenblas0-serial"

usage() {
    cat <<TEXT
usage: sh tests/packages.sh [--print] LIST

Installs those packages of LIST that are missing, with apt-get, through sudo unless run as root.
--print only prints the list.

  build   what the library and its examples need, also to download MNIST
  tests   that, what the tests need, and what the programs on speech read and analyse with
  bench   what build needs, and what bench/ needs to race PyTorch and to count instructions
  analysis  what tests needs, and the tools of the longer commands (docs/testing.md)
  ci      what tests needs, clang with clang-format 14 (Debian 12), BLIS, the reference BLAS,
          libabigail
TEXT
}

print=no
list=
for word; do
    case $word in
    --help | -h) usage && exit 0 ;;
    --print) print=yes ;;
    build) list=$build ;;
    tests) list=$tests ;;
    bench) list=$bench ;;
    analysis) list=$analysis ;;
    ci) list=$ci ;;
    *) echo "packages.sh: no such list or option: $word" >&2 && usage >&2 && exit 2 ;;
    esac
done
[ -n "$list" ] || { usage >&2 && exit 2; }
[ $print = no ] || { echo $list && exit 0; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "packages.sh: this is not a Debian system, so nothing is installed. Needed, under Debian's"
    echo "names: $list"
    exit 0
fi

missing=
for package in $list; do
    state=$(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true)
    case " $state" in
    *" installed "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "packages.sh: no sudo here, and packages are missing. As root: apt-get install$missing" >&2
    exit 1
fi
echo "Installing:$missing"
# shellcheck disable=SC2086 # lists of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
        install $missing </dev/null >/dev/null || {
    echo "packages.sh: apt-get failed. By hand: apt-get install$missing" >&2
    exit 1
}
