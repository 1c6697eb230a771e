# SPDX-License-Identifier: MIT
"""What the checks share: the files of the tree, C without comments, the public API, the verdict."""
import argparse
import os
import pathlib
import re
import sys
from typing import NamedTuple

SKIPPED = 77  # the exit code that meson shows as a skipped test
TOKENS = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


class Function(NamedTuple):
    """One exported function as its header declares it."""

    header: pathlib.Path
    line: int
    tier: int
    returns: str
    name: str
    parameters: list  # of (type, name)
    doc: str  # the comment above it, without stars


def parser(purpose):
    """The command line that all checks have."""
    p = argparse.ArgumentParser(description=purpose)
    p.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).parents[2],
                   help="the source tree (default: the one this script is in)")
    return p


def finish(problems, done):
    """Prints what is wrong, or what was found right, and ends the check."""
    for problem in problems:
        print(problem)
    print(f"{len(problems)} problem(s)" if problems else done)
    sys.exit(1 if problems else 0)


def skip(why):
    print("SKIP:", why)
    sys.exit(SKIPPED)


def blank(text, strings=True):
    """The same text, equally long, with comments (and the contents of strings) as spaces."""

    def spaces(match):
        token = match.group()
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[0] if strings else token

    return TOKENS.sub(spaces, text)


def tree(root, *suffixes):
    """Files of the source tree with these endings, without build directories and data."""
    for folder, folders, names in os.walk(root):
        here = pathlib.Path(folder)
        folders[:] = sorted(f for f in folders if f not in (".git", "data", "__pycache__")
                            and not (here / f / "meson-private").exists())
        for name in sorted(names):
            if name.endswith(suffixes):
                yield here / name


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def parameter(text):
    """'const float *x' as ('const float *', 'x')."""
    match = re.fullmatch(r"(.*?)(\w+)", text.strip(), re.DOTALL)
    return match.group(1).strip(), match.group(2)


def api(root):
    """Every function that a header in include/kd declares with KD_API."""
    for header in sorted((root / "include" / "kd").glob("*.h")):
        text = header.read_text(encoding="utf-8")
        tier = re.search(r"\bTier ([123]):", text)
        code = blank(text)
        for match in re.finditer(r"^KD_API\s+([^;]*?)(\w+)\(([^;]*)\);", code, re.MULTILINE):
            above = text[:match.start()].rstrip()
            doc = ""
            if above.endswith("*/") and "/**" in above:
                doc = re.sub(r"^\s*\* ?", "", above[above.rindex("/**") + 3:-2], flags=re.MULTILINE)
            arguments = " ".join(match.group(3).split())
            yield Function(header, line_of(text, match.start()), int(tier.group(1)) if tier else 0,
                           " ".join(match.group(1).split()), match.group(2),
                           [parameter(p) for p in arguments.split(",") if p != "void"], doc.strip())
