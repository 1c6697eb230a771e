# SPDX-License-Identifier: MIT
"""Judges what gcovr found: coverage.py FILE.json (see tests/coverage.sh)."""
import fnmatch
import json
import pathlib
import sys

LINES, BRANCHES = 95, 90  # per cent of lib/
WHOLE = ["lib/io/tensors_*.c", "lib/io/tensors.c", "lib/io/json.c", "lib/io/cursor.c",
         "lib/io/npy.c", "lib/ckpt/*.c", "lib/teacher/cache_*.c", "lib/base/size.c"]


def exceptions():
    """Lines 'path | text of the line | reason' whose branches need not all be reached."""
    file = pathlib.Path(__file__).with_name("unreached.txt")
    rows = [line.split(" | ") for line in file.read_text(encoding="utf-8").splitlines()
            if line and line[0] != "#"]
    return {(row[0], row[1]) for row in rows}


def main():
    found = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    excused = exceptions()
    total = [0, 0, 0, 0]  # lines reached, lines, branches reached, branches
    gaps = []
    for file in found["files"]:
        name = file["file"]
        text = pathlib.Path(name).read_text(encoding="utf-8").splitlines()
        here = [0, 0, 0, 0]
        for line in file["lines"]:
            if line.get("gcovr/noncode"):
                continue
            branches = line["branches"]
            reached = sum(b["count"] > 0 for b in branches)
            here = [a + b for a, b in zip(here, (line["count"] > 0, 1, reached, len(branches)))]
            source = text[line["line_number"] - 1].strip()
            if (line["count"] == 0 or reached < len(branches)) and (name, source) not in excused:
                gaps.append((name, line["line_number"], reached, len(branches), source))
        total = [a + b for a, b in zip(total, here)]
        print(f"{name:32} lines {here[0]:4}/{here[1]:4}  branches {here[2]:4}/{here[3]:4}")
    missing = [g for g in gaps if any(fnmatch.fnmatch(g[0], p) for p in WHOLE)]
    for name, line, reached, branches, source in gaps:
        mark = "!" if any(fnmatch.fnmatch(name, p) for p in WHOLE) else " "
        print(f"{mark} {name}:{line}: {reached} of {branches} branches: {source}")
    lines, branches = 100 * total[0] / total[1], 100 * total[2] / total[3]
    print(f"lines {lines:.1f} % (at least {LINES}), branches {branches:.1f} % (at least "
          f"{BRANCHES}), {len(missing)} gaps in readers and sizes")
    return 0 if lines >= LINES and branches >= BRANCHES and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
