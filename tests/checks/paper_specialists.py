# SPDX-License-Identifier: MIT
"""Tables 3 and 4 of examples/paper/report.py by numbers worked out by hand."""
import json
import math
import sys

HASH, TEST = "bcf425b3a7366636", "ac4ddd8055c35b8a"
PLAN = {"hidden": 512, "epochs": 2, "temperature": 1, "rate": 0.1}


def run(row, seed, errors, more=None, **what):
    """One run as the program writes it; errors are (all, conditional, won, lost) of 1,000."""
    named = {"row": row, "seed": seed, "data": "files", "hash": HASH, "test_hash": TEST,
             "holdout": False, "plan": PLAN, "teacher_seed": seed, "teacher": PLAN, "sets": 2,
             "classes": 3, **what}
    result = {"seconds": 60, "threads": 1, "cases": 1000} | (more or {})
    if errors:
        result |= {"errors": errors[0], "conditional_errors": errors[1],
                   "conditional_cases": 400, "won": errors[2], "lost": errors[3]}
    return {"what": named, "result": result}


def numbers(root, expect):
    """Student's t and McNemar's test."""
    sys.path.insert(0, str(root / "examples" / "paper"))
    import specialist_tables  # pylint: disable=import-error,import-outside-toplevel
    # 1, 3, 5: mean 3, sd 2, standard error 2 / sqrt 3, t of 2 degrees 4.303
    middle, half = specialist_tables.interval([1, 3, 5])
    expect("mean of an interval", middle == 3)
    expect("half of an interval", math.isclose(half, 4.303 * 2 / math.sqrt(3)))
    expect("one value has no interval", specialist_tables.interval([7]) == (7, None))
    # 5 heads of 5: 2 / 32. 1 of 4: 2 (1 + 4) / 16. As many of both: 1.
    expect("McNemar 5:0", math.isclose(specialist_tables.mcnemar(5, 0), 1 / 16))
    expect("McNemar 1:3", math.isclose(specialist_tables.mcnemar(1, 3), 10 / 16))
    expect("McNemar 3:3", specialist_tables.mcnemar(3, 3) == 1)
    expect("McNemar 0:0", specialist_tables.mcnemar(0, 0) == 1)


def tables(report):
    """Rows, gains by seed, what specialists cover; runs with other plans are not merged."""
    def covered(*rows):
        return {"covered": [{"specialists": n, "cases": cases, "right_before": before,
                             "right_after": after} for n, cases, before, after in rows]}

    def active(pairs, own, generalist, specialist):
        sides = {name: dict(zip(("own", "nats", "own_errors"), side)) for name, side in
                 (("generalist", generalist), ("specialist", specialist))}
        return {"active": {"pairs": pairs, "own": own, **sides}}
    runs = [run("generalist", 1, (200, 100, 0, 0)), run("generalist", 2, (220, 120, 0, 0)),
            run("clusters", 1, None, {"sets": [["a", "b", "c"], ["d", "e", "f"]]}),
            run("with specialists", 1, (190, 80, 16, 6),
                covered((0, 600, 500, 500), (1, 400, 300, 310)) |
                active(300, 240, (0.75, 0.3, 12), (0.81, 0.2, 6))),
            run("with specialists", 2, (200, 90, 20, 0),
                covered((0, 560, 490, 488), (1, 300, 200, 212), (2, 100, 70, 80), (10, 30, 15, 17),
                        (12, 10, 5, 4)) |
                active(100, 80, (0.95, 0.5, 4), (0.85, 0.6, 2))),
            run("random groups", 1, (195, 99, 10, 5)), run("random groups", 2, (220, 120, 5, 5)),
            run("distilled from all", 1, (300, 150, 1, 101)),
            run("distilled from the generalist", 1, (310, 155, 1, 111)),
            run("distilled from the generalist", 2, None, {"diverged": 3})]
    path = report.folder / "specialists.json"
    path.write_text(json.dumps({"program": "paper-specialists", "runs": runs}), encoding="utf-8")
    # 80 and 78: sd sqrt 2. Gains 1 and 2: sd 1 / sqrt 2, standard error 1 / 2, t of 1 degree.
    report.due(
        "specialists", "EMNIST ByClass's test partition, split again",
        "| generalist | 25.0 % | 43.1 % | 79.00 ± 1.41 | 72.50 ± 3.54 | – | – | – | 60.0 s |",
        "| with specialists | 26.1 % | 45.9 % | 80.50 ± 0.71 | 78.75 ± 1.77 | +1.50 ± 6.35 | 36:6 "
        "| 1 of 2 |",
        "| random groups | – | – | 79.25 ± 1.77 |",
        # 0.5 and 2: mean 1.25, sd 1.5 / sqrt 2, standard error 0.75, 0.75 * 12.706 = 9.53.
        "random groups +1.25 ± 9.53",
        "One net distilled from all less one distilled from the generalist alone: +1.00 points.",
        "| 0 | 350,037; 0; 0.0 % | 580 | -1.0 | -0.2 % |",
        "| 1 | 141,993; +1,421; +3.4 % | 350 | +11.0 | +4.4 % |",
        "| 2 | 67,161; +1,572; +7.4 % | 50 | +5.0 | +14.3 % |",  # in one of two seeds
        "| 10 or more | 9,082; +324; +14.1 % | 20 | +0.5 | +5.0 % |",
        # 320 of 400; (0.75 * 300 + 0.95 * 100) / 400 and so on; 16 and 8 errors of 320.
        "All seeds have 400 pairs of an image and an active specialist. In 80.0 % of them",
        "the generalist says so with 80.0 % and the specialist with 82.0 %, at log losses of "
        "0.350 and 0.300 nats. Of these images the generalist gets 5.00 % wrong and the specialist "
        "2.50 % when no class",
        "The sets of seed 1: a b c; d e f.",
        "| distilled from the generalist | – | – | 69.00 | 61.25 |")
    text = path.read_text(encoding="utf-8")
    path.write_text(json.dumps({"program": "paper-specialists", "runs": runs + [
        run("with specialists", 3, (1, 1, 1, 1), covered((1, 9, 9, 9)), sets=4)]}),
        encoding="utf-8")
    report.due("plans", "| with specialists [1] |", "| with specialists [2] |",
               "[1] sets = 2; [2] sets = 4")
    small = {"teacher": PLAN | {"hidden": 64}}
    path.write_text(json.dumps({"program": "paper-specialists", "runs": runs + [
        run("generalist", 1, (400, 200, 0, 0), **small),
        run("with specialists", 1, (390, 200, 10, 0), covered((1, 1000, 600, 610)), **small)]}),
        encoding="utf-8")
    # Each gain is over the generalist of its own table.
    report.due("generalists", "| with specialists | 26.1 % | 45.9 % | 80.50 ± 0.71 |",
               "**The generalist's hidden layers have 64 units.**",
               "| with specialists | 26.1 % | 45.9 % | 61.00 | 50.00 | +1.00 | 10:0 | 1 of 1 |")
    for bad in (text.replace('"won": 16', '"won": null'), text.replace('"sets": 2', '"sets": {}')
                .replace('"errors": 200, ', ""), text[:-3]):
        path.write_text(bad, encoding="utf-8")
        report.refuses(str(path))
    path.write_text(text, encoding="utf-8")
