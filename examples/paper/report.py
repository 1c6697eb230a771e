#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tables and pictures of what the programs of examples/paper wrote, beside the paper's numbers.

Reads mnist.json, temperature.json, missing.json, ensemble.json, specialists.json, speech.json and
regularise.json in FOLDER; any may be missing. Prints a table of each in Markdown, or puts it into a
page between the lines

    <!-- report: mnist -->
    <!-- end -->

and likewise for the others; a page that has the table "headline" has no other. Runs with other
plans, images or splits are never merged.
"""
import argparse
import os
import pathlib
import re
import sys

import headline
import pictures
import results
import specialist_tables
import speech_tables
import tables

MARKER = re.compile(r"^<!-- report: (\w+) -->\n(.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)


MODULES = {"specialists": specialist_tables}
HEADLINE = "headline"  # the table of a page that has no other


def told(folder, program):
    """All that is to be said of a program's results."""
    if program == HEADLINE:
        return headline.headline(folder)
    module = speech_tables if program in results.SPEECH else MODULES.get(program, tables)
    return "\n\n".join(module.parts(program, results.read(folder, program))) or "not run yet"


def content(folder, program, page):
    """What stands between the markers: the table, and the picture if it was drawn."""
    text = told(folder, program)
    for name, words in pictures.PICTURES.get(program, {}).items():
        picture = folder / f"{name}.svg"
        if picture.exists():
            text += f"\n\n![{words}]({os.path.relpath(picture, page.parent)})"
    return f"{text}\n"


def contents(folder, page):
    """The page's text, and as it is to be; and the names of tables that differ."""
    old = page.read_text(encoding="utf-8")
    found = [match[1] for match in MARKER.finditer(old)]
    begun = re.findall(r"^<!-- report:(.*?)-->", old, re.MULTILINE)
    due = [HEADLINE] if found == [HEADLINE] else results.PROGRAMS
    if sorted(found) != sorted(due) or len(begun) != len(found):
        raise results.Bad(f"{page}: has the tables {', '.join(found) or 'none'}; due are "
                          f"{', '.join(due)}, once each, with an end")
    new = {name: content(folder, name, page) for name in due}
    differ = [match[1] for match in MARKER.finditer(old) if match[2] != new[match[1]]]
    return MARKER.sub(lambda m: f"<!-- report: {m[1]} -->\n{new[m[1]]}<!-- end -->", old), differ


def run(options):
    """The exit code."""
    if not options.folder.is_dir():
        raise results.Bad(f"{options.folder}: no such folder")
    if options.pictures:
        for path in pictures.pictures(options.folder):
            print(f"{path}: drawn")
    page = options.write or options.check
    if not page:
        for program in [] if options.pictures else results.PROGRAMS:
            print(f"## paper-{program}\n\n{told(options.folder, program)}\n")
        return 0
    text, differ = contents(options.folder, page)
    if options.write and differ:
        page.write_text(text, encoding="utf-8")
    if options.write:
        print(f"{page}: {', '.join(differ) or 'nothing'} written")
        return 0
    if differ:
        print(f"report.py: {page}: not as in {options.folder}: {', '.join(differ)}; --write mends"
              " it", file=sys.stderr)
    return 1 if differ else 0


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    p.add_argument("--pictures", action="store_true",
                   help="draw what there are results for into FOLDER, by gnuplot")
    p.add_argument("--write", type=pathlib.Path, metavar="PAGE", help="put the tables into a page")
    p.add_argument("--check", type=pathlib.Path, metavar="PAGE",
                   help="end with 1 and name the tables of a page that are not up to date")
    options = p.parse_args()
    if options.write and options.check:
        p.error("--write and --check are not for one time")
    try:
        sys.exit(run(options))
    except (results.Bad, OSError) as error:
        sys.exit(f"report.py: {error}")


if __name__ == "__main__":
    main()
