# SPDX-License-Identifier: MIT
"""Checks that the built libkd has what the option hardening asks for, with readelf and nm."""
import re

import source
from symbols import run

NEEDED = ["__stack_chk_fail"]  # what the compiler's checks call


def segments(library):
    """Complaints about what may be written and run, from the program headers."""
    found = dict(re.findall(r"^\s+(GNU_STACK|GNU_RELRO)\s.*?([RWE][RWE ]*?)\s+0x[0-9a-f]+$",
                            run("readelf", "-lW", library), re.MULTILINE))
    if "GNU_RELRO" not in found:
        yield "no RELRO: the linker's tables stay writable"
    if "E" in found.get("GNU_STACK", "E"):
        yield "the stack is executable"
    for flags in re.findall(r"^\s+LOAD\s.*?([RWE][RWE ]*?)\s+0x[0-9a-f]+$",
                            run("readelf", "-lW", library), re.MULTILINE):
        if "W" in flags and "E" in flags:
            yield "a segment is writable and executable"


def dynamic(library):
    """Complaints about how it is loaded."""
    text = run("readelf", "-dW", library)
    if not re.search(r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b", text):
        yield "no BIND_NOW: RELRO is not full"
    if "TEXTREL" in text:
        yield "the loader would have to change code (TEXTREL)"
    symbols = run("nm", "-D", "--undefined-only", library)
    for name in NEEDED:
        if not re.search(rf"\b{name}\b", symbols):
            yield f"does not use {name}"


def main():
    p = source.parser(__doc__)
    p.add_argument("--library", required=True, help="the built libkd.so")
    options = p.parse_args()
    source.finish([*segments(options.library), *dynamic(options.library)],
                  "full RELRO, no executable stack, no relocations in code, stacks protected")


if __name__ == "__main__":
    main()
