# SPDX-License-Identifier: MIT
"""Checks that each public header compiles alone as C99 to C17 and C++11 to C++20; 60 % comment."""
import shutil
import subprocess

import source

LEAST = 60  # per cent of the lines that are not blank
COMMON = ["-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror"]
LANGUAGES = [("c", std, compiler, ["-Wc++-compat"])
             for std in ("c99", "c11", "c17") for compiler in ("gcc", "clang")]
LANGUAGES += [("c++", std, compiler, [])
              for std in ("c++11", "c++17", "c++20") for compiler in ("g++", "clang++")]


def compile_alone(root, header):
    """Complaints of the compilers that are on this machine, and how many compiled it."""
    problems, count = [], 0
    for language, std, compiler, more in LANGUAGES:
        if not shutil.which(compiler):
            continue
        command = [compiler, "-x", language, f"-std={std}", *COMMON, *more,
                   "-I", str(root / "include"), "-"]
        done = subprocess.run(command, input=f"#include <kd/{header.name}>\n", text=True,
                              capture_output=True, check=False)
        count += 1
        if done.returncode:
            problems.append(f"{header.name} as {std} with {compiler}:\n{done.stderr}")
    return problems, count


def comment_lines(text):
    """Lines that are not blank, and those of them that carry a comment."""
    code = source.blank(text, strings=False).splitlines()
    lines = [(line, rest) for line, rest in zip(text.splitlines(), code) if line.strip()]
    return len(lines), sum(line.rstrip() != rest.rstrip() for line, rest in lines)


def main():
    root = source.parser(__doc__).parse_args().root
    headers = sorted((root / "include" / "kd").glob("*.h"))
    problems, compiled, lines, comments = [], 0, 0, 0
    for header in headers:
        found, count = compile_alone(root, header)
        problems += found
        compiled += count
        here, carry = comment_lines(header.read_text(encoding="utf-8"))
        print(f"{header.name:12} {here:4} lines, {100 * carry / max(here, 1):3.0f} % comment")
        lines += here
        comments += carry
    share = 100 * comments / max(lines, 1)
    if share < LEAST:
        problems.append(f"the headers are {share:.1f} % comment together, at least {LEAST} % due")
    if not compiled:
        problems.append("no header was compiled: no compiler, or no header")
    source.finish(problems, f"{len(headers)} headers compiled {compiled} times, "
                            f"{share:.0f} % comment together")


if __name__ == "__main__":
    main()
