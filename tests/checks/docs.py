# SPDX-License-Identifier: MIT
"""Checks that each public function is documented in full, and each file headed and sized well."""
import re

import source

MOST_LINES = 500
MOST_COLUMNS = 100
ARRAYS = r"(const )?(float|int32_t|uint32_t|uint64_t) \*"  # pointers to rows, so with a shape
OUT_SCALAR = re.compile(r"(double|size_t|int) \*|kd_\w+ \*")  # filled, and kept by nobody


def sections(doc):
    """The parts of a docstring: the words before the first tag, and each @tag with its text."""
    head, *tags = re.split(r"^@", doc, flags=re.MULTILINE)
    tags = [re.match(r"(\w+)\s*(.*)", tag, re.DOTALL).groups() for tag in tags]
    return head, tags


def params(tags):
    """Each name that @param speaks of, with its text; `@param a, b text` speaks of two."""
    out = {}
    for tag, text in tags:
        if tag == "param":
            names = re.match(r"\w+(?:,\s*\w+)*", text)
            out.update((name, text) for name in re.split(r",\s*", names.group() if names else ""))
    return out


def is_handle(function, position):
    """True for the object that a function is called on: nothing happens to who owns it."""
    return position == 0 and re.fullmatch(r"(const )?kd_\w+ \*", function.parameters[0][0])


def needs_ownership(function):
    """True if some pointer goes in or out of which a reader must know whose it is."""
    if "*" in function.returns or function.name.endswith("_destroy"):
        return True
    for position, (kind, name) in enumerate(function.parameters):
        out = name.startswith("out") and OUT_SCALAR.fullmatch(kind)
        if "*" in kind and kind != "kd_error *" and not out and not is_handle(function, position):
            return True
    return False


def function_problems(f):
    """What the docstring of one function lacks."""
    head, tags = sections(f.doc)
    described = params(tags)
    returned = " ".join(text for tag, text in tags if tag == "return")
    if not re.search(r"\w\w[^@]*\.", head):
        yield "no sentence that says what it does"
    for kind, name in f.parameters:
        text = described.pop(name, None)
        if text is None:
            yield f"no @param {name}"
        elif re.fullmatch(ARRAYS, kind) and "[" not in text and "as for kd_" not in text:
            yield f"@param {name} has no shape in brackets"
    for name in described:
        yield f"@param {name}, but there is no such parameter"
    if (f.returns != "void") != bool(returned):
        yield "@return is missing" if f.returns != "void" else "@return, but it returns nothing"
    statuses = re.search(r"KD_ERR_|\bas (for )?kd_", returned)
    if not (statuses if f.returns == "kd_status" else "Errors:" in f.doc):
        yield "does not say how it fails (statuses in @return, or Errors:)"
    for word in ["Threads:", "Cost:"] + ["Ownership:"] * needs_ownership(f):
        if word not in f.doc:
            yield f"no {word}"


def file_problems(path, text):
    """What is wrong with the head and the size of one file."""
    lines = text.splitlines()
    first = 1 if lines and lines[0].startswith("#!") else 0
    if "SPDX-License-Identifier: MIT" not in "".join(lines[first:first + 1]):
        yield "does not begin with the SPDX line"
    purpose = r"/\*" if path.endswith((".c", ".h")) else '"""' if path.endswith(".py") else "# "
    if not re.match(purpose, "".join(lines[first + 1:first + 2])):
        yield "has no comment that says its purpose after the SPDX line"
    if len(lines) > MOST_LINES:
        yield f"has {len(lines)} lines, at most {MOST_LINES}"
    for number, line in enumerate(lines, 1):
        if re.search(r"@[A-Z][A-Z_]+@", line):
            yield f"line {number} has a placeholder"
        if len(line) > MOST_COLUMNS:
            yield f"line {number} has {len(line)} columns, at most {MOST_COLUMNS}"


def main():
    root = source.parser(__doc__).parse_args().root
    problems, functions, files = [], 0, 0
    for f in source.api(root):
        functions += 1
        problems += [f"include/kd/{f.header.name}:{f.line}: {f.name}: {what}"
                     for what in function_problems(f)]
    for file in [*source.tree(root, ".c", ".h", ".py", ".sh"), *root.glob(".ci/run")]:
        files += 1
        path = file.relative_to(root).as_posix()
        problems += [f"{path}: {what}"
                     for what in file_problems(path, file.read_text(encoding="utf-8"))]
    if not functions:
        problems.append("no public function found")
    source.finish(problems, f"{functions} functions documented, {files} files in order")


if __name__ == "__main__":
    main()
