# SPDX-License-Identifier: MIT
"""Reads what the programs wrote: runs by row and by plan, never merged across plans or data."""
import json
import math
from typing import NamedTuple

SPEECH = ("speech", "regularise")
PROGRAMS = ("mnist", "temperature", "missing", "ensemble", "specialists", *SPEECH)
MNIST_TEST = "3f44004bbe5cfd4c"  # the paper's test set
EMNIST = {"bcf425b3a7366636": "EMNIST ByClass's test partition, split again"}
MNIST = {"b6be8adf9f5ba720": "MNIST", "5dab77b4db3261db": "MNIST without its last 10,000 images",
         "ad3075ab3cb9b544": "Ten capital letters of EMNIST"}
# Each seed's student has the teacher of the same seed.
OWN_TEACHER = ("mnist", "missing", "specialists", *SPEECH)
RULES = ("raw", "oracle", "honest")  # by which a bias is shifted
NUMBERS = {"missing": ["missing", *(f"{what}_{rule}" for rule in RULES for what in
                                    ("errors", "missing_errors", "missing_right", "shift"))],
           "specialists": ["errors", "conditional_errors", "conditional_cases", "won", "lost"],
           "speech": ["frame_accuracy", "word_error_rate"],
           "regularise": ["frame_accuracy", "word_error_rate", "train_frame_accuracy"]}
DESCRIBED = {"ensemble": ["members"], "speech": ["speakers", "members"],
             "regularise": ["speakers", "share", "recordings", "whole_epochs"]}
SWEPT = ("hidden", "temperature")  # what differs within one sweep of paper-temperature


class Bad(Exception):
    """A file that can't be used: its name and why."""


class Group(NamedTuple):
    """The runs of one row that differ in nothing but the seed."""

    program: str
    row: str
    what: dict  # without the seed
    results: dict  # by seed

    def ended(self):
        """Results by seed, without those of trainings that diverged."""
        return {seed: self.results[seed] for seed in sorted(self.results)
                if "diverged" not in self.results[seed]}

    def numbers(self, name="errors"):
        return [result[name] for result in self.ended().values()]

    def kind(self):
        """What is compared with what: rows, but in a sweep all that is distilled is of one kind."""
        if self.program == "temperature":
            return "alone" if self.row.endswith("alone") else "distilled"
        return self.row

    def fields(self):
        """All that was set, by a name for people."""
        out = {}
        for name, value in self.what.items():
            if name == "plan":
                swept = SWEPT if self.program == "temperature" else ()
                out.update({k: v for k, v in value.items() if k not in swept})
            elif name == "teacher":
                out.update({f"the teacher's {k}": v for k, v in value.items()})
            elif name == "teacher_seed":
                out["the teacher's seed"] = value
            elif name not in ("row", "hash", "test_hash", "data", "holdout", "cases"):
                out[name] = value
        return out


class Section(NamedTuple):
    """Groups with the same images to train with and to test with."""

    data: str
    holdout: bool
    test: str  # hash of what was tested on
    cases: int  # images; speech has the frames of each recording
    split: str  # of speech
    groups: list

    def is_papers(self):
        return self.data == "MNIST" and self.test == MNIST_TEST and not self.holdout

    def families(self):
        """The different settings of each kind: lists of fields, in the order of the file."""
        out = {}
        for group in self.groups:
            settings = out.setdefault(group.kind(), [])
            if group.fields() not in settings:
                settings.append(group.fields())
        return out

    def number(self, group):
        """Which of its kind's settings a group has, from 1; 0 if there is only one."""
        settings = self.families()[group.kind()]
        return settings.index(group.fields()) + 1 if len(settings) > 1 else 0


def divergence(result):
    """What is said of a run that came to nothing."""
    whose = "its teacher " if result.get("diverged_net") == "teacher" else ""
    return f"{whose}diverged in epoch {result['diverged']:g}"


def mean(values):
    return sum(values) / len(values)


def squares(values):
    return sum((value - mean(values)) ** 2 for value in values)


def sd(values):
    """With n - 1; None for one value."""
    return math.sqrt(squares(values) / (len(values) - 1)) if len(values) > 1 else None


def standard_error(values):
    return sd(values) / math.sqrt(len(values)) if len(values) > 1 else None


def pooled_error(a, b):
    """The standard error of the difference of two means, from the variance of both together."""
    free = len(a) + len(b) - 2
    if free < 1:
        return None
    return math.sqrt((squares(a) + squares(b)) / free * (1 / len(a) + 1 / len(b)))


