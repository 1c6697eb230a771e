# SPDX-License-Identifier: MIT
"""Tables 3 and 4 of section 5: what specialists add, beside controls."""
import json
import math

from results import mean, standard_error
from tables import caption, differences, label, mean_time, paragraph, spread, table

# Per cent of all test images, and of those of specialists' classes with no other class allowed.
PAPER_3 = {"generalist": (25.0, 43.1), "with specialists": (26.1, 45.9)}
# By the number of specialists that know the class: images, more of them right, relative change.
PAPER_4 = {0: "350,037; 0; 0.0 %", 1: "141,993; +1,421; +3.4 %", 2: "67,161; +1,572; +7.4 %",
           3: "38,801; +1,124; +8.8 %", 4: "26,298; +835; +10.5 %", 5: "16,474; +561; +11.1 %",
           6: "10,682; +362; +11.3 %", 7: "7,376; +232; +12.8 %", 8: "4,703; +182; +13.6 %",
           9: "4,706; +208; +16.6 %", 10: "9,082; +324; +14.1 %"}
MOST = 10  # and more, in one line
CLUSTERS = "clusters"
CONTROLS = ("generalist trained on", "random groups", "dustbins not corrected",
            "full softmax, soft targets elsewhere", "ensemble of generalists")
# Student's t for 95 %, by degrees of freedom: the 0.975 quantile.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
           2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086)


def rate(result, which=""):
    """Per cent that is right."""
    return 100 * (1 - result[f"{which}errors"] / result[f"{which}cases"])


def rates(group, which=""):
    return [rate(result, which) for result in group.ended().values()]


def interval(values):
    """The mean, and how far a 95 % interval by Student's t goes to each side; None for one."""
    if len(values) < 2:
        return mean(values), None
    quantile = STUDENT[min(len(values) - 1, len(STUDENT)) - 1]
    return mean(values), quantile * standard_error(values)


def gains(group, base):
    """Points that a row has more than another, for each seed that both have."""
    return [rate(group.results[seed]) - rate(base.results[seed])
            for seed in group.ended() if seed in base.ended()]


def gain(group, base):
    """The mean of these, and its interval."""
    if not gains(group, base) or group is base:
        return ""
    middle, half = interval(gains(group, base))
    return f"{middle:+.2f}" + ("" if half is None else f" ± {half:.2f}")


def mcnemar(won, lost):
    """The chance of a split as uneven as this if both were equally good: two-sided, exact."""
    n, least = won + lost, min(won, lost)
    log_all = n * math.log(2)
    tail = sum(math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - log_all)
               for i in range(least + 1))
    return min(1.0, 2 * tail)


def paired(group):
    """Images won and lost against the generalist, all seeds, and in how many p < 0.05."""
    counts = [(result["won"], result["lost"]) for result in group.ended().values()]
    if group.row == "generalist" or not counts:
        return "", ""
    clear = sum(mcnemar(*pair) < 0.05 for pair in counts)
    return (f"{sum(won for won, _ in counts):,}:{sum(lost for _, lost in counts):,}",
            f"{clear} of {len(counts)}")


def of_row(section, row):
    """The group of this row that has most seeds, the first of equals."""
    groups = [group for group in section.groups if group.row == row and group.ended()]
    return max(groups, key=lambda group: len(group.ended()), default=None)


def table_3(section):
    base = of_row(section, "generalist")
    rows = []
    for group in section.groups:
        if group.row == CLUSTERS:
            continue
        paper = PAPER_3.get(group.row, ("", ""))
        won, clear = paired(group)
        rows.append([label(section, group, group.row), *(f"{p} %" if p else "" for p in paper),
                     spread(rates(group), "{:.2f}"), spread(rates(group, "conditional_"), "{:.2f}"),
                     gain(group, base) if base else "", won, clear, mean_time(group)])
    head = ["row", "paper", "paper, conditional", "right, %", "conditional, %",
            "gain over the generalist", "won:lost", "p < 0.05", "mean time"]
    return table(head, rows)


