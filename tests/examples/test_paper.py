# SPDX-License-Identifier: MIT
"""Holds the programs of examples/paper to their words: results, kills, damage, data of any kind.

Nothing here is about how few errors nets make: trainings are tiny.
"""
import argparse
import fcntl
import gzip
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

# What each program is given here, and the rows that come of it; those of nets that are asked only.
PROGRAMS = {
    "mnist": ([], ["teacher", "alone", "distilled"]),
    "temperature": ([],
                    [f"{w} units, {t}" for w in (20, 30) for t in ("alone", "T = 1", "T = 2.5")]),
    "missing": ([], ["without 3", "only 7 and 8"]),
    "ensemble": (["--members", "2"],
                 ["distilled from one", "distilled from arithmetic mean",
                  "distilled from geometric mean"]),
}
ASKED = {"ensemble": ["arithmetic mean", "geometric mean"]}
TAUGHT_ONLY = {"missing", "ensemble"}  # which train no nets with labels alone
OPTIONS = {"data", "seed", "seeds", "json", "work", "teacher", "alone", "distilled", "holdout",
           "smoke", "threads", "help"}
OWN = {"mnist": set(), "temperature": {"widths", "temperatures", "teacher-seed"},
       "missing": {"omit", "only"}, "ensemble": {"members"}}
SEEDS = [1, 2]
CASES = 300  # test images of --smoke
EPOCHS = 30  # of a training that is killed


