# SPDX-License-Identifier: MIT
"""Holds paper-speech and paper-regularise to what they say of words that they speak themselves, to
going on where they were killed, and to naming the file that can't be used."""
import argparse
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
import sys
import tempfile
import time

RATE = 8000


def wav(samples, rate=RATE, channels=1, bits=16, declared=None):
    """The bytes of a file."""
    data = struct.pack(f"<{len(samples)}h", *samples)
    size = len(data) if declared is None else declared
    wide = channels * bits // 8
    return (b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * wide, wide, bits)
            + b"data" + struct.pack("<I", size) + data)


def spoken(word, number, n=1600):
    """A word: two tones, one after the other, which only this one has in this order."""
    noise = random.Random(100 * word + number)
    tones = [300 * (1 + word // 3), 400 * (1 + word % 5)]
    return [int(8000 * math.sin(2 * math.pi * tones[2 * i // n] * i / RATE)
                + noise.gauss(0, 300)) for i in range(n)]


def write_corpus(folder, speakers=("ada", "bob"), indices=(0, 40, 41, 45)):
    """Few recordings, of which one is shorter than there are states, and one than a window."""
    (folder / "recordings").mkdir(parents=True)
    for word in range(10):
        for number, speaker in enumerate(speakers):
            for index in indices:
                n = {(3, "ada", 40): 600, (4, "bob", 0): 150}.get((word, speaker, index), 1600)
                (folder / "recordings" / f"{word}_{speaker}_{index}.wav").write_bytes(
                    wav(spoken(word, 50 * number + index, n)))


def runs_of(path):
    """All runs of a file, each with the frames that it shares with others of these recordings."""
    file = json.loads(path.read_text())
    for run in file["runs"]:
        result = run["result"]
        assert "frames" not in result and ("frames_of" in result) == ("frames_right" in result)
        if "frames_of" in result:
            result["frames"] = file["frames"][result["frames_of"]]
    return file["runs"]


class Program:
    """One of the two, in a folder of its own for each use."""

    def __init__(self, path, options):
        self.path = path
        self.options = options

    def words(self, folder, *words):
        folder.mkdir(exist_ok=True)
        return [self.path, "--smoke", "--json", folder / "r.json", "--work", folder / "work",
                *self.options, *map(str, words)]

    def run(self, folder, *words):
        return subprocess.run(self.words(folder, *words), capture_output=True, text=True,
                              check=False)

    def good(self, folder, *words):
        done = self.run(folder, *words)
        assert done.returncode == 0, done.stderr
        return runs_of(folder / "r.json")

    def refuses(self, folder, words, *why):
        done = self.run(folder, *words)
        assert done.returncode == 1, done
        last = done.stderr.splitlines()[-1]
        for part in why:
            assert str(part) in last, f"{part} is not in {last}"


def timeless(runs):
    """Runs without what differs from time to time."""
    return [(r["what"], {k: v for k, v in r["result"].items() if k not in ("seconds", "threads")})
            for r in runs]


def check_counts(runs, recordings):
    """All of one alignment; totals are those of the recordings."""
    assert len({r["what"]["alignment"] for r in runs}) == 1
    assert len({r["what"]["hash"] for r in runs}) == 1
    for r in runs:
        result = r["result"]
        assert len(result["frames"]) == recordings, r["what"]
        assert len(result["frames_right"]) == len(result["words_right"]) == recordings
        assert all(0 <= right <= all_of_them for right, all_of_them
                   in zip(result["frames_right"], result["frames"]))
        accuracy = 100 * sum(result["frames_right"]) / sum(result["frames"])
        wrong = 100 * (1 - sum(result["words_right"]) / recordings)
        assert abs(result["frame_accuracy"] - accuracy) < 1e-9
        assert abs(result["word_error_rate"] - wrong) < 1e-9


def by_row(runs):
    rows = {}
    for r in runs:
        rows.setdefault(r["what"]["row"], []).append(r)
    return rows


def check_table_1(speech, folder):
    """Rows, the choice of the temperature, and equal bits for any number of threads."""
    runs = speech.good(folder / "one", "--seeds", 2, "--threads", 1)
    check_counts(runs, 40)
    rows = by_row(runs)
    assert {row: len(all_of_it) for row, all_of_it in rows.items()} == {
        "baseline": 2, "member": 6, "ensemble": 2, "T = 1": 2, "T = 4": 2, "distilled": 2}
    assert sorted(r["what"]["seed"] for r in rows["member"]) == [4, 5, 6, 7, 8, 9]
    first = {r["what"]["net"]: r["result"] for r in rows["member"]}
    for r in rows["baseline"]:
        assert r["what"]["net"] == 3 * r["what"]["seed"] + 1
        assert first[r["what"]["net"]] == r["result"]
    mean = {row: sum(r["result"]["frame_accuracy"] for r in rows[row]) for row in rows}
    best = 1 if mean["T = 1"] >= mean["T = 4"] else 4
    assert {r["what"]["plan"]["temperature"] for r in rows["distilled"]} == {best}
    assert all((r["what"]["part"] == "development") == r["what"]["row"].startswith("T")
               for r in runs)
    # By chance it would be 1.25 %.
    assert all(r["result"]["frame_accuracy"] > 20 for r in runs)
    assert mean["ensemble"] > mean["baseline"]
    trained = ("seconds", "threads", "tflop", "loss", "held_out_errors")
    for r, developed in zip(rows["distilled"], rows[f"T = {best}"]):
        assert {k: r["result"][k] for k in trained} == {k: developed["result"][k] for k in trained}
    result = rows["T = 1"][0]["result"]
    errors = result["held_out_errors"][-1]
    assert errors == result["held_out_frames"] - sum(result["frames_right"])
    assert timeless(runs) == timeless(speech.good(folder / "two", "--seeds", 2, "--threads", 2))
    return runs


def check_table_5(regularise, folder):
    """Two rows of one training, the epoch that is kept, and equal bits."""
    runs = regularise.good(folder / "one", "--seeds", 1, "--threads", 1)
    check_counts(runs, 40)
    rows = by_row(runs)
    assert list(rows) == [f"{kind}, {share} %" for share in (20, 100)
                          for kind in ("hard", "hard, stopped early", "soft")]
    assert [r["what"]["recordings"] for r in runs] == 3 * [20] + 3 * [100]
    assert [r["what"]["plan"]["epochs"] for r in runs] == 3 * [5] + 3 * [2]
    assert all(r["what"].get("teacher_seed") == (1001 if "soft" in r["what"]["row"] else None)
               for r in runs)
    for share in (20, 100):
        last = rows[f"hard, {share} %"][0]["result"]
        early = rows[f"hard, stopped early, {share} %"][0]["result"]
        errors = early["held_out_errors"]
        assert last["held_out_errors"] == errors and last["loss"] == early["loss"]
        assert early["best_epoch"] == 1 + errors.index(min(errors))
    assert timeless(runs) == timeless(regularise.good(folder / "two", "--seeds", 1, "--threads",
                                                      2))
    return runs


def check_early_stopping(regularise, folder):
    """A rate that is too high, so that it gets worse: each row has the net of its epoch."""
    runs = regularise.good(folder / "early", "--seeds", 1, "--holdout", "--alone", "rate=0.2",
                           "--threads", 1)
    last, early = runs[0]["result"], runs[1]["result"]
    assert early["best_epoch"] < len(early["held_out_errors"])
    for result, epoch in ((last, -1), (early, early["best_epoch"] - 1)):
        wrong = sum(result["frames"]) - sum(result["frames_right"])
        assert wrong == result["held_out_errors"][epoch]


def check_diverged(speech, regularise, folder):
    """A training whose numbers overflow is a result; a member's leaves no ensemble."""
    wild, words = "layers=12,rate=100", ["--seeds", 2, "--threads", 1]
    runs = by_row(speech.good(folder / "students", *words, "--distilled", wild))
    assert {row: len(kind) for row, kind in runs.items()} == {
        "baseline": 2, "member": 6, "ensemble": 2, "T = 1": 2, "T = 4": 2, "distilled": 2}
    assert all(("diverged" in r["result"]) != ("frame_accuracy" in r["result"])
               for kind in runs.values() for r in kind)
    gone = {row: ["diverged" in r["result"] for r in kind] for row, kind in runs.items()}
    assert any(gone["T = 1"]) and not any(gone["baseline"] + gone["member"] + gone["ensemble"])
    # What diverged counts as nothing right.
    right = {t: sum(r["result"].get("frame_accuracy", 0) for r in runs[f"T = {t}"]) for t in (1, 4)}
    best = max(right, key=right.get)
    assert {r["what"]["plan"]["temperature"] for r in runs["distilled"]} == {best}
    assert gone["distilled"] == gone[f"T = {best}"]
    runs = by_row(speech.good(folder / "members", *words, "--teacher", wild))
    assert {row: len(kind) for row, kind in runs.items()} == {"baseline": 2, "member": 6}
    assert all("diverged" in r["result"] for kind in runs.values() for r in kind)
    runs = regularise.good(folder / "hard", *words, "--alone", wild)
    assert [("diverged" in r["result"], r["what"]["row"].split(",")[0] != "soft")
            for r in runs] == 2 * 2 * [(True, True), (True, True), (False, False)]
    runs = regularise.good(folder / "soft", *words, "--distilled", wild)
    assert [("diverged" in r["result"]) for r in runs] == 2 * 2 * [False, False, True]
    runs = regularise.good(folder / "teachers", *words, "--teacher", wild)
    assert [("diverged" in r["result"]) for r in runs] == 2 * 2 * [False, False, True]
    for r in runs[2::3]:
        assert r["result"]["diverged_net"] == "teacher" and r["result"]["diverged"] in (1, 2), r
        assert not {"loss", "seconds", "frame_accuracy"} & set(r["result"]), r
    for program, name, which in (
            (speech, "students", "--distilled"), (speech, "members", "--teacher"),
            (regularise, "hard", "--alone"), (regularise, "teachers", "--teacher")):
        results = (folder / name / "r.json").read_bytes()
        program.good(folder / name, *words, which, wild)
        assert (folder / name / "r.json").read_bytes() == results


def check_going_on(program, folder, runs):
    """Killed after its first results, without some of them, and with all of them."""
    seeds = len({r["what"]["seed"] for r in runs if r["what"]["row"] in ("baseline", "soft, 20 %")})
    words = ["--seeds", seeds, "--threads", 1]
    results = folder / "three" / "r.json"
    with subprocess.Popen(program.words(folder / "three", *words), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (results.exists() and "row" in results.read_text()):
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert 0 < len(json.loads(results.read_text())["runs"])
    assert timeless(program.good(folder / "three", *words)) == timeless(runs)
    some = json.loads(results.read_text())
    some["runs"] = some["runs"][::2]
    results.write_text(json.dumps(some))
    kept = timeless(runs_of(results))
    work = folder / "three" / "work"
    for net in work.glob("T-*.net.safetensors"):
        net.unlink()
    again = timeless(program.good(folder / "three", *words))
    assert again[:len(kept)] == kept
    left = {path.name for path in work.iterdir() if not path.name.endswith(".net.safetensors")
            and not path.name.startswith(("teacher-", "alignment-"))}
    assert not left, f"states of nets that are done: {left}"
    assert sorted(map(str, again)) == sorted(map(str, timeless(runs)))
    before = results.read_bytes()
    program.good(folder / "three", *words)
    assert results.read_bytes() == before


def check_files(speech, folder):
    """Recordings from files: splits, what is read, and short ones."""
    data = folder / "data"
    write_corpus(data)
    words = ["--data", data, "--seeds", 1, "--threads", 1]
    official = speech.good(folder / "files", *words)
    check_counts(official[:5], 20)
    runs = speech.good(folder / "left", *words, "--leave-out", "bob")
    check_counts([r for r in runs if r["what"]["part"] == "test"], 40)
    check_counts([r for r in runs if r["what"]["part"] == "development"], 10)
    assert {r["what"]["split"] for r in runs} == {"without bob"}
    assert {(r["what"]["corpus"], r["what"]["speakers"]) for r in runs + official} == \
        {(runs[0]["what"]["corpus"], 2)}
    speech.refuses(folder / "left", [*words, "--leave-out", "eve"], "eve", "no recordings")
    (data / "recordings" / "7_bob_0.wav").write_bytes(b"")
    runs = speech.good(folder / "held", *words, "--holdout")
    check_counts(runs, 20)
    assert all(r["what"]["holdout"] and r["what"]["part"] == "development" for r in runs)
    speech.refuses(folder / "files", words, data / "recordings" / "7_bob_0.wav", "empty")


def check_bad_files(program, folder):
    """Each is named, with what is wrong and what was expected."""
    samples = spoken(1, 1)
    whole = wav(samples)
    cases = [(wav(samples, rate=44100), "44100 Hz"), (wav(samples, rate=16000), "16000 Hz"),
             (wav(samples, channels=2), "2 channels"), (whole[:-700], "truncated"),
             (whole[:44], "truncated"), (whole[:30], "data"), (whole[:3], ""),
             (wav(samples, declared=9999), "truncated"), (wav([]), "no samples"), (b"", "empty"),
             (b"no sound at all" * 20, ""), (wav(samples, bits=8), "encoding")]
    for number, (data, why) in enumerate(cases):
        recordings = folder / f"bad{number}" / "recordings"
        recordings.mkdir(parents=True)
        (recordings / "1_ada_7.wav").write_bytes(data)
        program.refuses(folder / "out", ["--data", recordings.parent], recordings / "1_ada_7.wav",
                        why, "expected a wav file of 8000 Hz, mono, 16-bit PCM")
    recordings = folder / "bad0" / "recordings"
    path = recordings / "1_ada_7.wav"
    path.unlink()
    path.mkdir()
    program.refuses(folder / "out", ["--data", recordings.parent], path, "no file")
    path.rmdir()
    path.symlink_to("nowhere")
    program.refuses(folder / "out", ["--data", recordings.parent], path, "No such file")
    path.unlink()
    program.refuses(folder / "out", ["--data", recordings.parent], recordings, "no recordings")
    for name in ("x_ada_1.wav", "12_ada_1.wav", "1_ada.wav", "1_ada_1x.wav", "1__1.wav",
                 "-1_ada_1.wav", "1_ada_.wav", "1_a.b_1.wav", "1_" + "a" * 60 + "_1.wav"):
        (recordings / name).write_bytes(whole)
        program.refuses(folder / "out", ["--data", recordings.parent], name, "not named")
        (recordings / name).unlink()
    path.write_bytes(whole)
    program.refuses(folder / "out", ["--data", recordings.parent], "no recording of 0")
    shutil.rmtree(recordings)
    program.refuses(folder / "out", ["--data", recordings.parent], recordings, "No such file")
    program.refuses(folder / "out", ["--teacher", "jitter=1"], "jitter", "images")
    done = program.run(folder / "out", "--distilled", "temperature=3")
    assert done.returncode == 2 and "--distilled temperature=3: this program sets" in done.stderr


def check_help(program, folder, own):
    """All options, in lines that a terminal has room for."""
    text = program.run(folder, "--help").stdout
    names = set(re.findall(r"^  --([\w-]+)", text, re.MULTILINE))
    assert names == own | {"data", "seed", "seeds", "json", "work", "teacher", "distilled",
                           "holdout", "leave-out", "smoke", "threads", "help"}, names
    assert all(len(line) <= 100 for line in text.splitlines()), text
    # What is said of them begins in one column; a name that is too long has a line of its own.
    for line in re.findall(r"^  .*$", text[:text.index("\nPlans")], re.MULTILINE):
        assert re.match(r".{20} \S|  --\S+( \S+)?$", line), line


def check_report(report, folder):
    """The tables are made of what the programs write: two splits, and trainings that diverged."""
    (folder / "tables").mkdir()
    for program, parts in (("speech", ("check_table_1/one", "files", "left", "students")),
                           ("regularise", ("check_table_5/one", "hard", "teachers"))):
        files = [json.loads((folder / part / "r.json").read_text()) for part in parts]
        runs = {json.dumps(r["what"]): r for file in files for r in file["runs"]}
        frames = {name: n for file in files for name, n in file.get("frames", {}).items()}
        (folder / "tables" / f"{program}.json").write_text(json.dumps(
            {"program": f"paper-{program}", "runs": list(runs.values()), "frames": frames}))
    done = subprocess.run([sys.executable, report, folder / "tables"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done
    text = " ".join(done.stdout.split())
    for line in ("Drawn words", "Recordings (corpus", "so far bob;", "| ensemble - distilled |",
                 "1: diverged in epoch 1", "1: its teacher diverged in epoch",
                 "| 20 % (20) | soft [1] - hard [1]", "| without bob |"):
        assert line in text, line


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--speech", required=True, help="the program paper-speech")
    p.add_argument("--regularise", required=True, help="the program paper-regularise")
    p.add_argument("--report", required=True, help="examples/paper/report.py")
    given = p.parse_args()
    speech = Program(given.speech, ["--members", "3", "--temperatures", "1,4"])
    regularise = Program(given.regularise, ["--shares", "20,100", "--longest", "5"])
    # In memory if there is such a folder: after each epoch a program waits for the disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as name:
        for program, check in ((speech, check_table_1), (regularise, check_table_5)):
            folder = pathlib.Path(name) / check.__name__
            folder.mkdir()
            check_going_on(program, folder, check(program, folder))
        check_help(speech, pathlib.Path(name) / "help", {"members", "temperatures"})
        check_help(regularise, pathlib.Path(name) / "help", {"shares", "longest", "alone"})
        check_bad_files(speech, pathlib.Path(name))
        check_diverged(speech, regularise, pathlib.Path(name))
        check_early_stopping(regularise, pathlib.Path(name))
        check_files(speech, pathlib.Path(name))
        check_report(given.report, pathlib.Path(name))
    print("both programs say what they count, go on, and name what they can't use")


if __name__ == "__main__":
    main()