def compared(section):
    """Specialists against each control, by each of its plans, seed by seed."""
    own = of_row(section, "with specialists")
    parts = [(label(section, other, row), gain(own, other)) for row in CONTROLS
             for other in section.groups if own and other.row == row and other.ended()]
    said = "; ".join(f"{row} {points}" for row, points in parts if points)
    back, alone = (of_row(section, row) for row in
                   ("distilled from all", "distilled from the generalist"))
    yield paragraph(f"Specialists less controls, in points with 95 % intervals over seeds: {said}."
                    if said else "")
    if back and alone and gain(back, alone):
        yield paragraph("One net distilled from all less one distilled from the generalist alone:"
                        f" {gain(back, alone)} points.")


def table_4(section):
    """Means over all seeds; in a seed in which no class is known by so many there is no image."""
    own = of_row(section, "with specialists")
    results = list(own.ended().values()) if own else []
    counts = sorted({min(line["specialists"], MOST) for result in results
                     for line in result["covered"]})
    rows = []
    for n in counts:
        lines = [line for result in results for line in result["covered"]
                 if min(line["specialists"], MOST) == n]
        images, before, after = (sum(line[name] for line in lines) / len(results)
                                 for name in ("cases", "right_before", "right_after"))
        change = f"{100 * (after - before) / before:+.1f} %" if before else ""
        rows.append([f"{n:g}" + (" or more" if n == MOST else ""), PAPER_4[n], f"{images:,.0f}",
                     f"{after - before:+.1f}", change])
    return table(["specialists that know the class", "paper: images; more right; change",
                  "images", "more right", "change"], rows)


def examined(section):
    """Where specialists gain and lose: all seeds' pairs of an image and an active specialist."""
    own = of_row(section, "with specialists")
    pairs = [result["active"] for result in own.ended().values() if "active" in result] \
        if own else []
    if not pairs:
        return ""
    total, ours = (sum(pair[name] for pair in pairs) for name in ("pairs", "own"))

    def whole(side, name):
        return sum(pair[side][name] * pair["pairs"] for pair in pairs) / total

    def errors(side):
        return 100 * sum(pair[side]["own_errors"] for pair in pairs) / ours

    return paragraph(
        f"All seeds have {total:,} pairs of an image and an active specialist. In "
        f"{100 * ours / total:.1f} % of them the image is of the specialist's classes: on the mean "
        f"the generalist says so with {100 * whole('generalist', 'own'):.1f} % and the specialist "
        f"with {100 * whole('specialist', 'own'):.1f} %, at log losses of "
        f"{whole('generalist', 'nats'):.3f} and {whole('specialist', 'nats'):.3f} nats. Of these "
        f"images the generalist gets {errors('generalist'):.2f} % wrong and the specialist "
        f"{errors('specialist'):.2f} % when no class but the specialist's is allowed.")


def sets(section):
    """The first seed's sets."""
    group = of_row(section, CLUSTERS)
    if not group:
        return ""
    seed, result = next(iter(group.ended().items()))
    each = "; ".join(" ".join(names) for names in result["sets"])
    return paragraph(f"The sets of seed {seed:g}: {each}.")


def notes(section):
    return [paragraph(f"`{kind}` was run with {len(settings)} plans, which are not merged: "
                      f"{differences(settings)}.")
            for kind, settings in section.families().items() if len(settings) > 1]


def by_generalist(section):
    """A section for each generalist, with words for it if there are several."""
    found = {}
    for group in section.groups:
        found.setdefault(json.dumps(group.what["teacher"], sort_keys=True), []).append(group)
    for plan, groups in found.items():
        words = f"**The generalist's hidden layers have {json.loads(plan)['hidden']:g} units.**"
        yield section._replace(groups=groups), words if len(found) > 1 else ""


def parts(_, sections):
    """All that is to be said of the results."""
    for whole in sections:
        for section, words in by_generalist(whole):
            said = [words, caption(section), table_3(section), *compared(section),
                    table_4(section), examined(section), sets(section), *notes(section)]
            yield from (part for part in said if part)
