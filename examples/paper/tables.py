# SPDX-License-Identifier: MIT
"""Tables of results beside the paper's numbers, in Markdown."""
import math
import textwrap

import results
from results import divergence, mean, pooled_error, sd, standard_error

COLUMNS = 118
PAPER_ERRORS = {"teacher": 67, "alone": 146, "distilled": 74}
# The paper's errors, of these on missing classes, share of missing classes that is right, shift.
PAPER_SHIFTS = {
    ("without 3", "raw"): ("206", "133", "86.8 %", ""),
    ("without 3", "oracle"): ("109", "14", "98.6 %", "+3.5"),
    ("only 7 and 8", "raw"): ("47.3 %", "", "", ""),
    ("only 7 and 8", "oracle"): ("13.2 %", "", "", "-7.6"),
}
RULES = {"raw": "as trained", "oracle": "oracle: best on the test set",
         "honest": "honest: mean share as in training"}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell or '–' for cell in line)} |" for line in lines)


def paragraph(text):
    return textwrap.fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False)


def spread(values, form="{:.1f}"):
    if not values:
        return ""
    deviation = sd(values)
    return form.format(mean(values)) + (
        "" if deviation is None else f" ± {form.replace('+', '').format(deviation)}")


def by_seed(group, name="errors"):
    """1: 140, 2: 151. What has no seed has number 0."""
    if set(group.results) == {0}:
        return f"{group.results[0][name]:g}"
    return ", ".join(f"{seed:g}: {result[name]:g}" if seed in group.ended() else
                     f"{seed:g}: {divergence(result)}"
                     for seed, result in sorted(group.results.items()))


def seeds(group):
    return f"{len(group.results)} seed{'s' if len(group.results) > 1 else ''}"


def duration(seconds):
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def mean_time(*groups):
    seconds = [result["seconds"] for group in groups for result in group.results.values()
               if "seconds" in result]
    return duration(mean(seconds)) if seconds else ""


def label(section, group, text):
    """With the number of its plan, if there are several; also for a system of a pool."""
    number = section.number(group)
    return f"{text} [{number}]" if number else text


def threads(groups):
    """"; 1 or 2 threads", processor and commits, as far as somebody says them."""
    found, processors, commits = (
        sorted({result[name] for group in groups for result in group.results.values()
                if name in result}) for name in ("threads", "processor", "commit"))
    text = ""
    if found:
        text += f"; {' or '.join(f'{n:g}' for n in found)} thread{'s' if found[-1] > 1 else ''}"
    if processors:
        text += f" of {' or '.join(processors)}"
    if commits:
        text += f"; commit{'s' if len(commits) > 1 else ''} {', '.join(commits)}"
    return text


def caption(section):
    where = ("held out of the training set" if section.holdout else "of the test set")
    text = f"{section.data}; errors of {section.cases:,} images {where}{threads(section.groups)}"
    return paragraph(text[0].upper() + text[1:] + ".")


def differences(settings):
    """What tells settings apart: [1] epochs = 30; [2] epochs = 60."""
    names = [name for name in dict.fromkeys(name for one in settings for name in one)
             if any(one.get(name) != settings[0].get(name) for one in settings)]
    return "; ".join(
        f"[{i}] " + ", ".join(f"{name} = {one[name]:g}" if name in one else f"no {name}"
                              for name in names)
        for i, one in enumerate(settings, 1))


def notes(section):
    """A sentence for each kind that was run with more than one plan; also of a pool."""
    return [paragraph(f"`{kind}` was run with {len(settings)} plans, which are not merged: "
                      f"{differences(settings)}.")
            for kind, settings in section.families().items() if len(settings) > 1]


# ---- section 3: a large net, a small one, and the small one distilled ----

def gains(section):
    """By seed: how many errors distilled nets save, each plan against each."""
    sides = {kind: [g for g in section.groups if g.row == kind] for kind in ("alone", "distilled")}
    for soft in sides["distilled"]:
        for hard in sides["alone"]:
            parts = {seed: 1 - soft.results[seed]["errors"] / hard.results[seed]["errors"]
                     for seed in soft.ended()
                     if seed in hard.ended() and hard.results[seed]["errors"]}
            if parts:
                each = ", ".join(f"{seed:g}: {100 * part:.0f} %" for seed, part in parts.items())
                yield paragraph(f"Fewer errors {label(section, soft, 'distilled')} than "
                                f"{label(section, hard, 'alone')}, by seed: {each}; mean "
                                f"{100 * mean(list(parts.values())):.0f} %.")


def mnist(section):
    rows = []
    for group in sorted(section.groups, key=lambda g: list(PAPER_ERRORS).index(g.row)
                        if g.row in PAPER_ERRORS else 9):
        paper = PAPER_ERRORS.get(group.row, "") if section.is_papers() else ""
        rows.append([label(section, group, group.row), str(paper), spread(group.numbers()),
                     str(len(group.results)), by_seed(group), mean_time(group)])
    head = ["net", "paper", "ours, mean ± sd", "seeds", "errors by seed", "mean time"]
    return [table(head, rows), *gains(section)]


# ---- section 3: temperatures ----

