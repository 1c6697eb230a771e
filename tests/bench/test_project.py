# SPDX-License-Identifier: MIT
"""Holds kd_bench --project to its arithmetic, at a small size, and the table to what it prints."""
import argparse
import contextlib
import io
import json
import math
import pathlib
import subprocess
import sys

# W3: 784-30-30-10, batches of 32. Three products a layer, but the first one has no dx.
WEIGHTS = 784 * 30 + 30 * 30 + 30 * 10
FLOP = 2 * 32 * (3 * WEIGHTS - 784 * 30)
PARAMS = WEIGHTS + 30 + 30 + 10


def say(kd_bench, *words):
    return subprocess.run([kd_bench, *map(str, words)], capture_output=True, text=True,
                          check=False)


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-4)


def check_arithmetic(kd_bench):
    done = say(kd_bench, "--project", 1e6, "--workload", "W3", "--seconds", 0.05, "--ranks",
               "1,3,1000", "--link", 2)
    assert done.returncode == 0 and not done.stderr, done
    said = json.loads(done.stdout)
    us = said["us"]
    assert (said["project"], said["params"], said["batch"]) == ("W3", PARAMS, 32)
    assert said["steps"] >= 3 and 0 < said["least"] <= us <= said["most"]
    assert close(said["steps_per_s"], 1e6 / us) and close(said["cases_per_s"], 32e6 / us)
    assert close(said["gflops"], FLOP / us / 1e3)
    # At least the program, its weights and their momentum; at most what W5 would take.
    assert 8 * PARAMS / 2 ** 20 < said["peak_mib"] < 500
    for ranks, steps, line in zip((1, 3, 1000), (31250, 10417, 32), said["ranks"]):
        # The gradient's 4 bytes a weight: 2 (N - 1) / N of them at 2 Gbit/s, 0.25 GB/s
        link = 2 * (ranks - 1) / ranks * 4 * PARAMS / 0.25e3
        assert (line["ranks"], line["steps"]) == (ranks, steps), line
        assert close(line["hours"], steps * us / 3.6e9), line
        assert close(line["hours_with_link"], steps * (us + link) / 3.6e9), line
    assert len(said["ranks"]) == 3


def check_refusals(kd_bench):
    for words, why in ((["--project", 0], "--project 0"), (["--project", "x"], "--project x"),
                       (["--project", 9, "--workload", "W4a"], "W4a does not train"),
                       (["--project", 9, "--ranks", "1,0"], "--ranks 0"),
                       (["--project", 9, "--ranks", "1,,2"], "--ranks 1,,2"),
                       (["--project", 9, "--ranks", "1.5"], "--ranks 1.5: not whole"),
                       (["--project", 9, "--ranks", ""], "--ranks"),
                       (["--project", 9, "--ranks", ",".join(map(str, range(1, 18)))], "up to 16"),
                       (["--project", 9, "--link", 0], "--link 0")):
        done = say(kd_bench, *words)
        assert done.returncode == 1 and why in done.stderr and not done.stdout, done
    text = say(kd_bench, "--help").stdout
    assert all(f"--{name}" in text for name in ("project", "ranks", "link"))


def check_table(kd_bench):
    """What run.py --project makes of it."""
    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "bench"))
    # pylint: disable=import-error,import-outside-toplevel
    import instructions
    given = argparse.Namespace(workload="W3", workloads=["W3"], threads=[1, 2], project=1e6,
                               ranks="1,8", link=10.0, quick=True, isa="portable")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        data = instructions.project(kd_bench, given)
    assert [line["threads"] for line in data["project"]] == [1, 2]
    assert "1,000,000 cases" in printed.getvalue() and "| W3 | 8 | 2 | 3,907 |" in data["markdown"]
    assert [instructions.hours(h) for h in (0.001, 0.5, 47.9, 2602.8)] == \
        ["3.6 s", "30.0 min", "47.9 h", "108.5 days"]


def check_command():
    """What run.py refuses before it builds or races anything."""
    command = pathlib.Path(__file__).parents[2] / "bench" / "run.py"
    for cases in ("0", "-7e8", "nan", "1e16", "many"):
        done = subprocess.run([sys.executable, command, f"--project={cases}"], capture_output=True,
                              text=True, check=False, timeout=60)
        assert done.returncode == 2 and "--project" in done.stderr and not done.stdout, done


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--kd-bench", type=pathlib.Path, required=True, help="the program")
    kd_bench = p.parse_args().kd_bench.resolve()
    check_arithmetic(kd_bench)
    check_refusals(kd_bench)
    check_table(kd_bench)
    check_command()
    print("a training is projected as by hand")


if __name__ == "__main__":
    main()