def data_of(program, what):
    if program in SPEECH:
        return "drawn words" if what["data"] == "drawn" else "recordings"
    if what["data"] == "drawn":
        return "marked digits, drawn" if program == "specialists" else "drawn digits"
    if program == "specialists":
        return EMNIST.get(what["hash"], f"other images ({what['hash']})")
    return MNIST.get(what["hash"], f"other images ({what['hash']})")


def check_words(what, names):
    for name in names:
        if not isinstance(what[name], str):
            raise TypeError(f"{what['row']}: {name} is {what[name]}")


def with_frames(result, shared):
    """A result that names the frames of its recordings, which others share, with these frames;
    older ones have their own."""
    return result | {"frames": shared[result["frames_of"]]} if "frames_of" in result else result


def check_counts(result):
    """Frames of each recording and what of it is right: their rates are those of the result."""
    lists = [result[name] for name in ("frames", "frames_right", "words_right")]
    if not lists[0] or any(len(counts) != len(lists[0]) for counts in lists):
        raise ValueError(f"counts of {', '.join(str(len(counts)) for counts in lists)} recordings")
    for frames, right, word in zip(*lists):
        if not (isinstance(frames + right, int) and 0 <= right <= frames > 0 and word in (0, 1)):
            raise ValueError(f"a recording with {right} of {frames} frames and {word} words right")
    rates = 100 * sum(lists[1]) / sum(lists[0]), 100 * (1 - mean(lists[2]))
    for name, value in zip(NUMBERS["speech"], rates):
        if not math.isclose(result[name], value, abs_tol=1e-6):
            raise ValueError(f"{name} is {result[name]}, but {value} by recordings")


def check_frames(groups):
    """Recordings that are the same have the same frames."""
    known = {}
    for group in groups:
        for seed, result in group.ended().items():
            of = group.what["test_hash"], group.what["part"]
            if known.setdefault(of, result["frames"]) != result["frames"]:
                raise ValueError(f"{group.row}, seed {seed}: other recordings than before")


def numbers_of(program, what, result):
    """All that tables need."""
    described = [name for name in DESCRIBED.get(program, ())
                 if name != "members" or what["row"] != "member"]
    due = ["diverged"] if "diverged" in result else NUMBERS.get(program, ["errors"])
    due = [] if what["row"] == "clusters" else due
    due = due + [name for name in ("best_epoch",) if name in result]
    due = due if program in SPEECH else [*due, "cases"]
    return [what["plan"]["hidden"], *(what[name] for name in described),
            *(result[name] for name in due)]


def parse(path, program):
    """Groups of one file, in its order."""
    file = json.loads(path.read_text(encoding="utf-8"))
    if file["program"] != f"paper-{program}":
        raise Bad(f"{path}: results of {file['program']}, not of paper-{program}")
    groups = {}
    for run in file["runs"]:
        what, result = dict(run["what"]), run["result"]
        seed, row = what.pop("seed"), what["row"]
        for number in (seed, *numbers_of(program, what, result)):
            if not isinstance(number, (int, float)) or not math.isfinite(number):
                raise TypeError(f"{row}, seed {seed}: {number} is no number")
        if program in SPEECH:
            check_words(what, ("split", "part", "corpus"))
            if "diverged" not in result:
                result = with_frames(result, file.get("frames", {}))
                check_counts(result)
        if program in OWN_TEACHER:
            what.pop("teacher_seed", None)
        what.pop("net", None)  # it goes with the seed
        what["cases"] = 0 if program in SPEECH else result["cases"]
        key = json.dumps(what, sort_keys=True)
        group = groups.setdefault(key, Group(program, row, what, {}))
        if seed in group.results:
            raise Bad(f"{path}: {row}, seed {seed}: twice")
        group.results[seed] = result
    return list(groups.values())


def sections_of(program, groups):
    sections = {}
    for group in groups:
        key = holdout, _, test, cases = [group.what[name] for name in
                                         ("holdout", "hash", "test_hash", "cases")]
        split = group.what["split"] if program in SPEECH else ""
        section = Section(data_of(program, group.what), holdout, test, cases, split, [])
        sections.setdefault((*key, split), section).groups.append(group)
    return sections.values()


def read(folder, program):
    """The sections of a program's results, the paper's first, then those of the official split;
    none if there is no file."""
    path = folder / f"{program}.json"
    try:
        groups = parse(path, program)
        if program in SPEECH:
            check_frames(groups)
        sections = sections_of(program, groups)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Bad(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Bad(f"{path}: not results of paper-{program} ({error!r})") from error
    # "official" comes before "without" somebody.
    return sorted(sections, key=lambda s: (not s.is_papers(), s.data == "drawn words", s.holdout,
                                           s.split))
