# SPDX-License-Identifier: MIT
"""Checks the binary interface of libkd against the dumps in tests/abi, with libabigail.

The library is built once more, with debug information. Functions that came and structs of a host's
that grew behind their end are reported. Any other difference is a break: it needs a line in the
first section of CHANGELOG.md that begins with "- ABI:" and names what has changed. With --update
the dumps of gcc and clang are written anew, if all breaks have their lines.
"""
import json
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import source

COMPILERS = ("gcc", "clang")
DUMP = ["abidw", "--exported-interfaces-only", "--drop-private-types", "--no-corpus-path",
        "--no-comp-dir-path", "--no-show-locs", "--no-elf-needed", "--no-parameter-names",
        "--type-id-style", "hash"]
MACHINE = "x86_64"  # whose dumps are committed
GROWN = [r"type size changed from (\d+) to \d+ \(in bits\)", r"\d+ data member insertions?:",
         r"'.*', at offset (\d+) \(in bits\)"]


def run(command, allowed=(0,)):
    """What it prints; the check ends if it fails."""
    done = subprocess.run([str(word) for word in command], text=True, check=False,
                          capture_output=True)
    if done.returncode not in allowed:
        source.finish([f"{shlex.join(map(str, command))}\n{done.stderr or done.stdout}"], "")
    return done.stdout


def sources(build):
    """Each source of the library, and the -I and -D that it needs, all with whole paths."""
    commands = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    for entry in commands:
        if re.search(r"libkd\.(so|a)\S*\.p/", entry["output"]):
            where, words = pathlib.Path(entry["directory"]), shlex.split(entry["command"])
            yield (where / entry["file"]).resolve(), [
                f"-I{(where / w[2:]).resolve()}" if w.startswith("-I") else w
                for w in words if w[:2] in ("-I", "-D")]


def build_library(options, compiler, folder):
    """The library with debug information, without kernels of instruction sets and without BLAS."""

    def compile_one(job):
        number, (name, flags) = job
        out = folder / f"{number}.o"
        run([compiler, "-std=c11", "-w", "-g", "-O0", "-fPIC", "-fvisibility=hidden", *flags,
             "-UKDI_KERN_X86", "-c", name, "-o", out])
        return out

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, enumerate(sources(options.build))))
    if not objects:
        source.finish([f"no library in {options.build}/compile_commands.json"], "")
    library = folder / "libkd.so"
    run([compiler, "-shared", "-Wl,-soname,libkd.so.0", "-o", library, *objects,
         f"-Wl,--version-script={options.root / 'lib' / 'libkd.map'}"])
    return library


def dump(options, compiler, folder):
    """A dump of the library as it is now, with no path of this machine in it."""
    made = folder / f"libkd-{compiler}.abi"
    text = run([*DUMP, "--headers-dir", options.root / "include" / "kd",
                build_library(options, compiler, folder)])
    made.write_text(re.sub(r" path='[^']*?/(lib/\w+/\w+\.c)'", r" path='\1'", text),
                    encoding="utf-8")
    return made


def blocks(report):
    """The differences in a report of abidiff: one headline each, and the lines below it."""
    headline, body = "", []
    for line in [*report.splitlines(), "'end'"]:
        if re.match(r"('|  \[[ACD]\] )", line):
            if headline:
                yield headline.strip(), body
            headline, body = line, []
        elif line.strip() and not re.match(r"\S", line):
            body.append(line.strip())


def grows(headline, body):
    """True if a struct has only got fields behind its old end: it carries its size."""
    if not headline.startswith("'struct kd_"):
        return False
    matches = [next(filter(None, (re.fullmatch(p, line) for p in GROWN)), None) for line in body]
    if None in matches or "type size changed" not in body[0]:
        return False
    return all(int(m[1]) >= int(matches[0][1]) for m in matches if m.re.pattern == GROWN[2])


def told(root):
    """All that the lines '- ABI: ...' in the first section of the changelog say."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    return " ".join(re.findall(r"^- ABI:.*(?:\n  .*)*", first, re.MULTILINE))


def compare(options, old, new):
    """Breaks that nobody has told of, and the other differences."""
    report = run(["abidiff", "--leaf-changes-only", old, new], allowed=(0, 4, 8, 12))
    lines, breaks, others = told(options.root), [], []
    for headline, body in blocks(report):
        names = re.findall(r"\bkd_\w+(?=\(|'| at )", headline) or [headline]
        text = "\n    ".join([headline, *body])
        if headline.startswith("[A]") or grows(headline, body):
            others.append(f"new: {text}")
        elif re.search(rf"`{re.escape(names[0])}`", lines):
            others.append(f"in CHANGELOG.md: {text}")
        else:
            breaks.append(f"{old.name}: {text}\n    needs a line in CHANGELOG.md: "
                          f"- ABI: `{names[0]}` ...")
    if report and "0 artifact changed" not in report and not breaks and not others:
        breaks.append(f"{old.name}: a report that this check can't read\n{report}")
    return breaks, others


def check(options, compilers):
    problems, notes = [], []
    with tempfile.TemporaryDirectory() as name:
        for compiler in compilers:
            folder = pathlib.Path(name, compiler)
            folder.mkdir()
            made = dump(options, compiler, folder)
            old = options.root / "tests" / "abi" / made.name
            if old.exists() or not options.update:
                breaks, others = compare(options, old, made)
                problems += breaks
                notes += others
            if options.update and not problems:
                shutil.copy(made, old)
    for note in notes:
        print(note)
    if notes and not options.update:
        print("To take this into the dumps: python3 tests/checks/abi.py --update")
    source.finish(problems, f"{', '.join(compilers)}: {len(notes)} allowed difference(s)"
                            f"{', dumps written anew' if options.update else ''}")


def main():
    p = source.parser(__doc__)
    p.add_argument("--build", type=pathlib.Path, help="a build directory (default: build)")
    p.add_argument("--compiler", help="only that of this name: gcc or clang")
    p.add_argument("--update", action="store_true", help="write the dumps in tests/abi anew")
    options = p.parse_args()
    options.build = options.build or options.root / "build"
    if not shutil.which("abidw") or not shutil.which("abidiff"):
        source.skip("no abidw and abidiff here. On Debian: apt-get install abigail-tools")
    if platform.machine() != MACHINE:
        source.skip(f"the dumps are those of {MACHINE}")
    wanted = [options.compiler] if options.compiler else COMPILERS
    compilers = [c for c in wanted if c in COMPILERS and shutil.which(c)]
    if options.update and len(compilers) < len(wanted):
        source.finish([f"--update needs {' and '.join(wanted)}"], "")
    if not compilers:
        source.skip(f"there are no dumps for {', '.join(wanted)}")
    check(options, compilers)


if __name__ == "__main__":
    main()
