# SPDX-License-Identifier: MIT
"""What checks/paper.py holds report.py to on speech: numbers of two recordings, worked out by hand.

Of two recordings drawn with replacement a quarter of the resamples has twice the first one and a
quarter twice the second, so that those two are the bounds of a 95 % interval.
"""
import json
import math
import sys

PLAN = {"hidden": 512, "epochs": 10, "temperature": 1, "rate": 0.05}
SOFT = PLAN | {"temperature": 2, "rate": 0.02}
FRAMES = [10, 30]


def run(row, seed, right, words=(1, 1), frames=None, result=None, **more):
    """One run as the programs write it; `right` may be the fields of one that diverged."""
    what = {"row": row, "seed": seed, "data": "files", "hash": "1", "test_hash": "2",
            "holdout": False, "plan": PLAN, "split": "official", "corpus": "c0", "speakers": 3,
            "alignment": "3", "part": "test", **more}
    said = {"seconds": 60, "threads": 2}
    if isinstance(right, dict):
        return {"what": what, "result": said | right}
    frames = frames or FRAMES
    said |= {"frames": frames, "frames_right": right, "words_right": list(words),
             "frame_accuracy": 100 * sum(right) / sum(frames),
             "word_error_rate": 100 * (1 - sum(words) / len(words))}
    return {"what": what, "result": said | (result or {})}


def write(report, program, runs):
    (report.folder / f"{program}.json").write_text(
        json.dumps({"program": f"paper-{program}", "runs": runs}), encoding="utf-8")


def numbers(root, expect):
    """Intervals, and the curves of a picture."""
    sys.path.insert(0, str(root / "examples" / "paper"))
    # pylint: disable=import-error,import-outside-toplevel
    import bootstrap
    import pictures
    import results
    # One in forty is cut off at each end.
    expect("interval", bootstrap.interval(list(range(40))) == (1, 38))
    expect("interval with one unknown", bootstrap.interval([None, *range(39)]) == (0, 38))
    expect("interval with two unknown",
           bootstrap.interval([None, None, *range(38)]) == (-math.inf, math.inf))
    sums = list(bootstrap.sums([[1, 0, 0, 0, 0], [0, 0, 1, 1, 1], [1, 1, 0, 0, 0]], [2, 3]))
    expect("resamples", len(sums) == 2000 and sums == list(bootstrap.sums(
        [[1, 0, 0, 0, 0], [0, 0, 1, 1, 1], [1, 1, 0, 0, 0]], [2, 3])))
    expect("strata", all(second == 3 and both == 2 for _, second, both in sums))
    # 0, 1 or 2 times the first of two: by 1/4, 1/2, 1/4, with a standard error of 1 %
    expect("odds", all(abs(sum(s[0] == n for s in sums) / 2000 - odds) < 0.03
                       for n, odds in enumerate((0.25, 0.5, 0.25))))
    group = results.Group("regularise", "hard, 3 %", {}, {
        1: {"held_out_errors": [9, None, 3], "held_out_frames": 10},
        2: {"held_out_errors": [7, 1, 5], "held_out_frames": 10}, 3: {"diverged": 2}})
    expect("accuracy curve", [(epoch, round(value, 9)) for epoch, value in
                              pictures.accuracy_curve(group)] == [(1, 20), (3, 60)])


def systems(**more):
    """Three systems, two seeds. The ensemble of the second recording: 90 %, distilled: 60 %."""
    student = {"plan": SOFT, "teacher": PLAN, "teacher_seed": 1} | more
    return [run("baseline", 1, [4, 15], (1, 0), members=2, net=3, **more),
            run("baseline", 2, [6, 15], (1, 0), members=2, net=5, **more),
            run("member", 3, [4, 15], net=3, **more), run("member", 4, [6, 15], net=4, **more),
            run("member", 5, [6, 15], net=5, **more), run("member", 6, [8, 15], net=6, **more),
            run("ensemble", 1, [7, 27], members=2, **more),
            run("ensemble", 2, [7, 27], members=2, **more),
            run("distilled", 1, [6, 18], (1, 0), members=2, **student),
            run("distilled", 2, [8, 18], (1, 1), members=2, **student)]


