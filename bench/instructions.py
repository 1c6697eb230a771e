# SPDX-License-Identifier: MIT
"""The modes of run.py that race nobody: instructions of a step, where they and the time go,
growth, and what a long training would take."""
import json
import re
import subprocess
import sys
import tempfile

import prepare
import report

TOP = 10
LONG = ("W5",)  # hours a step: valgrind computes each multiply-add in software


def callgrind(kd_bench, workload, steps):
    """Instructions by function of a run of `steps` steps on one thread. Valgrind 3.19 knows no
    AVX-512, and both libkd and OpenBLAS must be told."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/callgrind.out"
        prepare.call(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
                      kd_bench, "--workload", workload, "--steps", steps, "--isa", "avx2"],
                     env=prepare.clean_environment(OPENBLAS_CORETYPE="Haswell"))
        text = prepare.call(["callgrind_annotate", "--threshold=100", "--auto=no",
                             "--tree=none", out])
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*([\d,]+)\s*(?:\([^)]*\))?\s+\S*?:(\S+)(?:\s+\[(.*)\])?\s*$", line)
        if match and match[2] != "PROGRAM":
            name = match[2] + (f" [{match[3].rsplit('/', 1)[-1]}]" if match[3] else "")
            found[name] = found.get(name, 0) + int(match[1].replace(",", ""))
    return found


def count(kd_bench, a):
    """The difference of two runs, so that setting up cancels."""
    names = [w for w in a.workloads if w not in LONG or a.workload != "all"]
    results, rows = [], []
    for i, workload in enumerate(names):
        print(f"[{i + 1}/{len(names)}] {workload}: counting", file=sys.stderr)
        few, many = (2, 12) if workload in ("W3", "W3b1", "W6b1") else (1, 2)
        less, more = callgrind(kd_bench, workload, few), callgrind(kd_bench, workload, many)
        each = {name: (more[name] - less.get(name, 0)) / (many - few) for name in more}
        total = sum(each.values())
        top = sorted(each.items(), key=lambda item: -item[1])[:TOP]
        results.append({"workload": workload, "instructions": total, "profile": dict(top)})
        rows.append([workload, f"{total:,.0f}", f"{top[0][0]} {100 * top[0][1] / total:.0f} %"])
        rows += [["", "", f"{name} {100 * value / total:.1f} %"]
                 for name, value in top[1:] if value > 0.001 * total]
    head = ["", "instructions a step", "spent in"]
    note = ("One thread, AVX2 kernels of libkd and of OpenBLAS (core Haswell): valgrind knows no "
            "AVX-512.")
    print(report.table(head, rows, False) + "\n" + note)
    return {"machine": prepare.machine(), "instructions": results,
            "markdown": report.table(head, rows, True) + "\n\n" + note}


def profile(kd_bench, a):
    """Samples of the processor's clock; perf needs no rights for it."""
    text = []
    for workload in a.workloads:
        for threads in a.threads:
            with tempfile.NamedTemporaryFile() as data:
                isa = ["--isa", a.isa] if a.isa else []
                prepare.call(["perf", "record", "-q", "-e", "cpu-clock", "-o", data.name, kd_bench,
                              "--workload", workload, "--threads", threads, "--seconds", "3", *isa],
                             env=prepare.clean_environment())
                said = prepare.call(["perf", "report", "--stdio", "-q", "-i", data.name,
                                     "--percent-limit", "0.5", "-F", "overhead,dso,sym"])
            lines = [line.rstrip() for line in said.splitlines() if line.strip()][:2 * TOP]
            text.append("\n".join([f"{workload}, {threads} thread(s), set-up included:", *lines]))
            print(text[-1] + "\n")
    return {"machine": prepare.machine(), "profile": text,
            "markdown": "\n\n".join(f"```\n{t}\n```" for t in text)}


def scale(kd_bench, a):
    results, text = [], []
    for axis in a.scale.split(","):
        rows = []
        for threads in a.threads:
            words = [kd_bench, "--scale", axis, "--threads", threads,
                     "--seconds", 0.2 if a.quick else 1]
            words += ["--isa", a.isa] if a.isa else []
            done = subprocess.run([str(w) for w in words], text=True, stdout=subprocess.PIPE,
                                  env=prepare.clean_environment(), check=False)
            if done.returncode:
                raise prepare.Stop(f"--scale {axis} failed")
            for line in map(json.loads, done.stdout.splitlines()):
                results.append(line)
                rate = (f"{line['gflops']:.1f} GFLOP/s" if "gflops" in line else
                        f"{line['ns_per_element']:.3f} ns/element")
                rows.append([str(line["value"]), str(line["cases"]), str(threads),
                             report.time_of(line["us"]), rate])
        head = [axis, "cases", "T", "a step", "that is"]
        print(report.table(head, rows, False) + "\n")
        text.append(report.table(head, rows, True))
    return {"machine": prepare.machine(), "scale": results, "markdown": "\n\n".join(text)}


def hours(value):
    """In the unit that fits."""
    if value < 1 / 60:
        return f"{3600 * value:.2g} s"
    if value < 2:
        return f"{60 * value:.1f} min"
    return f"{value:.1f} h" if value < 48 else f"{value / 24:.1f} days"


def rows_of_ranks(line):
    """The projections of one number of threads."""
    return [[f"{r['ranks']:,.0f}", str(line["threads"]), f"{r['steps']:,.0f}", hours(r["hours"]),
             hours(r["hours_with_link"])] for r in line["ranks"]]


def project(kd_bench, a):
    """What a training of many cases would take, from some steps of it."""
    workloads = ["W5"] if a.workload == "all" else a.workloads
    results, rows, ranks = [], [], []
    for workload in workloads:
        for threads in a.threads:
            words = [kd_bench, "--project", a.project, "--workload", workload, "--threads", threads,
                     "--seconds", 5 if a.quick else 60, "--ranks", a.ranks, "--link", a.link]
            words += ["--isa", a.isa] if a.isa else []
            said = prepare.call(words, env=prepare.clean_environment())
            line = json.loads(said)
            results.append(line)
            rows.append([workload, str(threads), f"{line['params']:,}", str(line["batch"]),
                         report.time_of(line["us"]), report.time_of(line["least"]),
                         f"{line['steps_per_s']:.3g}", f"{line['cases_per_s']:,.0f}",
                         f"{line['gflops']:.0f}", f"{line['peak_mib']:,.0f} MiB"])
            ranks += [[workload, *row] for row in rows_of_ranks(line)]
    steps = ["", "T", "weights", "batch", "a step", "least", "steps/s", "cases/s", "GFLOP/s",
             "peak memory"]
    times = ["", "ranks", "T", "steps", "time", f"with a link of {a.link:g} Gbit/s"]
    note = (f"{float(a.project):,.0f} cases, once. A rank is a machine like this one, with a batch "
            "of its own; the gradients of all are averaged after each step. \"time\" counts no "
            "communication; the last column a ring that moves 2 (N - 1) / N of the gradient "
            "through each link, without latency, while nothing is computed. Soft targets are at "
            "hand: what the teacher takes is not counted.")
    for markdown in (False, True):
        text = "\n\n".join([report.table(steps, rows, markdown),
                            report.table(times, ranks, markdown), note])
        if not markdown:
            print(text)
    return {"machine": prepare.machine(), "project": results, "markdown": text}
