# SPDX-License-Identifier: MIT
"""Writes what is in the headers of libkd as lines of C macros, for the tests of the ABI.

STRUCT(s), FIELD(s, f) and NUMBER(n) say what layout.c measures; CALL(f, s) that the function f is
given a struct s that carries its size; DECLARED(text) how a function is declared.
"""
import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "checks"))
import source  # noqa: E402


def field_name(declaration):
    """'int32_t (*get)(void *user)' as get, 'char text[240]' as text."""
    return re.search(r"\(\*(\w+)\)|(\w+)\s*(?:\[[^]]*\])?$", declaration).expand(r"\1\2")


def lines(root, headers):
    sized = set()
    for header in headers:
        code = source.blank(header.read_text(encoding="utf-8"), strings=False)
        for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", code, re.DOTALL):
            fields = [field_name(f.strip()) for f in body.split(";") if f.strip()]
            sized |= {name} if fields[0] == "struct_size" else set()
            yield f"STRUCT({name})"
            yield from (f"FIELD({name}, {field})" for field in fields)
        for body in re.findall(r"\benum \{(.*?)\};", code, re.DOTALL):
            yield from (f"NUMBER({name})" for name in re.findall(r"\b(KD_\w+) = \(?-?\d", body))
        yield from (f"NUMBER({name})" for name in re.findall(r"\bX\((KD_\w+), -?\d+,", code))
    for function in source.api(root):
        given = [f"{kind} {name}".replace("* ", "*") for kind, name in function.parameters]
        yield f"DECLARED({function.returns} {function.name}({', '.join(given) or 'void'}))"
        for kind, _ in function.parameters:
            struct = kind.replace("const", "").replace("*", "").strip()
            if struct in sized:
                yield f"CALL({function.name}, {struct})"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("root", type=pathlib.Path, help="the folder that has include/kd")
    p.add_argument("out", type=pathlib.Path, help="the file to write")
    p.add_argument("depends", type=pathlib.Path, help="its dependencies, for ninja")
    options = p.parse_args()
    headers = sorted((options.root / "include" / "kd").glob("*.h"))
    text = "".join(line + "\n" for line in lines(options.root, headers))
    options.out.write_text("/* Written by tests/abi/layout.py. */\n" + text, encoding="utf-8")
    options.depends.write_text(f"{options.out}: {' '.join(map(str, headers))}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
