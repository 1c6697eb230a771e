# SPDX-License-Identifier: MIT
"""Checks that the build compiles every C file of the tree: a test that nobody lists never runs."""
import json
import pathlib

import source


def main():
    p = source.parser(__doc__)
    p.add_argument("--build", type=pathlib.Path, required=True, help="the build directory")
    p.add_argument("folders", nargs="+", help="folders of the tree, such as lib")
    options = p.parse_args()
    commands = json.loads((options.build / "compile_commands.json").read_text(encoding="utf-8"))
    compiled = {pathlib.Path(c["directory"], c["file"]).resolve() for c in commands}
    files = [f for folder in options.folders for f in source.tree(options.root / folder, ".c")]
    problems = [f"{f.relative_to(options.root)} is in no meson.build"
                for f in files if f.resolve() not in compiled]
    source.finish(problems or ([] if files else ["no C files"]), f"{len(files)} files listed")


if __name__ == "__main__":
    main()
