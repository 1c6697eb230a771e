# SPDX-License-Identifier: MIT
"""Checks README.md and docs/: ```c compile blocks run, commands and all relative links exist."""
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

import source

COMMANDS = ["sh examples/mnist/run.sh", "sh tests/run.sh"]
BLOCK = re.compile(r"^```c compile$\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_block(name, code, options, folder):
    """What went wrong with one block, or None. It runs twice, then with files of its own."""
    text = folder / "block.c"
    program = folder / "block"
    text.write_text(code, encoding="utf-8")
    library = options.library.resolve()
    command = [*shlex.split(options.cc), "-std=c11", "-Wall", "-Werror", str(text), "-o",
               str(program), "-I", str(options.root / "include"), str(library), "-lm",
               f"-Wl,-rpath,{library.parent}"]
    for step in (command, [str(program)], [str(program)]):
        done = subprocess.run(step, capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode:
            return (f"{name}: {os.path.basename(step[0])} ended with {done.returncode}\n"
                    f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return None


def run_page(page, options):
    """How many blocks a page has, and what went wrong with them."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    problems = []
    for number, code in enumerate(blocks, 1):
        with tempfile.TemporaryDirectory() as folder:
            name = f"{page.relative_to(options.root)}, block {number}"
            problems.append(run_block(name, code, options, pathlib.Path(folder)))
    return len(blocks), [problem for problem in problems if problem]


def dead_links(root):
    """Relative links in README.md, docs/ and the like that lead nowhere."""
    for page in source.tree(root, ".md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / link).exists():
                yield f"{page.relative_to(root)} links to {link}, which is not there"


def main():
    p = source.parser(__doc__)
    p.add_argument("--library", type=pathlib.Path, required=True, help="the built libkd.so")
    p.add_argument("--cc", default="cc", help="C compiler")
    options = p.parse_args()
    readme = options.root / "README.md"
    if not readme.exists():
        source.finish(["there is no README.md"], "")
    text = readme.read_text(encoding="utf-8")
    count, problems = run_page(readme, options)
    if not count:
        problems.append("README.md has no block that begins with ```c compile")
    for page in sorted((options.root / "docs").glob("*.md")):
        more, wrong = run_page(page, options)
        count += more
        problems += wrong
    problems += [f"README.md does not name the command: {command}"
                 for command in COMMANDS if command not in text]
    problems += [f"README.md names {script}, which is not there"
                 for script in sorted(set(re.findall(r"\bsh ([\w./-]+\.sh)\b", text)))
                 if not (options.root / script).is_file()]
    problems += dead_links(options.root)
    problems += [f"README.md has a placeholder: {word}" for word in re.findall("@[A-Z_]+@", text)]
    source.finish(problems, f"{count} block(s) ran")


if __name__ == "__main__":
    main()
