# SPDX-License-Identifier: MIT
"""Checks that the headers of version 0.1.0 in tests/abi/first are as they were, and all used."""
import hashlib
import re

import source

DIGEST = "21c72f1af30c63ac83abf69d89d54c765d799ea6464b567c82b1a548d7e11b9f"


def main():
    root = source.parser(__doc__).parse_args().root / "tests" / "abi" / "first"
    digest, structs = hashlib.sha256(), set()
    for header in sorted((root / "include" / "kd").glob("*.h")):
        text = header.read_bytes()
        digest.update(header.name.encode() + b"\0" + text)
        structs.update(re.findall(r"^typedef struct (\w+) \{", text.decode(), re.MULTILINE))
    functions = {f.name for f in source.api(root)}
    programs = "".join(source.blank(f.read_text(encoding="utf-8")) for f in root.glob("*.[ch]"))
    unused = sorted((functions | structs) - set(re.findall(r"\bkd_\w+", programs)))
    problems = [f"{name} is used by no program in tests/abi/first" for name in unused]
    if digest.hexdigest() != DIGEST:
        problems.append("the first headers have been changed: hosts that were built with them "
                        f"have not (sha256 {digest.hexdigest()})")
    source.finish(problems, f"{len(functions)} functions and {len(structs)} structs used")


if __name__ == "__main__":
    main()
