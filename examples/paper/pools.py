# SPDX-License-Identifier: MIT
"""Runs on speech: splits that belong together, and what each system gets right of a recording."""
import json
from typing import NamedTuple

import bootstrap
from results import mean

# What tells runs of one system apart, or is the same for all that is compared.
NO_SETTINGS = ("part", "split", "corpus", "speakers", "alignment", "share", "recordings")
SWEPT = {"speech": "temperature", "regularise": "epochs"}


def settings(group):
    """All that was set, by a name for people, but for what is swept."""
    return {name: value for name, value in group.fields().items()
            if name not in NO_SETTINGS and name != SWEPT[group.program]}


def is_development(group):
    """One of the rows of paper-speech from which a temperature is chosen."""
    return group.program == "speech" and group.row.startswith("T = ")


def kind(row):
    """What is compared with what, without the share of the recordings."""
    return row.rsplit(", ", 1)[0] if row.endswith("%") else row


def rate(result, name):
    """Per cent of all frames that are right, or of all words that are wrong."""
    if name == "frames":
        return 100 * sum(result["frames_right"]) / sum(result["frames"])
    return 100 * (1 - mean(result["words_right"]))


class System(NamedTuple):
    """A row of a table: runs by one plan, from each split that has them."""

    row: str
    settings: dict
    groups: dict  # by split

    def seeds(self, splits=None):
        """Those whose trainings ended in every split."""
        ended = [set(self.groups[split].ended()) for split in splits or self.groups]
        return sorted(set.intersection(*ended))

    def results(self, seed, splits=None):
        return [self.groups[split].results[seed] for split in splits or self.groups]

    def rates(self, name, splits=None):
        """By seed: of the recordings of all splits together."""
        out = {}
        for seed in self.seeds(splits):
            joined = {part: [count for result in self.results(seed, splits)
                             for count in result[part]]
                      for part in ("frames", "frames_right", "words_right")}
            out[seed] = rate(joined, name)
        return out

    def column(self, name, seeds, splits):
        """For each recording the sum over the seeds."""
        return [sum(counts) for split in splits for counts in
                zip(*(self.groups[split].results[seed][name] for seed in seeds))]


class Pool(NamedTuple):
    """Sections that are one experiment: one split, or a split for each speaker left out."""

    sections: list
    systems: list
    spare: list  # groups of temperatures that were chosen once and are not any more

    def first(self):
        return self.sections[0]

    def of(self, row):
        return [system for system in self.systems if system.row == row]

    def families(self):
        """The different settings of each kind: rows, but shares of recordings are of one kind."""
        out = {}
        for system in self.systems:
            settings_of_kind = out.setdefault(kind(system.row), [])
            if system.settings not in settings_of_kind:
                settings_of_kind.append(system.settings)
        return out

    def number(self, system):
        """Which of its kind's settings a system has, from 1; 0 if there is only one."""
        alike = self.families()[kind(system.row)]
        return alike.index(system.settings) + 1 if len(alike) > 1 else 0


def developed(section, of):
    """Groups of these settings by temperature: nets tested on the development part."""
    return {group.what["plan"]["temperature"]: group for group in section.groups
            if is_development(group) and settings(group) == of}


def mean_developed(group):
    """What the choice goes by: a training that diverged has nothing right."""
    return mean([0 if "diverged" in result else rate(result, "frames")
                 for result in group.results.values()])


def is_chosen(section, group):
    """Whether a distilled net's temperature is the one that the development part says."""
    tried = developed(section, settings(group))
    best = max(tried, key=lambda t: mean_developed(tried[t]), default=None)
    return group.what["plan"]["temperature"] == best


def make(sections):
    """One pool. Of nets distilled at several temperatures those at the chosen one are compared."""
    systems, spare = {}, []
    for section in sections:
        for group in section.groups:
            if is_development(group):
                continue
            key = group.row, json.dumps(settings(group), sort_keys=True)
            system = systems.setdefault(key, System(group.row, settings(group), {}))
            before = system.groups.get(section.split)
            if before and not is_chosen(section, group):
                spare.append(group)
                continue
            if before:
                spare.append(before)
            system.groups[section.split] = group
    return Pool(sections, list(systems.values()), spare)


def pools(sections):
    """All experiments. Splits that leave a speaker out are one if they are of one corpus and
    tested; what was aligned in another way is another one."""
    out = {}
    for section in sections:
        alone = section.holdout or section.split == "official"
        key = [section.holdout, section.groups[0].what["corpus"], section.split if alone else "", 0]
        while any(other.split == section.split for other in out.get(tuple(key), ())):
            key[-1] += 1
        out.setdefault(tuple(key), []).append(section)
    return [make(together) for together in out.values()]


class Compared:
    """What systems get right of the same recordings with the same seeds: in all, and resampled."""

    def __init__(self, *systems):
        self.splits = [split for split in systems[0].groups
                       if all(split in system.groups for system in systems)]
        self.seeds = sorted(set.intersection(*(set(system.seeds(self.splits))
                                               for system in systems))) if self.splits else []
        self.recordings, self.sums, self.resampled = 0, None, []
        if self.seeds:
            self.resample(systems)

    def resample(self, systems):
        columns = [systems[0].column("frames", self.seeds, self.splits)]
        columns.append([len(self.seeds)] * len(columns[0]))
        for name in ("frames_right", "words_right"):
            columns += [system.column(name, self.seeds, self.splits) for system in systems]
        sizes = [len(systems[0].groups[split].results[self.seeds[0]]["frames"])
                 for split in self.splits]
        self.recordings = sum(sizes)
        self.sums = [sum(column) for column in columns]
        self.resampled = list(bootstrap.sums(columns, sizes))

    def estimate(self, what, name):
        """`what` of the systems' rates, and its interval."""
        def of(sums):
            each = (len(sums) - 2) // 2
            if name == "frames":
                return what(*(100 * right / sums[0] for right in sums[2:2 + each]))
            return what(*(100 * (1 - right / sums[1]) for right in sums[2 + each:]))
        return of(self.sums), bootstrap.interval([of(sums) for sums in self.resampled])


def part_of_gain(worst, best, between):
    """Which part of the way from the worst to the best lies behind what is between; None if the
    best is not better. Of rates that are to be small, give negative ones."""
    return (between - worst) / (best - worst) if best > worst else None
