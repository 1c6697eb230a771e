# SPDX-License-Identifier: MIT
"""Small changes to C source, each of which a test should notice."""
import pathlib
import re
import sys
from typing import NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "checks"))
import source  # noqa: E402

FLIPS = {"<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",),
         "!=": ("==",)}
STATUS = re.compile(r"\bKD_ERR_[A-Z_]+\b")
# What a statement that can be left out does not begin with: others would not compile without it.
KEPT = re.compile(r"(return|goto|break|continue|case|default|typedef|static|const|struct|else|if|"
                  r"for|while|do|switch|\(void\)|#)\b|\(void\)")
DECLARATION = re.compile(r"(?:unsigned |kd_|kdi_|size_t|float|double|char|int|bool|\w+_t)\w*[ *]+"
                         r"\**\w+(\[[^\]]*\])*\s*(=|;|,)")


class Mutant(NamedTuple):
    """One change of one file."""

    path: str  # below the root
    line: int
    start: int  # offsets into the text of the file
    end: int
    text: str  # instead of what stands there
    kind: str
    before: str  # the line as it was, and as it becomes; both without indentation
    after: str

    def words(self):
        return f"{self.path}:{self.line}: [{self.kind}] {self.before}  ->  {self.after}"

    def key(self):
        """What stays the same when lines move."""
        return f"{self.path} | {self.before} | {self.after}"


def closing(code, at):
    """The offset of the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(code)):
        depth += {"(": 1, ")": -1}.get(code[i], 0)
        if depth == 0:
            return i
    return at


def operators(code):
    for m in re.finditer(r"(?<= )(<=|>=|==|!=|<|>)(?= )", code):
        for other in FLIPS[m.group()]:
            yield m.start(), m.end(), other, "relation"
    for m in re.finditer(r"(?<=[\w)\]] )([+-])(=?)(?= )", code):
        yield m.start(1), m.end(1), "-" if m.group(1) == "+" else "+", "sign"
    for m in re.finditer(r"(?<= )(&&|\|\|)(?=\s)", code):
        yield m.start(), m.end(), "||" if m.group() == "&&" else "&&", "logic"


def constants(code):
    for m in re.finditer(r"(?<![\w.])(0[xX][0-9a-fA-F]+|0|[1-9]\d*)(?=[uU]?(?![\w.]))", code):
        value = int(m.group(), 0)
        # Sizes of arrays of characters are round numbers, and elements are of one size.
        before = code[:m.start()].rpartition("\n")[2]
        size = re.search(r"\bchar [^;()]*\[$|\bsizeof \w+\[$", before)
        # The last error of a handle has words only, no argument.
        size = size or re.search(r"kdi_base_fail\(&\w+(->|\.)error, \w+, $", before)
        for other in () if size else (value + 1, value - 1):
            if other >= 0:
                text = hex(other) if m.group()[:2] in ("0x", "0X") else str(other)
                yield m.start(), m.end(), text, "constant"
    for m in re.finditer(r"(?<![\w.])(\d+\.\d*|\d+(?:\.\d*)?e[+-]?\d+)(?=f?(?!\w))", code):
        other = "1.0" if float(m.group()) == 0 else f"{float(m.group()) * 2!r}"
        yield m.start(), m.end(), other, "constant"


def branches(code):
    for m in re.finditer(r"\b(if|while) (\()", code):
        end = closing(code, m.start(2))
        inside = code[m.start(2) + 1:end]
        yield m.start(2), end + 1, ("(!(", inside, "))"), "negated"
        if m.group(1) == "if":
            yield m.start(2), end + 1, ("(0 && (", inside, "))"), "never"
    for m in re.finditer(r"\b\w+ \? \w+ : (?=\w)", code):
        if re.match(r"(\w+) \? \1 : ", m.group()):
            yield m.start(), m.end(), "", "link"


def statements(code):
    for m in re.finditer(r"(?<=[;{}\n])\n +([^;{}#\n][^;{}]*;)", code):
        text = m.group(1)
        if not KEPT.match(text) and not DECLARATION.match(text):
            yield m.start(1), m.end(1), ";", "dropped"


def results(code):
    for m in STATUS.finditer(code):
        other = "KD_ERR_MEMORY" if m.group() != "KD_ERR_MEMORY" else "KD_ERR_FORMAT"
        yield m.start(), m.end(), other, "status"
    for m in re.finditer(r"(?<=return )(true|false)(?=;)", code):
        yield m.start(), m.end(), "false" if m.group() == "true" else "true", "result"


def whole_line(text, start, end):
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return first, last if last >= 0 else len(text)


def of_file(root, path):
    """Every mutant of one file, in the order of the text."""
    text = (root / path).read_text(encoding="utf-8")
    code = source.blank(text)
    # Directives are blanked too, but for the values of macros.
    code = re.sub(r"^[ \t]*#(?!define \w+ [^\n\\]*$)[^\n]*", lambda m: " " * len(m.group()), code,
                  flags=re.MULTILINE)
    found = []
    for kind in (operators, constants, branches, statements, results):
        for start, end, other, name in kind(code):
            if isinstance(other, tuple):  # around what stands there, with its strings
                other = other[0] + text[start + 1:end - 1] + other[2]
            first, last = whole_line(text, start, end)
            line = text[first:last]
            after = text[first:start] + other + text[end:last]
            found.append(Mutant(path, source.line_of(text, start), start, end, other, name,
                                " ".join(line.split()), " ".join(after.split())))
    return sorted(set(found), key=lambda m: (m.start, m.kind, m.text))


def plant(root, mutant):
    """Changes the file; returns what it was."""
    file = root / mutant.path
    text = file.read_text(encoding="utf-8")
    file.write_text(text[:mutant.start] + mutant.text + text[mutant.end:], encoding="utf-8")
    return text
