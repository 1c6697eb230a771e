# SPDX-License-Identifier: MIT
"""Checks examples/paper/report.py by numbers worked out by hand, and docs/paper.md by its results.

Also: runs with other plans or images are not merged, and a page that is not up to date is refused.
"""
import json
import math
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

import paper_specialists
import paper_speech
import source

MNIST = "b6be8adf9f5ba720"
MNIST_TEST = "3f44004bbe5cfd4c"
PLAN = {"hidden": 800, "epochs": 2, "temperature": 1, "rate": 0.1}
NAMES = ("mnist", "temperature", "missing", "ensemble", "specialists", "speech", "regularise")
PAGE = "".join(f"# {name}\n\n<!-- report: {name} -->\nold\n<!-- end -->\n\nbehind\n"
               for name in NAMES)


def run(row, seed, errors, plan=None, **more):
    """One run as the programs write it; `errors` may be a result's fields."""
    what = {"row": row, "seed": seed, "data": "files", "hash": MNIST, "holdout": False,
            "test_hash": MNIST_TEST,
            "plan": PLAN | (plan or {}), "teacher_seed": seed, "teacher": PLAN, **more}
    result = {"seconds": 60 * seed, "threads": 2, "loss": [4, None, 1], "cases": 10000}
    return {"what": what, "result": result | (errors if isinstance(errors, dict)
                                              else {"errors": errors})}


def write(folder, program, runs):
    (folder / f"{program}.json").write_text(
        json.dumps({"program": f"paper-{program}", "runs": runs}), encoding="utf-8")


class Report:
    """The program, and what it should not have said."""

    def __init__(self, root, folder):
        self.program, self.folder = root / "examples" / "paper" / "report.py", folder
        self.problems = []

    def say(self, *words):
        done = subprocess.run([sys.executable, self.program, self.folder, *words], cwd="/",
                              capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1) or (done.returncode and done.stderr.count("\n") != 1):
            self.problems.append(f"report.py {words}: {done.returncode}\n{done.stderr}")
        return done

    def due(self, why, *lines):
        """Its tables have these lines."""
        text = " ".join(self.say().stdout.split())  # a sentence may be on two lines
        self.problems += [f"{why}: not in the report: {line}" for line in lines
                          if line not in text]
        return text

    def expect(self, why, right):
        if not right:
            self.problems.append(why)

    def refuses(self, why, *words):
        done = self.say(*words)
        self.expect(f"not refused with these words: {why}: {done}",
                    done.returncode == 1 and why in done.stderr)


def numbers(root, expect):
    """Mean, sd with n - 1, standard errors."""
    sys.path.insert(0, str(root / "examples" / "paper"))
    import results  # pylint: disable=import-error,import-outside-toplevel
    # 1, 3, 5, 7, 9: squares about 5 are 16 + 4 + 0 + 4 + 16 = 40; 40 / 4 = 10; 10 / 5 = 2
    odd = [1, 3, 5, 7, 9]
    expect("mean", results.mean(odd) == 5)
    expect("sd", math.isclose(results.sd(odd), math.sqrt(10)))
    expect("standard error", math.isclose(results.standard_error(odd), math.sqrt(2)))
    # 1, 3 and 4, 6, 8: squares 2 + 8 = 10 of 3 degrees; 10/3 (1/2 + 1/3) = 25/9
    expect("pooled error", math.isclose(results.pooled_error([1, 3], [4, 6, 8]), 5 / 3))
    expect("pooled error with one value", math.isclose(results.pooled_error([9], [1, 3]),
                                                       math.sqrt(2 * 1.5)))
    expect("no sd of one", results.sd([4]) is None and results.pooled_error([4], [5]) is None)


