# SPDX-License-Identifier: MIT
"""Checks that clang-format would leave every C file as it is; skipped without its version 14."""
import re
import shutil
import subprocess

import source

VERSION = 14  # other versions break lines in other places


def clang_format():
    """The command of the version that counts, or None."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True)
            if re.search(rf"version {VERSION}\.", said.stdout):
                return name
    return None


def main():
    root = source.parser(__doc__).parse_args().root
    command = clang_format()
    if not command:
        source.skip(f"no clang-format of version {VERSION} here")
    files = list(source.tree(root, ".c", ".h"))
    done = subprocess.run([command, "--dry-run", "-Werror", "--style=file", *map(str, files)],
                          capture_output=True, text=True, check=False)
    problems = re.findall(r"^(\S+:\d+):\d+: error", done.stderr, re.MULTILINE)
    if done.returncode and not problems:
        problems.append(done.stderr)
    if problems:
        problems.append(f"{command} -i FILE mends it")
    source.finish(problems, f"{len(files)} files formatted")


if __name__ == "__main__":
    main()
