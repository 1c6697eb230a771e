# SPDX-License-Identifier: MIT
"""The headline: a line for each claim of the paper, its number beside ours."""
import results
import specialist_tables
import speech_tables
from pools import pools
from tables import PAPER_ERRORS, PAPER_SHIFTS, spread, table

PROGRAMS = ("mnist", "missing", "speech", "regularise", "specialists")
ERRORS = {"teacher": "two hidden layers of 1200, dropout, images moved by up to 2 pixels",
          "alone": "two hidden layers of 800, labels alone",
          "distilled": "the same, distilled from the large net at T = 20"}
RIGHT = ("MNIST, test 3s right after distilling without any 3; bias shifted by what is best on the "
         "test set (paper), by a rule that does not read it (libkd)")
# The paper's speech and images are its own: what is compared are gains, not rates.
KEPT = ("speech: part of the gain of ten acoustic models over one, in frames right, that a single "
        "distilled net keeps")
CLOSED = ("speech: part of the gap between labels of 3 % of the data, stopped early, and of all of "
          "it that soft targets of the 3 % close, not stopped early")
GAIN = "images: points of accuracy that specialists add to a generalist of {:g} units a layer"


def largest(sections, row):
    """The group of the paper's images that has most seeds, the first of equals; or None."""
    groups = [group for section in sections if section.is_papers() for group in section.groups
              if group.row == row and group.ended()]
    return max(groups, key=lambda group: len(group.ended()), default=None)


def on_mnist(mnist, missing):
    for row, words in ERRORS.items():
        group = largest(mnist, row)
        if group:
            yield [f"MNIST, errors of 10,000: {words}", str(PAPER_ERRORS[row]),
                   spread(group.numbers()), str(len(group.ended()))]
    group = largest(missing, "without 3")
    if group:
        yield [RIGHT, PAPER_SHIFTS["without 3", "oracle"][2],
               f"{spread(group.numbers('missing_right_honest'))} %", str(len(group.ended()))]


def official(sections):
    """The pools of the official split's test."""
    return [pool for pool in pools(sections)
            if speech_tables.is_beside_papers(pool) and pool.first().split == "official"]


def most_seeds(words, paper, found):
    """The row of the plan that most seeds were run with, the first of equals."""
    text, compared = max(found, key=lambda one: len(one[1].seeds))
    return [words, paper, text, str(len(compared.seeds))]


def on_speech(speech, regularise):
    kept = [speech_tables.kept(*triple) for pool in official(speech)
            for triple in speech_tables.triples(pool)]
    closed = [speech_tables.closed(pool, hard, soft) for pool in official(regularise)
              for hard in pool.of("hard, stopped early, 3 %") for soft in pool.of("soft, 3 %")]
    for words, paper, found in ((KEPT, "86 %", kept), (CLOSED, "87 %", closed)):
        found = [one for one in found if one[1]]
        if found:
            yield most_seeds(words, paper, found)


def points(gains):
    middle, half = specialist_tables.interval(gains)
    return f"{middle:+.2f}" + (f" [{middle - half:+.2f}, {middle + half:+.2f}]" if half else "")


def on_images(sections):
    for whole in sections:
        for section, _ in specialist_tables.by_generalist(whole):
            base, own = (specialist_tables.of_row(section, row)
                         for row in ("generalist", "with specialists"))
            if base and own and whole.data in results.EMNIST.values() and not whole.holdout:
                yield [GAIN.format(base.what["teacher"]["hidden"]), "+1.1",
                       points(specialist_tables.gains(own, base)), str(len(own.ended()))]


def headline(folder):
    """The table."""
    read = {name: results.read(folder, name) for name in PROGRAMS}
    rows = [*on_mnist(read["mnist"], read["missing"]),
            *on_speech(read["speech"], read["regularise"]), *on_images(read["specialists"])]
    return table(["claim", "paper", "libkd, mean ± sd or [95 % interval]", "seeds"], rows) \
        if rows else "not run yet"