def nets(report):
    """paper-mnist: one row, one plan, one line."""
    runs = [run("alone", s, e) for s, e in ((1, 10), (2, 14), (3, 18))]  # sd: squares 32, / 2 = 16
    runs += [run("distilled", s, e) for s, e in ((1, 5), (2, 9), (3, 9))]
    write(report.folder, "mnist", runs)
    report.due("three seeds",
               "| alone | 146 | 14.0 ± 4.0 | 3 | 1: 10, 2: 14, 3: 18 | 2 min |",
               "| distilled | 74 | 7.7 ± 2.3 | 3 | 1: 5, 2: 9, 3: 9 | 2 min |",
               "Fewer errors distilled than alone, by seed: 1: 50 %, 2: 36 %, 3: 50 %; mean 45 %.",
               "MNIST; errors of 10,000 images of the test set; 2 threads.")
    report.expect("notes of plans that are one", "plans" not in report.say().stdout)
    runs[2]["result"] |= {"processor": "Z80", "commit": "abc"}
    runs[1]["result"]["commit"] = "abd"
    write(report.folder, "mnist", runs)
    report.due("what made them", "of the test set; 2 threads of Z80; commits abc, abd.")
    runs += [run("distilled", 1, 6, {"epochs": 9}),
             run("distilled", 4, 7, teacher=PLAN | {"rate": 1})]
    elsewhere = [run("alone", 1, 99, hash="1"), run("alone", 1, 77, holdout=True)]
    write(report.folder, "mnist", elsewhere + runs)
    text = report.due(
        "plans", "| alone | 146 | 14.0 ± 4.0 |", "| distilled [1] | 74 | 7.7 ± 2.3 |",
        "| distilled [2] | 74 | 6.0 | 1 | 1: 6 |", "| distilled [3] | 74 | 7.0 | 1 | 4: 7 |",
        "`distilled` was run with 3 plans, which are not merged: [1] epochs = 2, the teacher's "
        "rate = 0.1; [2] epochs = 9, the teacher's rate = 0.1; "
        "[3] epochs = 2, the teacher's rate = 1.",
        "Fewer errors distilled [2] than alone, by seed: 1: 40 %; mean 40 %.",
        "Other images (1); errors", "| alone | – | 99.0 | 1 | 1: 99 |",
        "held out of the training set", "| alone | – | 77.0 | 1 | 1: 77 |")
    write(report.folder, "mnist", [run("alone", 1, 10), run("alone", 2, {"diverged": 7}),
                                   run("distilled", 2, 5), run("teacher", 1, {"diverged": 2})])
    one = report.due("diverged", "| alone | 146 | 10.0 | 2 | 1: 10, 2: diverged in epoch 7 |",
                     "| teacher | 67 | – | 1 | 1: diverged in epoch 2 |")
    report.expect("a gain over what diverged", "Fewer" not in one.split("paper-temperature")[0])
    shown = [{"image": 5, "label": 1, "other": 2, "logits": [float(c) for c in range(10)]}]
    elsewhere.append(run("teacher", 1, {"errors": 3, "confusable": shown}))
    write(report.folder, "mnist", elsewhere + runs)
    report.expect("the paper's data is not first", text.find("MNIST;") < text.find("Other images"))


