# SPDX-License-Identifier: MIT
"""Tables of results on speech beside the paper's numbers, in Markdown."""
import math

import bootstrap
from pools import Compared, developed, is_development, kind, part_of_gain, pools, rate, settings
from results import divergence, mean, sd
from tables import label, mean_time, notes, paragraph, seeds, table, threads

# Frames right and words wrong in per cent, table 1; of training and test, table 5.
PAPER_1 = {"baseline": (58.9, 10.9), "ensemble": (61.1, 10.7), "distilled": (60.8, 10.7)}
PAPER_5 = {("hard", 100): (63.4, 58.9), ("hard, stopped early", 3): (67.3, 44.5),
           ("soft", 3): (65.4, 57.0)}
ROWS = ("baseline", "member", "ensemble", "distilled")
KINDS = ("hard", "hard, stopped early", "soft")
HARD, EARLY, SOFT = KINDS


# ---- numbers ----

def per_cent(values):
    """Mean ± sd, with two digits."""
    values = list(values)
    if not values:
        return ""
    deviation = sd(values)
    return f"{mean(values):.2f}" + ("" if deviation is None else f" ± {deviation:.2f}")


def both(frames, words):
    """Frames right, and words wrong in brackets."""
    return f"{per_cent(frames)} ({per_cent(words)})" if frames else ""


def bounds(low, high, form):
    """An interval; without bounds there are resamples enough in which nothing can be said."""
    if math.isinf(low) or math.isinf(high):
        return "[no bounds]"
    return f"[{form.format(low)}, {form.format(high)}]"


def points(estimate):
    value, interval = estimate
    return f"{value:+.2f} {bounds(*interval, '{:+.2f}')}"


def share(estimate):
    """Per cent of a gain."""
    value, interval = estimate
    if value is None:
        return "nothing to gain"
    return f"{100 * value:.0f} % {bounds(*(100 * bound for bound in interval), '{:.0f} %')}"


def seed_text(system, seed, text):
    """What a seed gave, or why it is not among the others."""
    for split, group in system.groups.items():
        if seed not in group.results:
            return f"{seed:g}: missing, {split}"
        if "diverged" in group.results[seed]:
            where = "" if len(system.groups) == 1 else f", {split}"
            return f"{seed:g}: {divergence(group.results[seed])}{where}"
    return f"{seed:g}: {text}"


def every_seed(system):
    return sorted({seed for group in system.groups.values() for seed in group.results})


def by_seed(system):
    """All of them; of members only how far apart they are, and which diverged."""
    frames, words = system.rates("frames"), system.rates("words")
    members = system.row == "member" and frames
    texts = [f"from {min(frames.values()):.2f} to {max(frames.values()):.2f}"] if members else []
    for seed in every_seed(system):
        if seed not in frames or not members:
            rates = f"{frames[seed]:.2f} ({words[seed]:.2f})" if seed in frames else ""
            texts.append(seed_text(system, seed, rates))
    return ", ".join(texts)


def all_seeds(pool, systems):
    texts = "; ".join(f"**{label(pool, system, system.row)}** {by_seed(system)}"
                      for system in systems)
    return paragraph(f"Frame accuracy (word error rate) by seed, in per cent: {texts}.")


def named(pool, system, name):
    """A row's name; with the number of splits, if it has not been run with all of them."""
    text, some = label(pool, system, name), len(system.groups)
    return text if some == len(pool.sections) else f"{text} ({some} of {len(pool.sections)} splits)"


# ---- what was run ----

def is_beside_papers(pool):
    """The paper's numbers stand beside tests on recordings, not beside what was held out."""
    return pool.first().data == "recordings" and not pool.first().holdout


def tested(pool):
    """Recordings and frames of the tests of all splits."""
    lists = []
    for section in pool.sections:
        found = [result["frames"] for group in section.groups if not is_development(group)
                 for result in group.ended().values()]
        lists += found[0] if found else []
    return f"{len(lists):,} recordings, {sum(lists):,} frames"


def caption(pool):
    first = pool.first()
    what = first.groups[0].what
    splits = ", ".join(section.split.removeprefix("without ") for section in pool.sections)
    if first.holdout:
        where = f"tested on the development part, {first.split} split"
    elif first.split == "official":
        where = "the official split, whose test has the same speakers as the training"
    else:
        far = "" if len(pool.sections) == what["speakers"] else "so far "
        where = (f"each of {what['speakers']:g} speakers is left out in turn and tested on,"
                 f" {far}{splits}")
    groups = [group for section in pool.sections for group in section.groups]
    data = first.data[0].upper() + first.data[1:]
    return paragraph(f"{data} (corpus {what['corpus']}): {where}; {tested(pool)}"
                     f"{threads(groups)}.")


