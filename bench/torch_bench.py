#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The PyTorch side of bench/: times workloads, or serves blocks of steps to bench/run.py.

Prints one JSON object a line. With --serve it builds the variants that are asked for and then
obeys lines on its input, sleeping in between:

  build VARIANT      makes it and warms it up: {"variant": ..., "us": estimate} or {"skipped": why}
  run VARIANT N      N steps: {"us": microseconds a step}
  drop VARIANT       frees it: {}
  quit
"""
import argparse
import gc
import json
import os
import statistics
import sys
import time

# glibc gives large blocks back to the kernel at once and takes them anew in the next step, a page
# fault for every 4 KiB. Tuned, it keeps them.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
          "MALLOC_TOP_PAD_": str(1 << 26)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", default="all",
                        help="comma list, or all (default); one with --serve")
    parser.add_argument("--variant", default="eager,manual,compile",
                        help="comma list (default: all three)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S",
                        help="measuring time of each line, after warm-up (default 2)")
    parser.add_argument("--runs", type=int, default=7, metavar="N",
                        help="blocks that this time is cut into; the median counts (default 7)")
    parser.add_argument("--malloc", choices=["default", "tuned"], default="default",
                        help="tuned: glibc keeps large blocks (environment variables, set by a new "
                             "start)")
    parser.add_argument("--serve", action="store_true", help="obey lines on the standard input")
    return parser.parse_args()


def prepare(a):
    """What must be in the environment before torch is loaded, and before the process starts."""
    wanted = {"OMP_NUM_THREADS": str(a.threads), "MKL_NUM_THREADS": str(a.threads)}
    if a.malloc == "tuned":
        wanted.update(MALLOC)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable] + sys.argv, dict(os.environ, **wanted))


def say(**fields):
    print(json.dumps(fields), flush=True)


def timed(step, count):
    begin = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - begin) / count * 1e6


def warm(step):
    """Microseconds a step, after three steps and more if they are short; the first one may
    compile."""
    for _ in range(3):
        step()
    count, begin = 0, time.perf_counter()
    while count < 1 or time.perf_counter() - begin < 0.3:
        step()
        count += 1
    return timed(step, count)


def make(name, variant):
    """(step, estimate, None), or (None, None, why not)."""
    import torch
    from torch_work import build
    torch.manual_seed(1)
    try:
        step = build(name, variant)
        return step, warm(step), None
    except Exception as error:  # a variant that can't run is left out of the race, not hidden
        lines = str(error).strip().splitlines() or [""]
        return None, None, f"{type(error).__name__}: {lines[0][:200]}"


def serve(name):
    steps = {}
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "build":
            step, estimate, skipped = make(name, rest[0])
            if skipped:
                say(skipped=skipped)
            else:
                steps[rest[0]] = step
                say(variant=rest[0], us=estimate)
        elif word == "run":
            step, count = steps[rest[0]], int(rest[1])
            for _ in range(count // 10):
                step()  # wakes threads and fills caches
            say(us=timed(step, count))
        elif word == "drop":
            steps.pop(rest[0], None)
            gc.collect()
            say()
        elif word == "quit":
            return


def measure(a, names, variants, version):
    for name in names:
        for variant in variants:
            line = {"workload": name, "variant": variant, "threads": a.threads, "malloc": a.malloc,
                    "torch": version}
            step, estimate, skipped = make(name, variant)
            if skipped:
                say(**line, skipped=skipped)
                continue
            count = max(1, int(a.seconds / a.runs * 1e6 / estimate))
            runs = [timed(step, count) for _ in range(a.runs)]
            say(**line, us=round(statistics.median(runs), 2), least=round(min(runs), 2),
                most=round(max(runs), 2), steps=count)
            del step
            gc.collect()


def main():
    a = arguments()
    prepare(a)
    import torch
    from torch_work import VARIANTS, WORKLOADS
    torch.set_num_threads(a.threads)
    torch.set_num_interop_threads(1)
    names = list(WORKLOADS) if a.workload == "all" else a.workload.split(",")
    variants = a.variant.split(",")
    for word in names + variants:
        if word not in WORKLOADS and word not in VARIANTS:
            sys.exit(f"torch_bench.py: no workload or variant {word}; there are "
                     f"{', '.join(WORKLOADS)}; {', '.join(VARIANTS)}")
    if a.serve:
        say(ready=names[0], torch=torch.__version__)
        serve(names[0])
    else:
        measure(a, names, variants, torch.__version__)


if __name__ == "__main__":
    main()