def developed(temperature, seed, right, word=1, **more):
    return run(f"T = {temperature:g}", seed, right if isinstance(right, dict) else [right], [word],
               [10], members=2, part="development", plan=SOFT | {"temperature": temperature},
               teacher=PLAN, teacher_seed=seed, **more)


DEVELOPED = [developed(1, 1, 5), developed(1, 2, 7), developed(2, 1, 6), developed(2, 2, 8, 0),
             developed(5, 1, {"diverged": 3}), developed(5, 2, 9)]


def table_1(report):
    """The official split, then what is not merged with it."""
    write(report, "speech", systems() + DEVELOPED)
    text = report.due(
        "table 1", "Recordings (corpus c0): the official split, whose test has the same speakers "
        "as the training; 2 recordings, 40 frames; 2 threads.",
        # 19 and 21 of 40: 47.5 and 52.5; sd is 5 / sqrt 2
        "| baseline | 58.9 | 50.00 ± 3.54 | 10.9 | 50.00 ± 0.00 | 2 | 60.0 s |",
        # 47.5, 52.5, 52.5, 57.5: squares 25 + 0 + 0 + 25, / 3
        "| member | – | 52.50 ± 4.08 | – | 0.00 ± 0.00 | 4 | 60.0 s |",
        "| ensemble | 61.1 | 85.00 ± 0.00 | 10.7 | 0.00 ± 0.00 | 2 |",
        "| distilled | 60.8 | 62.50 ± 3.54 | 10.7 | 25.00 ± 35.36 | 2 |",
        "**baseline** 1: 47.50 (50.00), 2: 52.50 (50.00); **member** from 47.50 to 57.50; "
        "**ensemble** 1: 85.00 (0.00), 2: 85.00 (0.00); **distilled** 1: 60.00 (50.00), 2: 65.00 "
        "(0.00).",
        # the first recording alone: 50, 70, 70; the second: 50, 90, 60. Words: 0, 0, 0; 100, 0, 50
        "| ensemble - baseline | +2.2 | +35.00 [+20.00, +40.00] | -0.2 | -50.00 [-100.00, +0.00] |",
        "| distilled - baseline | +1.9 | +12.50 [+10.00, +20.00] | -0.2 | -25.00 [-50.00, +0.00] |",
        "| ensemble - distilled | +0.3 | +22.50 [+0.00, +30.00] | 0 | -25.00 [-50.00, +0.00] |",
        # 12.5 / 35, 20 / 20, 10 / 40; no word of the first recording is wrong
        "| part of the ensemble's gain that distilled keeps | 86 % | 36 % [25 %, 100 %] | 100 % | "
        "50 % [no bounds] |",
        "Over 2 recordings, seeds 1, 2; 95 % intervals from 2,000 resamples of the recordings,",
        "| split | T = 1 | T = 2 | T = 5 | tested |",
        "| official | 60.00 ± 14.14 (0.00 ± 0.00) | 70.00 ± 14.14 (50.00 ± 70.71) | 90.00 (0.00), "
        "1 diverged | 2 |")
    report.expect("a plan in speech", "plans" not in text[text.find("paper-speech"):])
    not_merged(report)
    plans(report)
    diverged(report)
    write(report, "speech", systems() + DEVELOPED)


