#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Plants small bugs in the library, one at a time, and counts those that the tests notice.

A mutant is one change of one line: an operator, a constant, a condition, a statement, a status
(tests/mutation/mutants.py). It is planted in a copy of the tree, what depends on it is built, and
the tests run until one fails: those of its own room first, the fastest first, then distill, then
all others; slow tests run for their own room only. A mutant that no test notices is listed with
its line. Before that it gets a second chance with AddressSanitizer and the fast tests of its room,
since a byte read too many shows there only.

The choice of mutants follows from --seed. Half of them lie in the readers of files and in the
arithmetic of sizes, of which every mutant has to be noticed; of the others nine in ten.
tests/mutation/equivalent.txt lists changes that change nothing that can be seen, with reasons.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "mutation"))
import mutants  # noqa: E402

ROOT = pathlib.Path(__file__).parents[1]
FILES = ["lib/loss/*.c", "lib/io/*.c", "lib/ckpt/*.c", "lib/specialist/*.c", "lib/teacher/*.c",
         "lib/base/size.c", "lib/optim/*.c", "lib/net/*.c", "lib/distill/*.c"]
LEFT_OUT = ["lib/io/crc_table.c"]  # numbers only
# Nothing may survive here: they read files that anybody may have written.
READERS = ["lib/io/tensors_*.c", "lib/io/json.c", "lib/io/cursor.c", "lib/io/npy.c",
           "lib/ckpt/*.c", "lib/teacher/cache_*.c", "lib/base/size.c"]
SLOW = 3  # seconds of a test that no other room waits for
SUITES = ["base", "loss", "optim", "net", "io", "ckpt", "specialist", "teacher", "ctx", "distill"]


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def arguments():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build-mutants"),
                   help="where the copy is built (build-mutants)")
    p.add_argument("--count", type=int, default=320, help="mutants to try (320); 0: all of them")
    p.add_argument("--seed", type=int, default=1, help="of the choice (1)")
    p.add_argument("--files", nargs="*", default=FILES, help="only in these, such as lib/io/json.c")
    p.add_argument("--minutes", type=float, default=0, help="begin no other after this time")
    p.add_argument("--log", type=pathlib.Path, help="write each result there, a line of JSON each")
    p.add_argument("--again", type=pathlib.Path, metavar="LOG",
                   help="only those that survived in the run that wrote LOG")
    p.add_argument("--no-sanitizer", action="store_true", help="survivors get no second chance")
    p.add_argument("--python", default="", help="of the tests, such as one with numpy")
    p.add_argument("--list", action="store_true", help="only print the chosen mutants")
    return p.parse_args()


# ---- the choice ----


def equivalents():
    """Keys of mutants that change nothing, from lines 'path | before | after | reason'."""
    file = pathlib.Path(__file__).parent / "mutation" / "equivalent.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {" | ".join(line.split(" | ")[:3]) for line in lines if line and line[0] != "#"}