def sweep(report):
    """paper-temperature: leads in pooled standard errors."""
    errors = {(30, 0): (40, 40), (30, 1): (30, 34), (30, 3): (20, 22), (30, 20): (31, 33),
              (300, 4): (1, 1), (300, 8): (10, 12), (300, 20): (14, 16), (300, 40): (10, 20)}
    runs = [run(f"{w} units, T = {t}" if t else f"{w} units, alone", s, e,
                {"hidden": w, "temperature": t or 1}, teacher_seed=1)
            for (w, t), pair in errors.items() for s, e in enumerate(pair, 1)]
    write(report.folder, "temperature", runs)
    # Squares: 2 and 2 of 2 degrees, so 2 (1/2 + 1/2): 11 / sqrt 2. 8 and 2: 11 / sqrt 5.
    text = report.due(
        "sweep", "| 30 | alone | 40.0 ± 0.0 | 0.0 | 2 | 1: 40, 2: 40 |",
        "| 30 | 1 | 32.0 ± 2.8 | 2.0 | 2 | 1: 30, 2: 34 |",
        "30 units: T = 3 is best with 21.0 errors: 11.0 fewer at T = 3 than at T = 20 (7.8 pooled "
        "standard errors), 11.0 fewer at T = 3 than at T = 1 (4.9 pooled standard errors).",
        # 8 and 20: 4 / sqrt 2; 8 and 40: 4 / sqrt 26; T = 4 is not asked.
        "300 units: the clearest difference among T = 8, 20, 40: 4.0 fewer at T = 8 than at T = 20 "
        "(2.8 pooled standard errors).")
    report.expect("one sweep has one plan", "[1]" not in text[text.find("paper-temperature"):])
    write(report.folder, "temperature",
          runs + [run("30 units, T = 3", 1, 1, {"hidden": 30, "temperature": 3}, teacher_seed=2)])
    report.due("two teachers", "| 30 | 3 [1] | 21.0 ± 1.4 |", "| 30 | 3 [2] | 1.0 | – | 1 |",
               "[1] the teacher's seed = 1; [2] the teacher's seed = 2.",
               "[1] 30 units: T = 3 is best with 21.0", "[2] 30 units: T = 3 is best with 1.0")
    write(report.folder, "temperature", runs)


def others(report):
    """paper-missing and paper-ensemble: the paper's numbers beside ours."""
    def shifted(*errors):
        out = {"missing": 1000}
        for rule, e in zip(("raw", "oracle", "honest"), errors):
            out |= {f"errors_{rule}": e, f"missing_errors_{rule}": e / 2, f"shift_{rule}": e / 100,
                    f"missing_right_{rule}": 100 - e / 20}
        return out
    write(report.folder, "missing", [run(row, s, shifted(200 + 2 * s, 100, 120 + 2 * s))
                                     for row in ("without 3", "only 7 and 8") for s in (1, 2)])
    report.due("shifts",
               "| as trained | 206 | 203.0 ± 1.4 (2.0 %) | 133 | 101.5 ± 0.7 | 86.8 % | 89.8 % |",
               "| 109 | 100.0 ± 0.0 (1.0 %) | 14 | 50.0 ± 0.0 | 98.6 % | 95.0 % | +3.5 | +1.0 ",
               "| honest: mean share as in training | – | 123.0 ± 1.4 (1.2 %) |",
               "| as trained | 47.3 % | 203.0", "| 13.2 % | 100.0 ± 0.0 (1.0 %) | – |", "| -7.6 |",
               "Errors by seed: as trained 1: 202, 2: 204; oracle 1: 100, 2: 100; honest")
    write(report.folder, "ensemble", [run("arithmetic mean", 0, 88, members=3),
                                      run("distilled from one", 1, 90, members=3)])
    report.due("ensemble", "| arithmetic mean | 3 | 88.0 | – | 88 |",
               "| distilled from one | 3 | 90.0 | 1 | 1: 90 | 60.0 s |")


def pages(report):
    """--write and --check."""
    page = report.folder / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    report.refuses("mnist", "--check", page)
    for _ in range(2):
        report.expect("--write", report.say("--write", page).returncode == 0)
        report.expect("--check after it", report.say("--check", page).returncode == 0)
    text = page.read_text(encoding="utf-8")
    report.expect("text around tables", text.count("behind\n") == len(NAMES) and "old" not in text)
    page.write_text(text.replace("| 88.0 |", "| 87.0 |"), encoding="utf-8")
    report.refuses("ensemble", "--check", page)
    for bad in (text.replace("<!-- report: missing -->", ""), text.replace("<!-- end -->", "", 1),
                text.replace("report: missing", "report: mnist"), text + "<!-- report: more -->\n"):
        page.write_text(bad, encoding="utf-8")
        report.refuses(str(page), "--write", page)
        report.expect("a page that is refused", page.read_text(encoding="utf-8") == bad)
    page.write_text(text, encoding="utf-8")
    if shutil.which("gnuplot"):
        done = report.say("--pictures", "--write", page)
        report.expect(f"--pictures: {done}", done.returncode == 0)
        for name in ("temperature.svg", "learning.svg", "soft-targets.svg", "shares.svg",
                     "clusters.svg"):
            drawn = xml.etree.ElementTree.parse(report.folder / name).getroot()
            report.expect(f"{name} is no SVG", drawn.tag.endswith("svg"))
            report.expect(f"{name} is not in the page",
                          f"]({name})" in page.read_text(encoding="utf-8"))