def not_merged(report):
    """Splits, what was held out, and words that were drawn."""
    speakers = [dict(one, result=dict(one["result"])) for one in
                systems(split="without ada", test_hash="4", hash="4")
                + systems(split="without bob", test_hash="5", hash="5")]
    for one in speakers:  # the first recording is ada's, the second one is bob's
        place = 0 if one["what"]["split"] == "without ada" else 1
        for name in ("frames", "frames_right", "words_right"):
            one["result"][name] = one["result"][name][place:place + 1]
        one["result"]["frame_accuracy"] = 100 * one["result"]["frames_right"][0] / FRAMES[place]
        one["result"]["word_error_rate"] = 100 * (1 - one["result"]["words_right"][0])
    held = [one for one in systems(holdout=True, part="development", test_hash="6")
            if one["what"]["row"] == "ensemble"]
    drawn = systems(data="drawn", hash="7", test_hash="7")[:2]
    write(report, "speech", drawn + held + speakers + systems())
    text = report.due(
        "speakers", "each of 3 speakers is left out in turn and tested on, so far ada, bob; "
        "2 recordings, 40 frames",
        "| without ada | 50.00 ± 14.14 (0.00 ± 0.00) | 70.00 ± 0.00 (0.00 ± 0.00) | 70.00 ± 14.14 ",
        "| without bob | 50.00 ± 0.00 (100.00 ± 0.00) | 90.00 ± 0.00 (0.00 ± 0.00) | 60.00 ± 0.00 ",
        # Each speaker's only recording is in each resample.
        "| ensemble - baseline | +2.2 | +35.00 [+35.00, +35.00] | -0.2 | -50.00 [-50.00, -50.00] |",
        "that distilled keeps | 86 % | 36 % [36 %, 36 %] | 100 % | 50 % [50 %, 50 %] |",
        "resamples of the recordings of each speaker",
        "tested on the development part, official split", "| ensemble | – | 85.00 ± 0.00 | – |",
        "Drawn words (corpus c0): the official split", "| baseline | – | 50.00 ± 3.54 | – |")
    order = [text.find(words) for words in ("Recordings (corpus c0): the official", "left out in",
                                            "tested on the dev", "Drawn words")]
    report.expect("the order of splits", order == sorted(order))
    report.expect("the official split alone", text.count("36 % [25 %, 100 %]") == 1)
    elsewhere = systems(split="without eve", corpus="c9", test_hash="8", hash="8")
    write(report, "speech", speakers + elsewhere)
    text = report.due("another corpus", "so far ada, bob; 2 recordings, 40 frames",
                      "Recordings (corpus c9): each", "so far eve; 2 recordings, 40 frames")
    report.expect("corpora in one", text.count("36 % [36 %, 36 %]") == 1)
    parts_of_speakers(report, speakers)


def parts_of_speakers(report, speakers):
    """What was not run with all of them, or not with all seeds."""
    def are(one, row, seed):
        return (one["what"]["row"], one["what"]["seed"]) == (row, seed)
    gone = [one for one in speakers if one["what"]["split"] == "without ada"
            or not are(one, "distilled", 1) and not are(one, "baseline", 2)]
    gone.append(run("baseline", 2, {"diverged": 3}, split="without bob", test_hash="5", hash="5",
                    members=2))
    write(report, "speech", gone)
    text = report.due("seeds of some speakers", "| baseline | 58.9 | 47.50 | 10.9 | 50.00 | 2 |",
                      "**baseline** 1: 47.50 (50.00), 2: diverged in epoch 3, without bob;",
                      "**distilled** 1: missing, without bob, 2: 65.00 (0.00).",
                      "| distilled | 60.8 | 65.00 | 10.7 | 0.00 | 2 |")
    report.expect("no seed has all", "keeps" not in text)
    some = [one for one in speakers
            if one["what"]["row"] != "distilled" or one["what"]["split"] == "without bob"]
    write(report, "speech", some)
    report.due("one speaker's student", "| distilled (1 of 2 splits) | 60.8 | 60.00 ± 0.00 |",
               "| distilled - baseline | +1.9 | +10.00 [+10.00, +10.00] |", "Over 1 recordings",
               "| without ada | 50.00 ± 14.14 (0.00 ± 0.00) | 70.00 ± 0.00 (0.00 ± 0.00) | – |")


def plans(report):
    """A net is compared with the ensemble that it learned from; a temperature may change."""
    other = PLAN | {"hidden": 9}
    more = [run("distilled", 1, [7, 27], members=2, plan=SOFT | {"rate": 1}, teacher=PLAN),
            run("baseline", 1, [9, 29], members=2, plan=other),
            run("distilled", 1, [9, 29], members=2, plan=SOFT, teacher=other)]
    write(report, "speech", systems() + more)
    text = report.due(
        "plans of systems", "| distilled [1] | 60.8 | 62.50 ± 3.54 |",
        "| distilled [2] | 60.8 | 85.00 |", "| baseline [2] | 58.9 | 95.00 |",
        "part of the ensemble's gain that distilled [1] keeps | 86 % | 36 %",
        "part of the ensemble's gain that distilled [2] keeps | 86 % | 100 % [100 %, 100 %] |",
        "| ensemble - distilled [2] | +0.3 | +0.00 [+0.00, +0.00] |",
        "`distilled` was run with 3 plans, which are not merged: [1] rate = 0.02, the teacher's "
        "hidden = 512; [2] rate = 1,")
    report.expect("a teacher's other plan", "distilled [3] keeps" not in text)
    first = [run("distilled", 1, [1, 1], members=2, plan=SOFT | {"temperature": 1}, teacher=PLAN)]
    for runs in (systems() + first + DEVELOPED, first + systems() + DEVELOPED):
        write(report, "speech", runs)
        report.due("two temperatures", "| distilled | 60.8 | 62.50 ± 3.54 |",
                   "| 2 | Also tested, before more seeds led to another temperature: T = 1 "
                   "(official), 5.00 (0.00) with 1 seed.")