def choose(options):
    files = [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "lib").rglob("*.c"))]
    files = [f for f in files if matches(f, options.files) and f not in LEFT_OUT]
    every = [m for f in files for m in mutants.of_file(ROOT, f)]
    skipped = equivalents()
    if options.again:
        lines = options.again.read_text(encoding="utf-8").splitlines()
        keys = {r["key"] for r in map(json.loads, lines) if r["result"] == "survived"}
        return every, [m for m in every if m.key() in keys - skipped]
    dice = random.Random(options.seed)
    readers = [m for m in every if matches(m.path, READERS)]
    others = [m for m in every if not matches(m.path, READERS)]
    count = options.count or len(every)
    half = max(count // 2, count - len(others))
    chosen = dice.sample(readers, min(half, len(readers)))
    chosen += dice.sample(others, min(count - len(chosen), len(others)))
    chosen = [m for m in chosen if m.key() not in skipped]
    if options.minutes:
        dice.shuffle(chosen)  # what is left out is then of no one room
        return every, chosen
    return every, sorted(chosen)


# ---- building and running ----


def limits():
    os.setpgrp()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, log=subprocess.DEVNULL, **more):
    """The exit code, or None after the time limit; whatever it started is ended."""
    limit = more.pop("limit", None)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.STDOUT, preexec_fn=limits, **more)
    try:
        return process.wait(timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


class Build:
    """One build directory of the copy, and its tests."""

    def __init__(self, copy, folder, options):
        self.folder = folder
        self.temporary = folder / "tmp"
        setup = ["meson", "setup", str(folder), str(copy), "-Dbuildtype=debug", "-Doptimization=1",
                 "-Dwerror=false", "-Dexamples=false", *options]
        if (folder / "build.ninja").exists():
            setup.insert(2, "--reconfigure")
        self.must(setup)
        self.must(["ninja", "-C", str(folder)])
        shown = subprocess.run(["meson", "introspect", "--tests", str(folder)], check=True,
                               stdout=subprocess.PIPE).stdout
        self.tests = [t for t in json.loads(shown)
                      if t["suite"][0].split(":")[1] in SUITES]
        for t in self.tests:
            t["room"] = t["suite"][0].split(":")[1]
            # What ninja calls it: a path below the build directory.
            built = [pathlib.Path(c) for c in t["cmd"]]
            built = [folder / c if (folder / c).exists() else c for c in built]
            t["targets"] = [c.relative_to(folder).as_posix() for c in built
                            if c.is_relative_to(folder) and c.exists()
                            and "../" not in c.as_posix()]

    @staticmethod
    def must(command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout[-3000:]}\nmutate.py: failed: {' '.join(command)}")

    def test(self, t, limit):
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir()
        env = {**os.environ, **t["env"], "TMPDIR": str(self.temporary)}
        return run(t["cmd"], cwd=self.folder, env=env, limit=limit)

    def baseline(self, names=None):
        """Times each test (of these names), and leaves out those that are skipped here."""
        self.tests = [t for t in self.tests if names is None or t["name"] in names]
        for t in self.tests:
            before = time.monotonic()
            t["code"] = self.test(t, 600)
            t["seconds"] = time.monotonic() - before
            if t["code"] not in (0, 77):
                sys.exit(f"mutate.py: {t['room']}: {t['name']} fails before anything is planted")
        self.tests = sorted((t for t in self.tests if t["code"] == 0), key=lambda t: t["seconds"])

    def compiles(self, targets):
        return run(["ninja", "-C", str(self.folder), *targets]) == 0

    def verdict(self, path, rooms=None):
        """Which test notices what is planted in `path`: its name; None; or 'invalid'."""
        room = path.split("/")[1]
        stages = [[room], ["distill"], [s for s in SUITES if s not in (room, "distill")]]
        if rooms:
            stages = [[room]]
        if not self.compiles(["lib/libkd.a"]):
            return "invalid"
        for stage in stages:
            tests = [t for t in self.tests if t["room"] in stage
                     and (t["room"] == room or t["seconds"] < SLOW)]
            # A few that are fast and have their own program need no more than that to be linked.
            for part in (tests[:4], tests[4:]):
                if not self.compiles(sorted({x for t in part for x in t["targets"]})):
                    return "does not link"
                for t in part:
                    if self.test(t, 5 + 10 * t["seconds"]) not in (0, 77):
                        return f"{t['room']}: {t['name']}"
        return None


# ---- the run ----


def try_all(options, copy, chosen, build, sanitized):
    log = open(options.log, "a", encoding="utf-8") if options.log else None
    results = []
    began = time.monotonic()
    for number, m in enumerate(chosen):
        if options.minutes and time.monotonic() - began > 60 * options.minutes:
            break
        text = mutants.plant(copy, m)
        found = build.verdict(m.path)
        if found is None and sanitized:
            found = sanitized.verdict(m.path, rooms=True)
            found = found and found != "invalid" and f"{found} (sanitizer)" or None
        (copy / m.path).write_text(text, encoding="utf-8")
        result = "invalid" if found == "invalid" else "killed" if found else "survived"
        results.append((m, result))
        if log:
            print(json.dumps({"key": m.key(), "line": m.line, "result": result, "by": found,
                              "kind": m.kind}), file=log, flush=True)
        if result == "survived":
            print(m.words(), flush=True)
        elif sys.stdout.isatty():
            print(f"{number + 1}/{len(chosen)} {m.path}: {found}", end="\033[K\r", flush=True)
    return results, time.monotonic() - began


def report(results, seconds):
    """A line for each room, and whether the aims are reached."""
    counted = [(m, r) for m, r in results if r != "invalid"]
    groups = {}
    for m, r in counted:
        room = "/".join(m.path.split("/")[:2])
        for name in (room, "readers" if matches(m.path, READERS) else "others", "all"):
            groups.setdefault(name, []).append(r == "killed")
    for name in sorted(groups):
        print(f"{name:12} {sum(groups[name]):4} of {len(groups[name]):4} killed "
              f"({100 * sum(groups[name]) / len(groups[name]):.1f} %)")
    tried = max(len(results), 1)
    print(f"{len(results) - len(counted)} did not compile; {seconds / 60:.1f} min, "
          f"{seconds / tried:.1f} s each")
    others = groups.get("all", [True])
    return all(groups.get("readers", [])) and sum(others) >= 0.9 * len(others)


def main():
    options = arguments()
    every, chosen = choose(options)
    print(f"{len(chosen)} mutants of {len(every)}, seed {options.seed}", flush=True)
    if options.list:
        for m in chosen:
            print(m.words())
        return 0
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    work = options.work.resolve()
    copy = work / "tree"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT, copy, ignore=lambda folder, names: [
        n for n in names if n == ".git" or n.startswith("build")
        or (pathlib.Path(folder) / n / "meson-private").exists()])
    python = [f"-Dtest_python={options.python}"]
    for file in (copy / "lib").rglob("*.c"):
        file.touch()  # objects may be there of an earlier run that was stopped amid a mutant
    build = Build(copy, work / "build", python)
    build.baseline()
    sanitized = None
    if not options.no_sanitizer:
        sanitized = Build(copy, work / "build-sanitized",
                          [*python, "-Db_sanitize=address,undefined"])
        sanitized.baseline({t["name"] for t in build.tests if t["seconds"] < 1})
    print(f"ready; the tests take {sum(t['seconds'] for t in build.tests):.0f} s", flush=True)
    results, seconds = try_all(options, copy, chosen, build, sanitized)
    return 0 if report(results, seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
