#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Races libkd against PyTorch and against what the machine could do at best.

Each side is a process of its own. They take turns, block by block; a ratio is made of two blocks
that followed each other, and the median of at least 15 such ratios counts. bench/README.md says
what the columns mean. Nothing is installed but Debian packages that are missing (sh
tests/packages.sh bench, only when there is no build yet) and, without --python, PyTorch in
build/torch.
"""
import argparse
import json
import pathlib
import sys
import time

import contest
import gates
import instructions
import prepare
import report

BLOCK, QUICK_BLOCK = 0.25, 0.1  # seconds
PATIENCE = 120  # seconds that torch.compile may take
NEAR = 1.15  # a variant of PyTorch this many times as slow as another can't turn out to be its best


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--workload", default="all",
        help=f"comma list of {', '.join(gates.WORKLOADS)} (default: all)")
    add("--threads", default="1,2", help="comma list of numbers of threads (default 1,2)")
    add("--pairs", type=int, default=0, metavar="N",
        help="rounds of each race (default 15; --quick: 5)")
    add("--quick", action="store_true",
        help="short blocks, few rounds, no torch.compile: a first look, no verdict")
    add("--json", type=pathlib.Path, metavar="FILE",
        help="every block and all about the machine, as JSON")
    add("--markdown", type=pathlib.Path, metavar="FILE", help="the tables, for a document")
    add("--build", type=pathlib.Path, default=prepare.ROOT / "build-bench", metavar="DIR",
        help="where libkd is built (default build-bench)")
    add("--python", metavar="PATH",
        help="an interpreter that has PyTorch (default: one made in build/torch)")
    add("--no-torch", action="store_true", help="race against the limit only")
    add("--isa", choices=["portable", "avx2", "avx512"],
        help="the most that libkd's kernels may use")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--instructions", action="store_true",
                       help="no race: instructions of a step, and where they are spent (valgrind)")
    other.add_argument("--profile", action="store_true",
                       help="no race: where the time is spent (perf)")
    other.add_argument("--scale", metavar="AXES",
                       help="no race: how libkd's cost grows with batch, width, depth or classes "
                            "(comma list)")
    other.add_argument("--project", type=float, metavar="CASES",
                       help="no race: what training with so many cases would take, here and on "
                            "several ranks, from a minute of it (W5, if none is named)")
    add("--ranks", default="1,8,64,512", help="--project: numbers of ranks (default 1,8,64,512)")
    add("--link", type=float, default=10, metavar="GBIT",
        help="--project: Gbit/s of a rank's link (default 10)")
    a = parser.parse_args()
    a.pairs = a.pairs or (5 if a.quick else 15)
    a.block = QUICK_BLOCK if a.quick else BLOCK
    a.workloads = list(gates.WORKLOADS) if a.workload == "all" else a.workload.split(",")
    unknown = [w for w in a.workloads if w not in gates.WORKLOADS]
    if unknown or not all(t.isdigit() and int(t) > 0 for t in a.threads.split(",")):
        parser.error(f"no workload {', '.join(unknown)}" if unknown else
                     f"--threads {a.threads}: not numbers")
    a.threads = [int(t) for t in a.threads.split(",")]
    if a.project is not None and not 1 <= a.project <= 1e15:
        parser.error(f"--project {a.project:g}: not a number of cases from 1 to 1e15")
    for file in (a.json, a.markdown):
        if file and not file.absolute().parent.is_dir():
            parser.error(f"{file}: no such folder")
    return a


class Progress:
    """One line on the standard error output, with the time that is probably left."""

    def __init__(self, races, pairs):
        self.races, self.pairs, self.done, self.begin = races, pairs, 0, time.monotonic()
        self.terminal, self.said = sys.stderr.isatty(), 0.0

    def tell(self, race, what, share):
        done = self.done + share
        spent = time.monotonic() - self.begin
        minutes = spent / done * (self.races - done) / 60 if done else 0
        left = f", about {minutes:.0f} min left" if done > 0.5 else ""
        line = f"[{self.done + 1}/{self.races}] {race}: {what}{left}"
        if self.terminal:
            print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)
        elif share == 0 or time.monotonic() - self.said > 30:
            print(line, file=sys.stderr, flush=True)
            self.said = time.monotonic()

    def end(self):
        if self.terminal:
            print("\r" + " " * 79 + "\r", end="", file=sys.stderr, flush=True)


def torch_server(a, workload, threads, malloc):
    server = contest.Server([a.python, contest.HERE / "torch_bench.py", "--serve",
                             "--workload", workload, "--threads", threads, "--malloc", malloc])
    return server, server.answer()["torch"]


def build_variants(a, workload, threads, result):
    """PyTorch's variants with tuned malloc. Compiling may fail or never end, so it has a process of
    its own."""
    sides = {}
    for names in [("eager", "manual")] if a.quick else [("eager", "manual"), ("compile",)]:
        server, _ = torch_server(a, workload, threads, "tuned")
        for name in names:
            try:
                answer = server.ask(f"build {name}", PATIENCE if name == "compile" else None)
            except contest.Gone as why:
                answer = {"skipped": str(why)[:300]}
            if "us" in answer:
                sides[name] = contest.Contender(server, f"run {name}", answer["us"], a.block)
            else:
                result.setdefault("skipped", {})[name] = answer["skipped"]
        if not any(side.server is server for side in sides.values()):
            server.close()
    if not sides:
        raise contest.Gone(f"PyTorch: {result['skipped']}")
    return sides


def qualify(a, workload, threads, result):
    """The variants that may be PyTorch's best: those that a short race of quiet rounds does not
    show to be much slower than another. If the rounds were disturbed, all stay."""
    sides = build_variants(a, workload, threads, result)
    said = contest.race(list(sides.values()), 3, lambda quiet, rounds: None)
    least = {name: min(side.blocks) for name, side in sides.items()}
    result["qualifying"] = {"us": least, "disturbance": said["disturbance"]}
    for name, side in sides.items():
        side.fit(least[name], a.block)
        side.blocks, side.details = [], []
    if said["disturbance"] > contest.QUIET:
        return sides
    most = NEAR * min(least.values())
    near = {name: side for name, side in sides.items() if least[name] <= most}
    for name in set(sides) - set(near):
        if not any(sides[name].server is side.server for side in near.values()):
            sides[name].server.close()
        else:
            sides[name].server.ask(f"drop {name}")
    return near


def torch_sides(a, workload, threads, result):
    server, result["torch"] = torch_server(a, workload, threads, "default")
    answer = server.ask("build eager")
    if "skipped" in answer:
        raise contest.Gone(f"PyTorch's eager variant: {answer['skipped']}")
    eager = contest.Contender(server, "run eager", answer["us"], a.block)
    tuned = qualify(a, workload, threads, result)
    return {"eager": eager, **{f"tuned {name}": side for name, side in tuned.items()}}


def race(a, kd_bench, workload, threads, progress):
    """One race: all sides built, warmed up, run in turn; the numbers and what they say."""
    name = f"{workload}, {threads} thread{'s' * (threads > 1)}"
    result = {"workload": workload, "threads": threads}
    words = [kd_bench, "--serve", "--workload", workload, "--threads", threads]
    isa = ["--isa", a.isa] if a.isa else []
    sides = {}
    try:
        progress.tell(name, "starting" if a.no_torch else "starting, choosing PyTorch's best", 0)
        kd, limit = contest.Server(words + isa), contest.Server(words + ["--limit"])
        ready = kd.answer()
        limit.answer()
        result.update({key: ready[key] for key in ("blas", "libkd", "gflop", "elements", "cases")})
        sides["libkd"] = contest.Contender(kd, "run", ready["us"], a.block)
        if not a.no_torch:
            sides.update(torch_sides(a, workload, threads, result))
        sides["limit"] = contest.Contender(limit, f"limit {a.block}", None, a.block)
        tuned = [side for name, side in sides.items() if name.startswith("tuned")]
        order = tuned + [sides[s] for s in ("libkd", "limit", "eager") if s in sides]
        result.update(contest.race(order, a.pairs, lambda quiet, rounds: progress.tell(
            name, f"round {rounds + 1}, {quiet} of {a.pairs} quiet", 0.2 + 0.8 * quiet / a.pairs)))
        report.conclude(result, sides, a.quick)
    except contest.Gone as why:
        result["failed"] = str(why)
    finally:
        contest.Server.close_all()
    progress.done += 1
    return result


def races(a, kd_bench):
    a.python = None if a.no_torch else prepare.torch_python(a.python)
    machine = prepare.machine()
    if machine["load"] > 0.5:
        print(f"The machine is busy (load {machine['load']:.1f}): expect a wide spread.",
              file=sys.stderr)
    progress = Progress(len(a.workloads) * len(a.threads), a.pairs)
    results = []
    try:
        for workload in a.workloads:
            for threads in a.threads:
                results.append(race(a, kd_bench, workload, threads, progress))
    except KeyboardInterrupt:
        print("\nStopped: what is done follows.", file=sys.stderr)
    progress.end()
    return {"machine": machine, "pairs": a.pairs, "block_seconds": a.block, "quick": a.quick,
            "results": results}


def main():
    a = arguments()
    try:
        if a.python and not prepare.torch_version(a.python):
            raise prepare.Stop(f"--python {a.python}: it has no PyTorch")
        kd_bench = prepare.build(a.build.resolve())
        if a.project is not None:
            data = instructions.project(kd_bench, a)
        elif a.scale:
            data = instructions.scale(kd_bench, a)
        elif a.profile:
            data = instructions.profile(kd_bench, a)
        elif a.instructions:
            data = instructions.count(kd_bench, a)
        else:
            data = races(a, kd_bench)
            print(report.tables(data, markdown=False))
    except prepare.Stop as why:
        sys.exit(f"run.py: {why}")
    if a.json:
        a.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if a.markdown:
        text = report.tables(data, markdown=True) if "results" in data else data["markdown"]
        a.markdown.write_text(text + "\n", encoding="utf-8")
    failed = [r for r in data.get("results", []) if "failed" in r]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