def diverged(report):
    """Means leave it out, and so do the other systems' seeds where it is compared."""
    runs = [one for one in systems() if (one["what"]["row"], one["what"]["seed"])
            not in (("distilled", 2), ("member", 4))]
    runs += [run("distilled", 2, {"diverged": 3}, members=2, plan=SOFT, teacher=PLAN),
             run("member", 4, {"diverged": 8}, net=4)]
    write(report, "speech", runs)
    report.due("diverged", "| distilled | 60.8 | 60.00 | 10.7 | 50.00 | 2 | 60.0 s |",
               "**distilled** 1: 60.00 (50.00), 2: diverged in epoch 3.",
               "**member** from 47.50 to 57.50, 4: diverged in epoch 8;",
               # of seed 1: 47.5, 85, 60
               "| distilled - baseline | +1.9 | +12.50 [+10.00, +20.00] |", "seed 1; 95 %")
    runs = [run(row, 1, {"diverged": 2}, members=2) for row in ("baseline", "ensemble")]
    write(report, "speech", runs + [run("distilled", 1, [9, 9], members=2, teacher=PLAN)])
    text = report.due("all diverged", "| baseline | 58.9 | – | 10.9 | – | 1 |")
    report.expect("gain over what diverged", "keeps" not in text)
    for right in ([5, 5], [4, 5]):
        same = [run(row, 1, right if row == "ensemble" else [5, 5], members=2,
                    **({"teacher": PLAN} if row == "distilled" else {}))
                for row in ("baseline", "ensemble", "distilled")]
        write(report, "speech", same)
        report.due("no gain", "keeps | 86 % | nothing to gain | 100 % | nothing to gain |")


