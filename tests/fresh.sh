#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the two commands of the README on a fresh Debian, as root and as a user with sudo.
set -eu

usage() {
    cat <<TEXT
usage: sh tests/fresh.sh [--suite bookworm|trixie] [--dir DIR] [--as root|user|both] [--data DIR]
                      [--main-options "..."] [--keep]

Run by hand, as root, where debootstrap is installed. Makes a minimal Debian in a folder, with git
and nothing else (for the user also sudo), clones the last commit of this repository into it, and
runs there, by chroot:

  sh examples/mnist/run.sh
  sh tests/run.sh

  --suite NAME      bookworm (Debian 12, the default) or trixie (Debian 13)
  --dir DIR         where the roots lie, about 2 GB each (/var/tmp/libkd-fresh); the bare system
                    is kept there for the next time
  --as WHO          root, user, or both (the default)
  --data DIR        also run the first command with --data on a copy of these MNIST files
  --main-options S  options for the first command, such as "--epochs 1,1,1"
  --keep            leave the roots there when done

The mirror and apt's settings are those of this machine. The last line is: N passed, N failed.
TEXT
}

suite=bookworm
dir=/var/tmp/libkd-fresh
who=both
data=
main_options=
keep=no
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --keep) keep=yes ;;
    --suite | --dir | --as | --data | --main-options)
        [ $# -gt 1 ] || { echo "fresh.sh: $1 needs a value" >&2 && exit 2; }
        case $1 in
        --suite) suite=$2 ;;
        --dir) dir=$2 ;;
        --as) who=$2 ;;
        --data) data=$2 ;;
        --main-options) main_options=$2 ;;
        esac
        shift
        ;;
    *) echo "fresh.sh: no such option: $1" >&2 && usage >&2 && exit 2 ;;
    esac
    shift
done
case $who in root | user | both) ;; *) usage >&2 && exit 2 ;; esac
[ "$(id -u)" = 0 ] || { echo "fresh.sh: chroot needs root" >&2 && exit 1; }
command -v debootstrap >/dev/null || { echo "fresh.sh: needs debootstrap" >&2 && exit 1; }
repository=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
base=$dir/$suite
sources=$(ls /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
    /etc/apt/sources.list.d/*.sources 2>/dev/null || true)

# This machine's apt, for another release of Debian: its sources, its ways through the network.
copy_apt() {
    here=$(. /etc/os-release && echo "$VERSION_CODENAME")
    rm -f "$base/etc/apt/sources.list"
    for file in $sources; do
        [ -f "$file" ] || continue
        sed "s/\\b$here\\b/$suite/g" "$file" >"$base$file"
    done
    for file in $(grep -l '^ *Acquire::' /etc/apt/apt.conf /etc/apt/apt.conf.d/* 2>/dev/null); do
        cp "$file" "$base$file"
    done
    cp -r /etc/apt/auth.conf.d "$base/etc/apt/" 2>/dev/null || true
    cp /etc/resolv.conf /etc/hosts "$base/etc/"
    certificates=/usr/local/share/ca-certificates
    [ ! -d $certificates ] || { mkdir -p "$base$certificates" &&
        cp -r $certificates/. "$base$certificates/"; }
}

# The first mirror that this machine knows.
mirror() {
    deb='^deb +(\[[^]]*\] +)?([^ ]+).*'
    # shellcheck disable=SC2086 # a list of files
    cat $sources </dev/null | sed -n -E "s/^URIs: *([^ ]+).*/\\1/p; s#$deb#\\2#p" | sed -n 1p
}

if [ ! -f "$base/done" ]; then
    echo "Making a minimal $suite in $base"
    rm -rf "$base"
    debootstrap --variant=minbase "$suite" "$base" "$(mirror)" >"$base.log" 2>&1 || {
        tail -n 20 "$base.log" >&2
        exit 1
    }
    copy_apt
    touch "$base/done"
fi

root=
leave() {
    [ -z "$root" ] || umount "$root/proc" 2>/dev/null || true
    [ -z "$root" ] || [ $keep = yes ] || rm -rf --one-file-system "$root"
    root=
}
trap leave EXIT
trap 'exit 1' INT TERM

# in_root NAME COMMAND: a login of root or of the user `tester`.
in_root() {
    chroot "$root" su - "$1" -c "$2"
}

prepare() {
    root=$dir/$suite-$1
    rm -rf --one-file-system "$root"
    cp -a "$base" "$root"
    mount -t proc proc "$root/proc"
    more=
    [ "$1" = root ] || more=sudo
    in_root root "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        --no-install-recommends install git ca-certificates $more >/dev/null 2>&1"
    if [ "$1" = user ]; then
        in_root root "useradd --create-home --shell /bin/sh tester"
        echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/tester"
    fi
    git -C "$repository" bundle create --quiet "$root/tmp/libkd.bundle" HEAD
    chmod a+r "$root/tmp/libkd.bundle"
    if [ -n "$data" ]; then
        cp -rL "$data" "$root/tmp/mnist"
        chmod -R a+rX "$root/tmp/mnist"
    fi
}

passed=0
failed=0
try() {
    echo "--- $suite, as $1: $2"
    start=$(date +%s)
    if in_root "$login" "cd libkd && $2"; then
        passed=$((passed + 1))
        verdict=passed
    else
        failed=$((failed + 1))
        verdict=FAILED
    fi
    echo "--- $verdict after $(($(date +%s) - start)) s"
}

for one in root user; do
    [ $who = both ] || [ $who = $one ] || continue
    prepare $one
    login=root
    [ $one = root ] || login=tester
    in_root $login "git -c init.defaultBranch=main clone --quiet /tmp/libkd.bundle libkd"
    try $one "sh examples/mnist/run.sh $main_options"
    try $one "sh tests/run.sh"
    [ -z "$data" ] || try $one "sh examples/mnist/run.sh --data /tmp/mnist $main_options"
    leave
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