def how_sure(compared, which=""):
    within = " of each speaker" if len(compared.splits) > 1 else ""
    return paragraph(f"Over {compared.recordings:,} recordings{which}; 95 % intervals from"
                     f" {bootstrap.RESAMPLES:,} resamples of the recordings{within}, the same for"
                     " all systems and seeds.")


# ---- section 4: an ensemble, and a single net that is distilled from it ----

def rows_of_table_1(pool, systems):
    for system in systems:
        paper = PAPER_1.get(system.row, ("", "")) if is_beside_papers(pool) else ("", "")
        yield [named(pool, system, system.row), str(paper[0]),
               per_cent(system.rates("frames").values()), str(paper[1]),
               per_cent(system.rates("words").values()), str(len(every_seed(system))),
               mean_time(*system.groups.values())]


def triples(pool):
    """Baseline, ensemble and distilled net that belong together: by plan and number of members."""
    def plan(system):
        what = next(iter(system.groups.values())).what
        return what.get("teacher", what["plan"]), what["members"]
    for net in pool.of("distilled"):
        for worst in pool.of("baseline"):
            for best in pool.of("ensemble"):
                if plan(net) == plan(worst) == plan(best):
                    yield worst, best, net


def kept(worst, best, net):
    """What the distilled net keeps of the ensemble's gain in frames, and the comparison; None if no
    seed has all three."""
    compared = Compared(worst, best, net)
    if not compared.seeds:
        return "", None
    return share(compared.estimate(part_of_gain, "frames")), compared


def gains(pool, worst, best, net):
    """How far apart they are, and what the distilled net keeps of what the ensemble gains."""
    compared = Compared(worst, best, net)
    if not compared.seeds:
        return []
    rows = []
    for name, sign in (("frames", 1), ("words", -1)):
        rows.append([points(compared.estimate(of, name)) for of in
                     (lambda w, b, n: b - w, lambda w, b, n: n - w, lambda w, b, n: b - n)])
        rows[-1].append(share(compared.estimate(
            lambda w, b, n, sign=sign: part_of_gain(sign * w, sign * b, sign * n), name)))
    beside = is_beside_papers(pool)
    paper = (["+2.2", "+1.9", "+0.3", "86 %"], ["-0.2", "-0.2", "0", "100 %"]) if beside else \
        ([""] * 4, [""] * 4)
    names = [label(pool, system, system.row) for system in (worst, best, net)]
    heads = [f"{names[1]} - {names[0]}", f"{names[2]} - {names[0]}", f"{names[1]} - {names[2]}",
             f"part of the ensemble's gain that {names[2]} keeps"]
    return [table(["difference", "paper", "frame accuracy, points", "paper",
                   "word error rate, points"],
                  [list(row) for row in zip(heads, paper[0], rows[0], paper[1], rows[1])]),
            how_sure(compared, f", seed{'s' if len(compared.seeds) > 1 else ''} "
                     + ", ".join(f"{seed:g}" for seed in compared.seeds))]


def by_speaker(pool, systems):
    """A row for each speaker that is left out, if there are several."""
    if len(pool.sections) < 2:
        return []
    systems = [system for system in systems if system.row != "member"]
    rows = []
    for section in pool.sections:
        own = [both(system.rates("frames", [section.split]).values(),
                    system.rates("words", [section.split]).values())
               if section.split in system.groups else "" for system in systems]
        rows.append([section.split, *own])
    head = ["frame accuracy (word error rate)", *(label(pool, s, s.row) for s in systems)]
    return [table(head, rows)]


def cell(group):
    """What nets of one temperature got right on the development part."""
    if not group:
        return ""
    ended = group.ended().values()
    gone = len(group.results) - len(ended)
    text = both([rate(result, "frames") for result in ended],
                [rate(result, "words") for result in ended])
    return ", ".join([text] * bool(text) + [f"{gone} diverged"] * bool(gone))


def temperatures(pool):
    """What each temperature gave on the development part, and which was chosen for the test."""
    rows, every = [], sorted({group.what["plan"]["temperature"] for section in pool.sections
                              for group in section.groups if is_development(group)})
    for section in pool.sections:
        plans = []
        for group in section.groups:
            if is_development(group) and settings(group) not in plans:
                plans.append(settings(group))
        for plan in plans:
            tried = developed(section, plan)
            nets = [s for s in pool.of("distilled") if s.settings == plan]
            chosen = [f"{s.groups[section.split].what['plan']['temperature']:g}" for s in nets
                      if section.split in s.groups]
            name = label(pool, nets[0], section.split) if nets else section.split
            rows.append([name, *(cell(tried.get(t)) for t in every), *(chosen or [""])])
    if not rows:
        return []
    head = ["split", *(f"T = {t:g}" for t in every), "tested"]
    return [paragraph("Frame accuracy (word error rate) on the development part, in per cent; one"
                      " temperature is tested, the same for all seeds:"), table(head, rows)]