def share(kind, part, seed, right, trained, **more):
    soft = kind == "soft"
    result = {"train_frame_accuracy": trained, "held_out_frames": 10, "held_out_errors": [8, 4]}
    result |= {"best_epoch": 4 + seed} if "early" in kind else {}
    return run(f"{kind}, {part:g} %", seed, right, share=part, recordings=27 * part, longest=1000,
               whole_epochs=10, result=result,
               **{"plan": (SOFT if soft else PLAN) | {"epochs": 1000 // part},
                  **({"teacher": PLAN, "teacher_seed": 1000 + seed} if soft else {}), **more})


def table_5(report):
    """3 % and 100 % of the recordings."""
    # in per cent of the recordings: 20 and 33.3; 30 and 36.7; 60 and 60; 70 and 80
    runs = [share(kind, part, seed, right, trained + seed) for kind, part, right, trained in (
        ("hard", 3, [2, 10], 70), ("hard, stopped early", 3, [3, 11], 65), ("soft", 3, [6, 18], 60),
        ("hard", 100, [7, 24], 62)) for seed in (1, 2)]
    write(report, "regularise", runs)
    report.due(
        "table 5", "| 3 % (81) | hard | – | 71.50 ± 0.71 | – | 30.00 ± 0.00 | 0.00 ± 0.00 | 333 |",
        "| 3 % (81) | hard, stopped early | 67.3 | 66.50 ± 0.71 | 44.5 | 35.00 ± 0.00 | 0.00 ± "
        "0.00 | 5.5 of 333 | 2 | 60.0 s |",
        "| 3 % (81) | soft | 65.4 | 61.50 ± 0.71 | 57.0 | 60.00 ± 0.00 |",
        "| 100 % (2,700) | hard | 63.4 | 63.50 ± 0.71 | 58.9 | 77.50 ± 0.00 |",
        # 30 / 47.5, 40 / 50, 26.7 / 46.7; 25 / 42.5, 30 / 40, 7 / 13
        "| 3 % (81) | soft - hard | – | +30.00 [+26.67, +40.00] | – | 63 % [57 %, 80 %] | 2 |",
        "| 3 % (81) | soft - hard, stopped early | +12.5 | +25.00 [+23.33, +30.00] | 87 % | 59 % "
        "[54 %, 75 %] | 2 |", "Over 2 recordings; 95 % intervals")
    no_whole = [one for one in runs if one["what"]["share"] == 3]
    no_whole += [share("hard", 100, 1, [9, 29], 1, plan=PLAN | {"rate": 1})]
    more = [share("soft", 3, 1, [9, 9], 1, plan=SOFT | {"rate": 1, "epochs": 333}),
            share("hard", 10, 1, {"diverged": 4}, 0), share("soft", 10, 1, [1, 1], 2),
            share("soft", 30, 1, {"diverged": 2, "diverged_net": "teacher"}, 0)]
    write(report, "regularise", no_whole + more)
    text = report.due(
        "no whole", "| 3 % (81) | soft [1] - hard [1] | – | +30.00 [+26.67, +40.00] | – | – | 2 |",
        "| 3 % (81) | soft [2] - hard [1] | – | +15.00 [-3.33, +70.00] | – | – | 1 |",
        "| 10 % (270) | hard [1] | – | – | – | – | – | 100 | 1 | 60.0 s |",
        "**hard, 10 % [1]** 1: diverged in epoch 4",
        "**soft, 30 % [1]** 1: its teacher diverged in epoch 2", "`soft` was run with 2 plans")
    report.expect("soft over what diverged", "| 10 % (270) | soft [1] - hard" not in text)
    write(report, "regularise", runs)


def shared_frames(report):
    """Results that share the frames of their recordings are those that have their own."""
    path = report.folder / "speech.json"
    own = path.read_text(encoding="utf-8")
    told = report.say().stdout
    file = json.loads(own)
    file["frames"] = {}
    ended = [one for one in file["runs"] if "frames" in one["result"]]
    for one in ended[::2]:  # the others are from an older program
        frames = one["result"].pop("frames")
        one["result"]["frames_of"] = f"of {len(frames)}"
        file["frames"][f"of {len(frames)}"] = frames
    path.write_text(json.dumps(file), encoding="utf-8")
    report.expect("lists that are shared", set(file["frames"]) == {"of 1", "of 2"})
    report.expect("shared frames", report.say().stdout == told)
    for frames in ({}, {"of 2": [10, 30, 50], "of 1": [10]}):
        path.write_text(json.dumps(file | {"frames": frames}), encoding="utf-8")
        report.refuses(str(path))
    path.write_text(own, encoding="utf-8")


def bad_files(report):
    """One line that names the file."""
    path = report.folder / "speech.json"
    good = json.loads(path.read_text(encoding="utf-8"))

    def refuse(change):
        bad = json.loads(json.dumps(good))
        change(bad["runs"])
        path.write_text(json.dumps(bad), encoding="utf-8")
        report.refuses(str(path))

    def setting(part, name, value, at=0):
        return lambda runs: runs[at][part].update({name: value})
    for change in (setting("result", "frames_right", [11, 8]), setting("result", "frames", [40]),
                   setting("result", "words_right", [2, -1]), setting("result", "frames", []),
                   setting("result", "frame_accuracy", 47.6), setting("what", "split", None),
                   setting("result", "word_error_rate", 0), setting("what", "corpus", 3),
                   setting("what", "members", "2"), setting("result", "frames_right", "ab"),
                   setting("result", "frames_right", [4.5, 14.5]),
                   lambda runs: runs[0]["what"].pop("part"),
                   lambda runs: runs[0]["result"].pop("words_right"),
                   lambda runs: runs.append(runs[0]),
                   lambda runs: runs[0].update(run("baseline", 1, [4, 15], frames=[15, 25],
                                                   members=2))):
        refuse(change)
    path.write_text(json.dumps(good), encoding="utf-8")
    path = report.folder / "regularise.json"
    good = json.loads(path.read_text(encoding="utf-8"))
    for change in (setting("what", "share", None), setting("result", "best_epoch", None, 2),
                   lambda runs: runs[0]["result"].pop("train_frame_accuracy")):
        refuse(change)
    path.unlink()