class Study:
    """One of the programs, with results and a work folder of its own."""

    def __init__(self, programs, name, folder, *words):
        self.name, self.program, self.folder = name, programs[name], folder
        self.json, self.work = folder / f"{name}.json", folder / f"{name}-work"
        self.words = ["--smoke", "--seeds", len(SEEDS), *PROGRAMS.get(name, [[]])[0], *words]

    def command(self, *words):
        files = ["--json", self.json, "--work", self.work]
        return [self.program, *map(str, [*files, *self.words, *words])]

    def run(self, *words):
        return subprocess.run(self.command(*words), capture_output=True, text=True, check=False)

    def good(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done
        return done

    def runs(self):
        """All runs by row and seed."""
        file = json.loads(self.json.read_text(encoding="utf-8"))
        assert file["program"] == f"paper-{self.name}"
        out = {(r["what"]["row"], r["what"]["seed"]): r for r in file["runs"]}
        assert len(out) == len(file["runs"])
        return out

    def outcome(self):
        """What must not depend on threads, kills and the like."""
        return {key: {name: value for name, value in run["result"].items()
                      if name not in ("seconds", "threads")} for key, run in self.runs().items()}

    def refuses(self, code, culprit, *words):
        """One line on stderr which names what is at fault, and no change to results."""
        before = self.json.read_bytes() if self.json.is_file() else None
        done = self.run(*words)
        assert done.returncode == code, (words, done)
        assert done.stderr.count("\n") == 1 and str(culprit) in done.stderr, (culprit, done.stderr)
        assert before is None or self.json.read_bytes() == before, words


def check_curve(run):
    loss = run["result"]["loss"]
    assert len(loss) == run["what"]["plan"]["epochs"], run
    assert all(math.isfinite(value) and value > 0 for value in loss), loss
    assert run["result"]["seconds"] >= 0 and run["result"]["tflop"] > 0


def check_shifts(result, cases):
    """The oracle is no worse than no shift; every shift is a number, and so are its errors."""
    for rule in ("raw", "oracle", "honest"):
        errors, missing = result[f"errors_{rule}"], result[f"missing_errors_{rule}"]
        assert 0 <= missing <= errors <= cases and missing <= result["missing"] <= cases
        right = 100 * (1 - missing / result["missing"]) if result["missing"] else 0
        assert math.isclose(result[f"missing_right_{rule}"], right, abs_tol=1e-9), result
        assert math.isfinite(result[f"shift_{rule}"]) and abs(result[f"shift_{rule}"]) <= 50
    assert result["errors_oracle"] <= result["errors_raw"]
    assert result["shift_raw"] == 0 and result["errors_raw"] > 0


def check_confusable(result, cases):
    """Images that the teacher is right about, one of a class at most."""
    shown = result["confusable"]
    assert len(shown) <= 6 and len({one["label"] for one in shown}) == len(shown)
    for one in shown:
        logits = one["logits"]
        assert len(logits) == 10 and max(logits) == logits[one["label"]], one
        assert one["other"] != one["label"] and 0 <= one["image"] < cases, one


def check_results(study, cases=CASES):
    """Every row and seed is there once, with numbers that can be."""
    due = {(row, seed) for row in PROGRAMS[study.name][1] for seed in SEEDS}
    asked = {(row, 0) for row in ASKED.get(study.name, [])}
    runs = study.runs()
    assert set(runs) == due | asked, set(runs) ^ (due | asked)
    for key, run in runs.items():
        result = run["result"]
        assert result["cases"] == cases
        if study.name == "missing":
            check_shifts(result, cases)
        else:
            assert 0 <= result["errors"] <= cases and result["errors"] == int(result["errors"])
        if key in due:
            check_curve(run)
        if key[0] == "teacher":
            check_confusable(result, cases)
    return runs


def made(study):
    """All is made, then nothing; then what a new seed adds."""
    done = study.good("--threads", 1)
    runs = check_results(study)
    for row in [*PROGRAMS[study.name][1], *ASKED.get(study.name, [])]:
        assert re.search(rf"^  {re.escape(row)} +\w+ +[\d.]+", done.stdout, re.MULTILINE), done
    assert f"{len(runs)} runs, {len(runs)} of them made now" in done.stdout
    kept = {path.name.split("-")[0] for path in study.work.iterdir()}
    assert kept == {"teacher"}, "states of students that are done"
    assert study.name != "mnist" or runs["teacher", 1]["result"]["confusable"]
    before = study.json.read_bytes()
    moved = study.work.rename(study.work.with_name("moved"))
    done = study.good("--threads", 2)  # without teachers, too
    assert study.json.read_bytes() == before and not done.stderr
    assert f"{len(runs)} runs, 0 of them made now" in done.stdout
    study.work.rmdir()
    moved.rename(study.work)
    done = study.good("--seed", SEEDS[-1])
    new = len(PROGRAMS[study.name][1])
    assert f"{new} of them made now" in done.stdout, done.stdout
    assert {key: study.runs()[key] for key in runs} == runs
    study.json.write_bytes(before)


def prints_all(study):
    """The table has all numbers, however many there are."""
    before = study.json.read_bytes()
    file, seeds = json.loads(before), range(1, 61)
    file["runs"] = [{"what": {name: seed if name in ("seed", "teacher_seed") else value
                              for name, value in run["what"].items()},
                     "result": run["result"] | {"errors": 1000 + seed}}
                    for run in file["runs"] if run["what"]["seed"] == 1 for seed in seeds]
    study.json.write_text(json.dumps(file), encoding="utf-8")
    done = study.good("--seeds", len(seeds))
    assert "0 of them made now" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("  alone")]
    assert lines[0].endswith(", ".join(str(1000 + seed) for seed in seeds)), lines
    study.json.write_bytes(before)


def threads(programs, study, folder):
    """The same bits."""
    other = Study(programs, study.name, folder)
    other.good("--threads", 2)
    assert other.outcome() == study.outcome(), study.name


def large_threads(programs, folder):
    """Nets that are worth two threads."""
    plan = "hidden=300,batch=200,epochs=1"
    out = []
    for n in (1, 2):
        study = Study(programs, "mnist", folder, "--seeds", 1, "--threads", n, "--teacher", plan,
                      "--alone", plan, "--distilled", plan)
        study.json, study.work = folder / f"{n}.json", folder / f"{n}-work"
        study.good()
        out.append(study.outcome())
    assert out[0] == out[1]


