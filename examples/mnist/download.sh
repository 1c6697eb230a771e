#!/bin/sh
# SPDX-License-Identifier: MIT
# Downloads the four files of MNIST, goes on where it was interrupted, and checks what has come.
set -euf

usage() {
    cat <<TEXT
usage: sh examples/mnist/download.sh [--dir DIR] [--mirror URL]... [--sums FILE]

Downloads MNIST (four gzip files, 11 MB) with curl or wget. A file gets its name only after its
contents have been checked; until then it is NAME.gz.part, which the next run continues. Files that
are there and right are left alone. The exit code is 1 if a file could not be had.

  --dir DIR      where to (data/mnist)
  --mirror URL   take NAME.gz from URL/NAME.gz; may be repeated, in the order of preference
                 (two public mirrors)
  --sums FILE    what to download: lines of a SHA-256 of the uncompressed bytes and a NAME
                 (MNIST)
  --help         this text
TEXT
}

public_mirrors='https://storage.googleapis.com/cvdf-datasets/mnist
https://ossci-datasets.s3.amazonaws.com/mnist'

# Of the uncompressed bytes: gzip files of the same data may differ.
mnist='ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db  train-images-idx3-ubyte
65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5  train-labels-idx1-ubyte
0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7  t10k-images-idx3-ubyte
ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2  t10k-labels-idx1-ubyte'

say() {
    echo "download.sh: $1" >&2
}

stop() {
    say "$2"
    exit "$1"
}

dir=data/mnist
mirrors=
sums=$mnist
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --dir | --mirror | --sums)
        [ $# -gt 1 ] || stop 2 "$1 needs a value"
        case $1 in
        --dir) dir=$2 ;;
        --mirror) mirrors="$mirrors ${2%/}" ;;
        --sums) sums=$(cat "$2") || stop 2 "$2: can't be read" ;;
        esac
        shift
        ;;
    *) usage >&2 && stop 2 "no such option: $1" ;;
    esac
    shift
done
mirrors=${mirrors:-$public_mirrors}

have() {
    command -v "$1" >/dev/null 2>&1
}

if have curl; then
    client=curl
elif have wget; then
    client=wget
else
    stop 1 "neither curl nor wget is installed"
fi
if have sha256sum; then
    sha256='sha256sum'
elif have shasum; then
    sha256='shasum -a 256'
else
    stop 1 "neither sha256sum nor shasum is installed"
fi
have gzip || stop 1 "gzip is not installed"
mkdir -p "$dir" || stop 1 "$dir: can't be made"

# digest CAT FILE: the SHA-256 of what CAT makes of FILE. A gzip file must be whole to its end: if
# only its last bytes are missing, the contents are right, but programs that read it complain.
digest() {
    if [ "$1" = cat ] || gzip -t <"$2" 2>/dev/null; then
        $1 <"$2" | $sha256 | cut -d ' ' -f 1
    else
        echo "that of a damaged gzip file"
    fi
}

size() {
    if [ -f "$1" ]; then wc -c <"$1"; else echo 0; fi
}

# fetch URL FILE: continues FILE if it has a beginning.
fetch() {
    if [ $client = curl ]; then
        if [ -t 2 ]; then bar=--progress-bar; else bar=--silent; fi
        code=0
        curl --fail --location --show-error $bar --connect-timeout 20 --speed-limit 1000 \
            --speed-time 30 --continue-at - --output "$2" "$1" || code=$?
        [ $code -eq 33 ] || return $code
        say "$1: this server can't continue a file, starting anew"
        rm -f "$2"
        fetch "$1" "$2"
    else
        if [ -t 2 ]; then bar=--show-progress; else bar=--no-verbose; fi
        wget --quiet $bar --tries=1 --timeout=30 --continue --output-document="$2" "$1"
    fi
}

# fetch_on URL FILE: again after an interruption, as long as every attempt brings some bytes.
fetch_on() {
    while :; do
        before=$(size "$2")
        fetch "$1" "$2" && return 0
        after=$(size "$2")
        [ "$after" -gt 0 ] || rm -f "$2"
        [ "$after" -gt "$before" ] || return 1
        say "$1: interrupted after $after bytes, going on"
    done
}

# try_mirror URL PART SUM: true if PART is right. A wrong one is removed; if it began with bytes of
# an earlier run, or of another mirror, these may be at fault, so the mirror gets a second chance.
try_mirror() {
    say "$1: downloading"
    while :; do
        began=$(size "$2")
        why="$1: the download failed"
        fetch_on "$1" "$2" || return 1
        got=$(digest 'gzip -dc' "$2")
        [ "$got" != "$3" ] || return 0
        rm -f "$2"
        why="$1: the SHA-256 of the contents is $got, not $3"
        [ "$began" -gt 0 ] || return 1
        say "$why; starting anew"
    done
}

# get NAME SUM: true if NAME.gz (or NAME) is there and right in the end.
get() {
    file=$dir/$1.gz
    if [ -f "$file" ] && [ "$(digest 'gzip -dc' "$file")" = "$2" ]; then
        say "$file: is there"
        return 0
    fi
    if [ -f "$dir/$1" ] && [ "$(digest cat "$dir/$1")" = "$2" ]; then
        say "$dir/$1: is there"
        return 0
    fi
    [ ! -f "$file" ] || say "$file: is there, but damaged; fetching it anew"
    why='no mirror'
    if [ -f "$file.part" ] && [ "$(digest 'gzip -dc' "$file.part")" = "$2" ]; then
        mv "$file.part" "$file" || return 1
        say "$file: was complete already"
        return 0
    fi
    for mirror in $mirrors; do
        if try_mirror "$mirror/$1.gz" "$file.part" "$2"; then
            mv "$file.part" "$file" || return 1
            say "$file: downloaded, checksum right"
            return 0
        fi
        say "$why"
    done
    say "$file: not had from any mirror; the last reason: $why"
    return 1
}

# check_line SUM NAME
check_line() {
    case $1 in
    *[!0-9a-f]*) stop 2 "--sums: not a SHA-256 in lower case: $1" ;;
    esac
    [ ${#1} = 64 ] || stop 2 "--sums: not a SHA-256: $1"
    case $2 in
    '' | [.-]* | *[!A-Za-z0-9._-]*) stop 2 "--sums: not the name of a file: '$2'" ;;
    esac
}

[ -n "$sums" ] || stop 2 "--sums: the file is empty"
while read -r sum name; do
    check_line "$sum" "$name"
done <<TEXT
$sums
TEXT
failed=0
while read -r sum name; do
    get "$name" "$sum" || failed=$((failed + 1))
done <<TEXT
$sums
TEXT
[ $failed -eq 0 ] || stop 1 "$failed file(s) missing or damaged in $dir"