def by_width(section):
    """Distilled groups by width and settings: {(width, number): {T: group}}."""
    out = {}
    for group in section.groups:
        if group.kind() == "distilled" and group.ended():
            plan = group.what["plan"]
            key = plan["hidden"], section.number(group)
            out.setdefault(key, {})[plan["temperature"]] = group
    return dict(sorted(out.items()))


def lead(sweep, best, other):
    """How many errors fewer one temperature makes than another, in words."""
    a, b = sweep[best].numbers(), sweep[other].numbers()
    error = pooled_error(a, b)
    times = ("no standard error from one seed" if error is None else "no spread" if error == 0
             else f"{(mean(b) - mean(a)) / error:.1f} pooled standard errors")
    return f"{mean(b) - mean(a):.1f} fewer at T = {best:g} than at T = {other:g} ({times})"


def best_is(width, sweep):
    """The claim for small nets: T from 2.5 to 4 is better than higher and lower ones."""
    best = min(sweep, key=lambda t: (mean(sweep[t].numbers()), t))
    leads = [lead(sweep, best, t) for t in (20, 1) if t in sweep and t != best]
    return (f"{width} units: T = {best:g} is best with {mean(sweep[best].numbers()):.1f} errors"
            f"{': ' if leads else ''}{', '.join(leads)}. The paper: T from 2.5 to 4 is best.")


def all_alike(width, sweep):
    """The claim for nets of 300 units and more: all T above 8 are fairly similar."""
    high = sorted(t for t in sweep if t >= 8)
    pairs = [(a, b) if mean(sweep[a].numbers()) <= mean(sweep[b].numbers()) else (b, a)
             for i, a in enumerate(high) for b in high[i + 1:]]

    def size(pair):
        a, b = (sweep[t].numbers() for t in pair)
        error = pooled_error(a, b)
        apart = mean(b) - mean(a)
        return apart / error if error else math.inf * apart if apart else 0.0, apart
    if not pairs:
        return ""
    return (f"{width} units: the clearest difference among T = {', '.join(f'{t:g}' for t in high)}:"
            f" {lead(sweep, *max(pairs, key=size))}. The paper: T above 8 are fairly similar.")


def claims(section):
    for (width, number), sweep in by_width(section).items():
        said = best_is(width, sweep) if width < 300 else all_alike(width, sweep)
        if said:
            yield paragraph(f"[{number}] {said}" if number else said)


def temperature(section):
    def order(group):
        plan = group.what["plan"]
        soft = group.kind() == "distilled"
        return plan["hidden"], section.number(group) if soft else 0, soft, plan["temperature"]
    rows = []
    for group in sorted(section.groups, key=order):
        plan, error = group.what["plan"], standard_error(group.numbers())
        t = f"{plan['temperature']:g}" if group.kind() == "distilled" else "alone"
        rows.append([str(plan["hidden"]), label(section, group, t), spread(group.numbers()),
                     "" if error is None else f"{error:.1f}", str(len(group.results)),
                     by_seed(group)])
    head = ["units", "T", "errors, mean ± sd", "standard error", "seeds", "errors by seed"]
    return [table(head, rows), *claims(section)]


# ---- section 3: classes that the transfer set lacks ----

def shifts(section, group):
    """A transfer set's table: the shift of the bias, by each rule."""
    rows = []
    for rule, words in RULES.items() if group.ended() else ():
        paper = PAPER_SHIFTS.get((group.row, rule), ("",) * 4)
        paper = paper if section.is_papers() else ("",) * 4
        errors = group.numbers(f"errors_{rule}")
        shift = "" if rule == "raw" else spread(group.numbers(f"shift_{rule}"), "{:+.1f}")
        part = 100 * mean(errors) / section.cases
        right = mean(group.numbers(f"missing_right_{rule}"))
        rows.append([words, paper[0], f"{spread(errors)} ({part:.1f} %)",
                     paper[1], spread(group.numbers(f"missing_errors_{rule}")),
                     paper[2], f"{right:.1f} %", paper[3], shift])
    head = ["bias", "paper", "errors", "paper", "on missing", "paper", "right", "paper", "shift"]
    each = "; ".join(f"{words.split(':')[0]} {by_seed(group, f'errors_{rule}')}"
                     for rule, words in RULES.items())
    some = mean(group.numbers("missing") or [0])
    text = (f"**{label(section, group, group.row)}**: {some:,.0f} images are of missing classes;"
            ' "on missing" are errors on these, "right" is the share of them that is right.'
            f" {seeds(group)}; mean time {mean_time(group)}.")
    return [paragraph(text), table(head, rows), paragraph(f"Errors by seed: {each}.")]


def missing(section):
    return [part for group in section.groups for part in shifts(section, group)]


# ---- ensembles ----

def ensemble(section):
    rows = [[label(section, group, group.row), f"{group.what['members']:g}",
             spread(group.numbers()), "" if set(group.results) == {0} else str(len(group.results)),
             by_seed(group), mean_time(group)] for group in section.groups]
    return [table(["row", "members", "errors, mean ± sd", "seeds", "by seed", "mean time"], rows)]


# ---- the README's ----

TABLES = {"mnist": mnist, "temperature": temperature, "missing": missing, "ensemble": ensemble}


def parts(program, sections):
    """All that is to be said of a program's results."""
    for section in sections:
        yield from [caption(section), *TABLES[program](section), *notes(section)]