def readme(report):
    """The headline: the paper's images only, of several plans the one with most seeds, the first
    of equals; on speech what tables 1 and 5 say, and specialists over their own generalist."""
    page = report.folder / "readme.md"
    page.write_text("<!-- report: headline -->\nold\n<!-- end -->\n", encoding="utf-8")
    report.refuses("headline", "--check", page)
    report.expect("--write of a headline", report.say("--write", page).returncode == 0)
    report.expect("--check of it", report.say("--check", page).returncode == 0)
    text = page.read_text(encoding="utf-8")
    for line in ("two hidden layers of 800, labels alone | 146 | 14.0 ± 4.0 | 3 |",
                 "at T = 20 | 74 | 7.7 ± 2.3 | 3 |", "(libkd) | 98.6 % | 93.8 ± 0.1 % | 2 |",
                 "single distilled net keeps | 86 % | 36 % [25 %, 100 %] | 2 |",
                 "not stopped early | 87 % | 59 % [54 %, 75 %] | 2 |",
                 "512 units a layer | +1.1 | +1.50 [-4.85, +7.85] | 2 |"):
        report.expect(f"{line} not in\n{text}", line in text)
    path = report.folder / "mnist.json"
    good = path.read_text(encoding="utf-8")
    runs = json.loads(good)["runs"]
    runs += [run("distilled", s, 4, {"epochs": 30}) for s in (1, 2, 3)]
    write(report.folder, "mnist", runs)
    report.say("--write", page)
    report.expect("of plans with as many seeds the first one",
                  "at T = 20 | 74 | 7.7 ± 2.3 | 3 |" in page.read_text(encoding="utf-8"))
    path.write_text(good, encoding="utf-8")


def bad_files(report):
    """One line that names the file."""
    path = report.folder / "mnist.json"
    good = path.read_text(encoding="utf-8")
    for bad in (good[:-9], good.replace("paper-mnist", "paper-other"), "[]", '{"program": 3}',
                good.replace('"errors": 10}', '"errors": null}', 1),
                good.replace('"plan"', '"plane"'),
                json.dumps({"program": "paper-mnist", "runs": [run("alone", 1, 2)] * 2})):
        path.write_text(bad, encoding="utf-8")
        report.refuses(str(path))
    path.unlink()
    report.due("no file", "## paper-mnist not run yet ## paper-temperature MNIST")
    folder, report.folder = report.folder, report.folder / "nowhere"
    report.refuses("nowhere: no such folder")
    report.folder = folder


def main():
    root = source.parser(__doc__).parse_args().root.resolve()
    with tempfile.TemporaryDirectory() as name:
        report = Report(root, Path(name))
        numbers(root, report.expect)
        paper_speech.numbers(root, report.expect)
        paper_specialists.numbers(root, report.expect)
        for part in (nets, sweep, others, paper_speech.table_1, paper_speech.shared_frames,
                     paper_speech.table_5, paper_specialists.tables, pages,
                     readme, bad_files, paper_speech.bad_files):
            part(report)
        report.folder = root / "docs" / "paper"
        for page in ("docs/paper.md", "README.md"):
            done = report.say("--check", root / page)
            report.expect(f"{page}: {done.stderr}", done.returncode == 0)
    source.finish(report.problems, "report.py reckons as by hand, and the pages are up to date")


if __name__ == "__main__":
    main()