def spare(pool):
    """Nets that were tested at a temperature which is not the chosen one any more."""
    if not pool.spare:
        return []
    said = "; ".join(f"T = {g.what['plan']['temperature']:g} ({g.what['split']}), "
                     f"{cell(g)} with {seeds(g)}" for g in pool.spare)
    return [paragraph(f"Also tested, before more seeds led to another temperature: {said}.")]


def table_1(pool):
    systems = sorted(pool.systems, key=lambda s: ROWS.index(s.row) if s.row in ROWS else 9)
    head = ["system", "paper", "frame accuracy, %", "paper", "word error rate, %", "seeds",
            "mean time"]
    parts = [table(head, rows_of_table_1(pool, systems)), all_seeds(pool, systems)]
    parts += by_speaker(pool, systems)
    for triple in triples(pool):
        parts += gains(pool, *triple)
    return parts + temperatures(pool) + spare(pool)


# ---- section 6: soft targets as regularisers ----

def share_of(system):
    return next(iter(system.groups.values())).what["share"]


def shown_share(system):
    what = next(iter(system.groups.values())).what
    return f"{what['share']:g} % ({what['recordings']:,g})"


def epochs(system):
    """How many; of trainings that are stopped early the mean of the best ones."""
    groups = list(system.groups.values())
    every = " or ".join(dict.fromkeys(f"{group.what['plan']['epochs']:g}" for group in groups))
    best = [result["best_epoch"] for group in groups for result in group.ended().values()
            if "best_epoch" in result]
    return f"{mean(best):.1f} of {every}" if best else every


def trained(system):
    """Frames right where it learned, by seed; the mean over splits."""
    return [mean([result["train_frame_accuracy"] for result in system.results(seed)])
            for seed in system.seeds()]


def rows_of_table_5(pool, systems):
    for system in systems:
        paper = PAPER_5.get((kind(system.row), share_of(system)), ("", ""))
        paper = paper if is_beside_papers(pool) else ("", "")
        yield [shown_share(system), named(pool, system, kind(system.row)), str(paper[0]),
               per_cent(trained(system)), str(paper[1]), per_cent(system.rates("frames").values()),
               per_cent(system.rates("words").values()), epochs(system),
               str(len(every_seed(system))), mean_time(*system.groups.values())]


def closed(pool, hard, soft):
    """Which part of the way from a share's hard targets to those of all recordings is gone."""
    for whole in pool.of(f"{HARD}, 100 %"):
        if whole.settings == hard.settings and share_of(hard) < 100:
            compared = Compared(hard, whole, soft)
            if compared.seeds:
                return share(compared.estimate(part_of_gain, "frames")), compared
    return "", None


def compared_with(pool, hard, soft):
    """Soft less hard targets in points, the part of the gap that is closed, and the first's
    comparison; None if no seed has both."""
    compared = Compared(hard, soft)
    if not compared.seeds:
        return None
    return [points(compared.estimate(lambda h, s: s - h, "frames")), closed(pool, hard, soft)[0],
            compared]


def comparisons(pool, against):
    """A row for each share and each pair of plans."""
    rows, last = [], None
    for soft in sorted((s for s in pool.systems if kind(s.row) == SOFT), key=share_of):
        for hard in pool.of(f"{against}, {share_of(soft):g} %"):
            found = compared_with(pool, hard, soft)
            if found:
                papers = is_beside_papers(pool) and against == EARLY and share_of(soft) == 3
                paper = ("+12.5", "87 %") if papers else ("", "")
                rows.append([shown_share(soft), f"{label(pool, soft, SOFT)} - "
                             f"{label(pool, hard, against)}", paper[0], found[0], paper[1],
                             found[1], str(len(found[2].seeds))])
                last = found[2]
    return rows, last


def table_5(pool):
    systems = sorted(pool.systems, key=lambda s: (share_of(s), KINDS.index(kind(s.row))
                                                  if kind(s.row) in KINDS else 9))
    head = ["share (recordings)", "targets", "paper", "training frame accuracy, %", "paper",
            "test frame accuracy, %", "word error rate, %", "epochs", "seeds", "mean time"]
    parts = [table(head, rows_of_table_5(pool, systems)), all_seeds(pool, systems)]
    rows, last = [], None
    for against in (HARD, EARLY):
        more, compared = comparisons(pool, against)
        rows, last = rows + more, compared or last
    if rows:
        head = ["share (recordings)", "difference", "paper", "test frame accuracy, points", "paper",
                "part of the gap to hard, 100 % that is closed", "seeds"]
        parts += [table(head, rows), how_sure(last)]
    return parts


TABLES = {"speech": table_1, "regularise": table_5}


def parts(program, sections):
    """All that is to be said of a program's results."""
    for pool in pools(sections):
        yield from [caption(pool), *TABLES[program](pool), *notes(pool)]
