# SPDX-License-Identifier: MIT
"""Holds paper-specialists to its words: rows, paired counts, resuming, threads, data.

Nothing here is about how few errors nets make: trainings are tiny.
"""
import argparse
import gzip
import json
import pathlib
import random
import struct
import tempfile

from test_paper import OPTIONS, Study

ROWS = ["generalist", "clusters", "dustbins not corrected", "with specialists",
        "with specialists, n = 2", "with specialists, n = 3", "random groups",
        "full softmax, soft targets elsewhere", "generalist trained on", "ensemble of generalists",
        "distilled from the generalist", "distilled from all"]
SEEDS = [1, 2]
SETS, CLASSES = 3, 5  # of --smoke


def outcome(study, *names):
    """What must not depend on threads or on stops."""
    gone = ("seconds", "threads", *names)
    return {key: {name: value for name, value in run["result"].items() if name not in gone}
            for key, run in study.runs().items()}


def check(study):
    """Rows are there once, and their counts fit each other."""
    runs = study.runs()
    assert set(runs) == {(row, seed) for row in ROWS for seed in SEEDS}, set(runs)
    for seed in SEEDS:
        base = runs["generalist", seed]["result"]
        assert base["won"] == base["lost"] == 0
        assert 0 < base["conditional_cases"] < base["cases"]
        for row in ROWS:
            result = runs[row, seed]["result"]
            assert result["commit"] and result["threads"] and "processor" in result, row
            assert result["cases"] == base["cases"], row
            if row == "clusters":
                sets = result["sets"]
                assert len(sets) == SETS and all(len(set(s)) == CLASSES for s in sets), sets
                assert all(s == sorted(s, key=lambda c: [int(p) for p in c.split(".")])
                           for s in sets), sets
                continue
            assert result["errors"] == base["errors"] - result["won"] + result["lost"], row
            assert 0 <= result["conditional_errors"] <= result["conditional_cases"], row
            assert result["conditional_cases"] == base["conditional_cases"], row
        covered = runs["with specialists", seed]["result"]["covered"]
        after = runs["with specialists", seed]["result"]["errors"]
        assert sum(c["cases"] for c in covered) == base["cases"]
        assert sum(c["right_before"] for c in covered) == base["cases"] - base["errors"]
        assert sum(c["right_after"] for c in covered) == base["cases"] - after
        assert sum(c["cases"] for c in covered if c["specialists"]) == base["conditional_cases"]
        active = runs["with specialists", seed]["result"]["active"]
        assert 0 < active["own"] <= active["pairs"], active
        for side in (active["generalist"], active["specialist"]):
            assert 0 < side["own"] < 1 and side["nats"] > 0, active
            assert 0 <= side["own_errors"] <= active["own"], active
        assert active["generalist"] != active["specialist"], active
        # The likeliest class is one of the specialist's, so theirs together have the most, too.
        assert active["generalist"]["own"] > 1 / 30, active
        shown = runs["with specialists", seed]["result"]["trained_cases"]
        more = runs["generalist trained on", seed]["result"]["trained_cases"]
        assert abs(shown - more) <= 1400, (shown, more)  # half an epoch of the smoke size
    moved = [row for row in ROWS if row not in ("generalist", "clusters") and
             any(runs[row, seed]["result"]["won"] + runs[row, seed]["result"]["lost"]
                 for seed in SEEDS)]
    assert len(moved) >= 8, moved  # rows that answer otherwise than the generalist


def resumed(study):
    """Nothing is made twice; what is lost is made again, the same."""
    before = study.json.read_bytes()
    assert "0 of them made now" in study.good().stdout
    assert study.json.read_bytes() == before
    kept = outcome(study)
    file = json.loads(before)
    for lost in (("with specialists, n = 3",), ("distilled from all",),
                 ("dustbins not corrected", "random groups", "ensemble of generalists")):
        some = {**file, "runs": [r for r in file["runs"] if r["what"]["row"] not in lost]}
        study.json.write_text(json.dumps(some), encoding="utf-8")
        assert f"{len(lost) * len(SEEDS)} of them made now" in study.good().stdout
        assert outcome(study, "trained_cases", "tflop") == {
            key: {name: value for name, value in result.items()
                  if name not in ("trained_cases", "tflop")} for key, result in kept.items()}, lost


def write_idx(folder, labels):
    """EMNIST's two files with random images."""
    chance = random.Random(3)
    folder.mkdir()
    n = len(labels)
    for name, head, body in (
            ("images-idx3", struct.pack(">4I", 0x803, n, 28, 28), chance.randbytes(784 * n)),
            ("labels-idx1", struct.pack(">2I", 0x801, n), bytes(labels))):
        path = folder / f"emnist-byclass-test-{name}-ubyte.gz"
        path.write_bytes(gzip.compress(head + body))


def own_data(programs, folder):
    """Files of EMNIST's form; what is not one is refused by name."""
    write_idx(folder / "letters", [i % 62 for i in range(62 * 16)])
    study = Study(programs, "specialists", folder, "--seeds", 1, "--data", folder / "letters")
    study.good()
    results = [run["result"] for (row, _), run in study.runs().items() if row == "clusters"]
    assert all(len(name) == 1 for s in results[0]["sets"] for name in s), results
    tested = results[0]["cases"]
    study.json = folder / "held.json"
    study.good("--holdout")
    assert all(run["result"]["cases"] != tested for run in study.runs().values())
    write_idx(folder / "bad", [62] * 700)
    study.refuses(1, "not 0 to 61", "--data", folder / "bad")
    study.refuses(1, "emnist-byclass-test-images", "--data", folder)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--specialists", type=pathlib.Path, required=True, help="paper-specialists")
    programs = {"specialists": p.parse_args().specialists.resolve()}
    with tempfile.TemporaryDirectory() as root:
        folder = pathlib.Path(root)
        study = Study(programs, "specialists", folder)
        done = study.good("--threads", 1)
        assert done.stdout.count("generalist confuses") == len(SEEDS), done.stdout
        check(study)
        (folder / "threads").mkdir()
        other = Study(programs, "specialists", folder / "threads")
        other.good("--threads", 2)
        assert outcome(other) == outcome(study)
        resumed(study)
        text = study.good("--help").stdout
        assert all(f"--{name}" in text for name in OPTIONS | {"sets", "classes", "members"})
        assert all(len(line) <= 100 for line in text.splitlines())
        for words in (("--sets", "0"), ("--classes", "1,2"), ("--members", "1"),
                      ("--alone", "hidden=7"), ("--alone", "epochs=1,layers=1")):
            study.refuses(2, words[0], *words)
        for option in ("--classes", "--sets"):
            study.refuses(1, option, option, "41")
        (folder / "data").mkdir()
        own_data(programs, folder / "data")
    print("paper-specialists does as it says")


if __name__ == "__main__":
    main()