def kill(study, is_time):
    """Starts it and kills it when it is time; False if it was done before."""
    with subprocess.Popen(study.command(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not is_time():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def kill_in_the_midst(study):
    """When five epochs of the first training are done; again if all was done before that."""
    def lines():
        return sum(path.read_text(encoding="utf-8").count("\n")
                   for path in study.work.glob("*.curve"))
    while not kill(study, lambda: lines() >= 10):
        shutil.rmtree(study.work)
        study.json.unlink()


def killed(programs, name, folder, more_kills):
    """Killed in the midst of a training, and at any moment: nothing is lost, nothing differs."""
    plan = f"epochs={EPOCHS}"
    words = ["--widths", "20"] if name == "temperature" else []
    words += ["--seeds", 1, "--threads", 1, "--teacher", plan, "--distilled", plan]
    words += [] if name in TAUGHT_ONLY else ["--alone", plan]
    whole = Study(programs, name, folder / "whole", *words)
    whole.folder.mkdir()
    begin = time.monotonic()
    whole.good()
    takes = time.monotonic() - begin
    study = Study(programs, name, folder, *words)
    kill_in_the_midst(study)
    for _ in range(more_kills):
        moment = time.monotonic() + random.uniform(0, 0.5 * takes)
        kill(study, lambda until=moment: time.monotonic() >= until)
    last = study.good()
    assert study.outcome() == whole.outcome(), name
    if not more_kills:
        assert re.search(rf": [1-9]\d* of {EPOCHS} epochs are done already", last.stdout), last
    for run in study.runs().values():
        if "loss" in run["result"]:
            check_curve(run)


def bad_values(study):
    """Fields that are not, and values that can't be, which are the same for all programs."""
    for option in ("teacher", "alone", "distilled"):
        for words in ("colour=3", "epochs", "epochs=0", "epochs=2x", "epochs=1.5", "rate=nan",
                      "hidden_dropout=1", "", "epochs=", "epochs= 3", "epochs=0x10", "rate=inf"):
            study.refuses(2, f"--{option} {words}: ", f"--{option}", words)
        for words, culprit in (("rate=0.1,colour=3", "colour=3"), ("epochs=2,", ""),
                               ("epochs=x,rate=1", "epochs=x"), ("epochs,rate=1", "epochs"),
                               ("epochs=2,epochs=3", "epochs=3")):
            study.refuses(2, f"--{option} {culprit}: ", f"--{option}", words)
        if option != "distilled":  # a temperature of what has no teacher
            study.refuses(2, "temperature=2", f"--{option}", "epochs=2,temperature=2")
    for words in (("--seeds", 0), ("--seed", -1), ("--threads", 0), ("--threads", "many"),
                  ("--seed", "1,2"), ("--json", ""), ("--work", ""), ("--data", "")):
        study.refuses(2, " ".join(map(str, words)) + ": ", *words)


def refusals(study):
    """The command line, data, and results that are not."""
    study.refuses(2, "--colour", "--colour")
    study.refuses(2, "stray", "stray")
    study.refuses(2, "--teacher", "--teacher", "colour=3")
    study.refuses(2, "--json", "--json")
    if study.name in TAUGHT_ONLY:
        study.refuses(2, "--alone", "--alone", "epochs=2")
    nowhere = study.folder / "nowhere"
    study.refuses(1, nowhere, "--data", nowhere)
    study.refuses(1, nowhere, "--work", nowhere / "work")
    study.refuses(1, nowhere, "--json", nowhere / "x.json")
    study.refuses(1, study.folder, "--json", study.folder)
    good = study.json.read_bytes()
    other = json.loads(good)
    other["program"] = "paper-other"
    for bad in (json.dumps(other).encode(), good[:-3], good[:len(good) // 2], good + b"x", b"[]",
                b"{}", b"")[:None if study.name == "mnist" else 2]:
        study.json.write_bytes(bad)
        study.refuses(1, study.json)
    study.json.write_bytes(good)
    with open(f"{study.json}.lock", "w", encoding="utf-8") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)  # as another program that writes these results
        study.refuses(1, study.json)
    if study.name == "temperature":
        study.refuses(2, "--teacher-seed 1,2: more than 1 number", "--teacher-seed", "1,2")
    for name, words in {"temperature": [("--temperatures", "0"), ("--widths", "1.5"),
                                        ("--teacher-seed", "1,2"), ("--alone", "hidden=3"),
                                        ("--distilled", "rate=0.1,temperature=3")],
                        "missing": [("--omit", "10"), ("--only", "7,x"), ("--only", "")],
                        "ensemble": [("--members", "1"), ("--members", "2,3")]}.items():
        for pair in words if name == study.name else []:
            study.refuses(2, pair[0], *pair)


def damaged_teachers(study):
    """A teacher whose file is not what it was is refused, and nothing is written."""
    good = study.json.read_bytes()
    file = json.loads(good)
    file["runs"] = [r for r in file["runs"] if r["what"]["row"].endswith("alone")]
    study.json.write_text(json.dumps(file), encoding="utf-8")
    path = next(study.work.glob("teacher-1-*.safetensors"))
    whole = path.read_bytes()
    few = None if study.name == "mnist" else 1
    for at in (len(whole) // 2, 0, 9, len(whole) - 1)[:few]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
        study.refuses(1, path)
    for size in (len(whole) - 1, 0, 7, len(whole) // 2)[:few]:
        path.write_bytes(whole[:size])
        study.refuses(1, path)
    path.write_bytes(next(study.work.glob("teacher-2-*.safetensors")).read_bytes()
                     if list(study.work.glob("teacher-2-*.safetensors")) else whole[:1])
    study.refuses(1, path)  # whole, but another's
    path.write_bytes(whole)
    study.json.write_bytes(good)


def lost_curve(programs, study, folder):
    """A teacher whose learning curve is gone has none: null, not zero."""
    again = Study(programs, "mnist", folder)
    shutil.copytree(study.work, again.work)
    for path in again.work.glob("teacher-1-*.curve"):
        path.unlink()
    again.good()
    runs = again.runs()
    assert runs["teacher", 1]["result"]["loss"] == [None, None]
    check_curve(runs["teacher", 2])
    assert {key: run["errors"] for key, run in again.outcome().items()} == \
        {key: run["errors"] for key, run in study.outcome().items()}


def unwritable(programs, folder):
    """A result that can't be written is not trained again."""
    study = Study(programs, "mnist", folder, "--seeds", 1)
    study.good("--distilled", "epochs=1")
    before = study.json.read_bytes()
    in_the_way = pathlib.Path(f"{study.json}.new")
    in_the_way.mkdir()
    done = study.run()
    assert done.returncode == 1 and str(study.json) in done.stderr.splitlines()[-1], done
    assert study.json.read_bytes() == before
    in_the_way.rmdir()
    assert "2 of 2 epochs are done already" in study.good().stdout.split("distilled")[1]


def write_idx(folder, images, zipped):
    """The four files, with random images; `images` of train and t10k."""
    chance = random.Random(7)
    folder.mkdir()
    for split, n in images.items():
        labels = bytes(i % 10 for i in range(n))
        files = {"images-idx3": struct.pack(">4I", 0x803, n, 28, 28) + chance.randbytes(n * 784),
                 "labels-idx1": struct.pack(">2I", 0x801, n) + labels}
        for name, data in files.items():
            path = folder / f"{split}-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(data) if zipped else data)


def chosen(outcome):
    """What must not depend on the test images: all that is trained, and the honest shift."""
    return {key: (result.get("loss"), result.get("shift_honest"))
            for key, result in outcome.items()}


def own_data(programs, folder):
    """Nothing is fitted to MNIST: other numbers of images will do, gzip or raw, and hold-out."""
    write_idx(folder / "raw", {"train": 130, "t10k": 50}, False)
    write_idx(folder / "zipped", {"train": 130, "t10k": 50}, True)
    write_idx(folder / "half", {"train": 130}, True)
    write_idx(folder / "tested", {"train": 130, "t10k": 80}, True)
    for name in PROGRAMS:
        outcomes = []
        for kind, cases, words in (("raw", 50, []), ("zipped", 50, []),
                                   ("half", 21, ["--holdout"]), ("tested", 80, [])):
            here = folder / f"{name}-{kind}"
            here.mkdir()
            study = Study(programs, name, here, "--data", folder / kind, *words)
            study.good("--threads", 1)
            runs = check_results(study, cases)
            assert all(r["what"]["data"] == "files" and r["what"]["holdout"] == bool(words)
                       for r in runs.values())
            outcomes.append(study.outcome())
            curves = [r["result"]["held_out_errors"] for r in runs.values()
                      if words and "loss" in r["result"]]
            assert bool(curves) == bool(words)
            assert all(0 <= errors <= cases for curve in curves for errors in curve)
            if kind == "half":
                study.words.remove("--holdout")
                study.refuses(1, "t10k-images")
        assert outcomes[0] == outcomes[1] != outcomes[2]
        assert chosen(outcomes[0]) == chosen(outcomes[3]) and outcomes[0] != outcomes[3]


def diverged(programs, folder):
    """A training whose numbers overflow is a result; a teacher's leaves no student, and is the
    result of one that is to learn from it alone."""
    study = Study(programs, "mnist", folder, "--seeds", 1, "--alone", "layers=12,rate=100")
    done = study.run()
    assert done.returncode == 0 and "step" in done.stderr, done
    runs = study.runs()
    assert runs["alone", 1]["result"]["diverged"] in (1, 2), runs
    assert "errors" not in runs["alone", 1]["result"]
    assert "errors" in runs["distilled", 1]["result"]
    before = study.json.read_bytes()
    assert "0 of them made now" in study.good().stdout and study.json.read_bytes() == before
    study = Study(programs, "mnist", folder, "--seeds", 1,
                  "--teacher", "layers=12,rate=100,max_norm=0")
    study.json = folder / "teacher.json"
    assert study.run().returncode == 0
    assert {row: "diverged" in run["result"] for (row, _), run in study.runs().items()} == \
        {"teacher": True, "alone": False}
    study = Study(programs, "missing", folder, "--teacher", "layers=12,rate=100,max_norm=0")
    assert study.run().returncode == 0
    runs = study.runs()
    assert set(runs) == {(row, seed) for row in PROGRAMS["missing"][1] for seed in SEEDS}
    assert all(run["result"]["diverged"] in (1, 2) and run["result"]["cases"] == CASES
               and run["result"]["diverged_net"] == "teacher" for run in runs.values()), runs
    before = study.json.read_bytes()
    assert "0 of them made now" in study.good().stdout and study.json.read_bytes() == before


def classes_in_any_order(programs, folder):
    """--only 8,7 is --only 7,8."""
    study = Study(programs, "missing", folder, "--seeds", 1)
    study.good()
    assert "0 of them made now" in study.good("--only", "8,7,8").stdout


def options_of(name):
    return (OPTIONS | OWN[name]) - ({"alone"} if name in TAUGHT_ONLY else set())


def help_names_all(study):
    text = study.good("--help").stdout
    assert set(re.findall(r"^  --([\w-]+)", text, re.MULTILINE)) == options_of(study.name)
    fields = {field for run in study.runs().values() for field in run["what"]["plan"]}
    assert fields and not {f for f in fields if not re.search(rf"\b{f}\b", text)}, fields
    assert all(len(line) <= 100 for line in text.splitlines())


def main():
    p = argparse.ArgumentParser(description=__doc__)
    for name in PROGRAMS:
        p.add_argument(f"--{name}", type=pathlib.Path, required=True, help=f"paper-{name}")
    programs = {name: path.resolve() for name, path in vars(p.parse_args()).items()}
    # In memory if there is such a folder: after each epoch a program waits for the disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as root:
        folder = pathlib.Path(root)

        def sub(name):
            (folder / name).mkdir()
            return folder / name
        first = sub("first")
        for name in PROGRAMS:
            study = Study(programs, name, first)
            made(study)
            threads(programs, study, sub(f"threads-{name}"))
            help_names_all(study)
            refusals(study)
            damaged_teachers(study)
        prints_all(Study(programs, "mnist", first))
        bad_values(Study(programs, "mnist", first))
        lost_curve(programs, Study(programs, "mnist", first), sub("curve"))
        large_threads(programs, sub("large"))
        unwritable(programs, sub("unwritable"))
        own_data(programs, sub("data"))
        diverged(programs, sub("diverged"))
        classes_in_any_order(programs, sub("order"))
        for name in PROGRAMS:
            killed(programs, name, sub(f"killed-{name}"), 5 if name == "mnist" else 0)
    print("the programs of examples/paper do as they say")


if __name__ == "__main__":
    main()
