# SPDX-License-Identifier: MIT
"""Writes the calls of test_arguments.c: each public function with each sort of bad argument.

Reads the headers: what a function takes, what its structs hold, and which statuses its docstring
lists. A function that calls.py has no row for is an error."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "checks"))
import source  # noqa: E402
from calls import CALLS, FILLED, GONE, MORE, OF_A_BUFFER, POINTED  # noqa: E402
from rules import exception  # noqa: E402

LARGE = ["(size_t)INT32_MAX + 1", "(size_t)UINT32_MAX + 2", "SIZE_MAX / K + 1", "SIZE_MAX / 4 + 1",
         "SIZE_MAX"]
FLOATS = ["-1.0f", "-0.0f", "1e-45f", "3.4e38f"]
NOT_FINITE = ["NAN", "INFINITY", "-INFINITY"]
WHOLE = ["-1", "2", "INT32_MAX", "INT32_MIN"]
ENUM = ["-1", "99", "INT32_MAX", "INT32_MIN"]


def statuses(text):
    """Those that a text names, in full or without their KD_ERR."""
    return set(re.findall(r"(?:\bKD_ERR|(?<![A-Za-z0-9]))(_[A-Z][A-Z_]+)\b", text))


class Api:
    """What the headers say."""

    def __init__(self, root):
        self.functions = {f.name: f for f in source.api(root)}
        texts = {h.name: h.read_text(encoding="utf-8") for h in (root / "include/kd").glob("*.h")}
        self.heads = {name: statuses(t[:t.index("#ifndef")]) for name, t in texts.items()}
        all_text = "\n".join(texts.values())
        self.numbers = {m[1]: -int(m[2]) for m in re.finditer(r"X\(KD_ERR(_\w+), (-\d+)", all_text)}
        self.enums = set(re.findall(r"typedef int32_t (kd_\w+);", all_text)) - {"kd_status"}
        self.structs = {m[2]: list(fields(m[1])) for m in
                        re.finditer(r"typedef struct kd_\w+ \{(.*?)^\} (kd_\w+);", all_text,
                                    re.DOTALL | re.MULTILINE)}

    def may(self, name, seen=()):
        """The statuses that a docstring lists, and those of others that it refers to."""
        f = self.functions[name]
        returned = re.search(r"@return(.*?)(?=^@|^Ownership:|^Threads:|^Errors:|\Z)", f.doc,
                             re.DOTALL | re.MULTILINE)
        text = " ".join(returned[1].split()) if returned else ""
        out = statuses(re.sub(r"but for _\w+", "", text))
        for other in re.findall(r"\bas (?:for )?(kd_\w+)", text):
            if other in self.functions and other not in seen:
                out |= self.may(other, (*seen, name))
        out -= statuses(" ".join(re.findall(r"but for (_\w+)", text)))
        if "head of" in text:
            out |= self.heads[f.header.name]
        return out


def fields(body):
    """Type, name and comment of each field of a struct."""
    for m in re.finditer(r"(?:/\*\*(?!<)(.*?)\*/)?\s*([^;/{}]+?);[ \t]*(?:/\*\*<(.*?)\*/)?", body,
                         re.DOTALL):
        declared, comment = " ".join(m[2].split()), (m[1] or "") + (m[3] or "")
        if "(*" in declared:
            yield "function", re.search(r"\(\*(\w+)\)", declared)[1], comment
        elif "[" not in declared:
            kind = re.match(r"(.*?)(\w+)((?:, \w+)*)$", declared)
            for name in [kind[2], *re.findall(r"\w+", kind[3])]:
                yield kind[1].strip(), name, comment


def param_doc(api, f, name):
    """What the docstring says of one parameter, or that of the function that it refers to."""
    for text in re.findall(r"@param (.*?)(?=^@|^Ownership:|^Threads:|\Z)", f.doc,
                           re.DOTALL | re.MULTILINE):
        names = re.match(r"\w+(?:,\s*\w+)*", text)
        if names and name in re.split(r",\s*", names[0]):
            other = re.search(r"as for (kd_\w+)", text)
            return param_doc(api, api.functions[other[1]], name) if other else text
    return ""


class Calls:
    """The calls of one function; each is what is wrong, preparation, arguments, statuses."""

    def __init__(self, api, f):
        self.api, self.f, self.out = api, f, []
        self.arguments = CALLS[f.name]
        self.listed = api.may(f.name)
        self.any = self.listed | {"_OK"}

    def add(self, what, due, change="", replace=None):
        arguments = []
        for i, a in enumerate(self.arguments):
            if replace and replace[0] == i:
                a = replace[1]
            elif a.startswith("M:"):
                change = f"w->made.{a[2:]} = (void *)w->x; " + change
            arguments.append(re.sub(r"^M:", "&w->made.", re.sub(r"^S:(\w+)", r"&w->\1.s", a)))
        due = exception(self.f.name, what, due, self.any)
        if due is not None:
            self.out.append((what, change, ", ".join(arguments), due))

    def scalar(self, kind, name, doc, path, put):
        """Values of a number; put(value) makes (change, replace)."""
        def add(value, due):
            self.add(f"{path} = {value}", due, *put(value))
        if kind == "size_t":
            buffer = re.fullmatch(OF_A_BUFFER, name)
            zero = self.any if re.search(r"\b0\b", doc) or not buffer else {"_SIZE"}
            add("0", zero)
            add("1", self.any)
            for value in LARGE:
                add(value, {"_TOO_LARGE"})
            if not buffer:
                add("INT32_MAX", {"_MEMORY", "_TOO_LARGE"})
        elif kind in ("float", "double"):
            for value in FLOATS:
                add(value if kind == "float" else value.rstrip("f"), self.any)
            for value in NOT_FINITE:
                add(f"({kind}){value}", self.listed)
        elif kind in self.api.enums:
            add("0", self.any)
            for value in ENUM:
                add(value, {"_KIND"})
        elif kind == "int32_t":
            for value in WHOLE:
                add(value, self.listed if name == "reserved" else self.any)
        elif kind in ("uint64_t", "uint32_t"):
            for value in ("0", "UINT32_MAX" if kind == "uint32_t" else "UINT64_MAX"):
                add(value, self.any)

    def pointer(self, doc, path, change="", replace=None):
        self.add(f"{path} is NULL", self.any if "NULL" in doc else {"_NULL"}, change, replace)

    def struct(self, kind, var, filled):
        """Sizes of a struct, and unless it is only filled its tail and each field."""
        at = f"w->{var}.s."
        if var == "error": # left alone if its size makes no sense
            for size in ("0", "12", "sizeof(kd_error) + 8", "SIZE_MAX"):
                self.add(f"error.struct_size = {size}", {"_OK"}, f"{at}struct_size = {size};")
            return
        for size in ("0", "7", "4097", "SIZE_MAX"):
            self.add(f"{var}.struct_size = {size}", {"_STRUCT"}, f"{at}struct_size = {size};")
        self.add(f"{var}.struct_size = 8", self.any, f"{at}struct_size = 8;")
        larger = f"{at}struct_size += 16; "
        self.add(f"{var} with a tail", {"_OK"}, larger)
        tail = f"w->tail = &w->{var}.room[sizeof({kind}) + 9]; *w->tail = 1;"
        self.add(f"{var} with a tail that is not 0", {"_OK"} if filled else {"_STRUCT"},
                 larger + tail)
        if not filled:
            for field in self.api.structs[kind][1:]:
                self.field(at, var, *field)

    def field(self, at, var, kind, name, doc):
        path = f"{var}.{name}"
        if name == "user":
            return
        if kind.endswith("*") or kind.endswith("_fn") or kind == "function":
            self.pointer(doc, path, f"{at}{name} = NULL;")
        else:
            self.scalar(kind, name, doc, path, lambda value: (f"{at}{name} = {value};",))
        if path in POINTED:
            self.struct(re.search(r"kd_\w+", kind)[0], POINTED[path], False)

    def all(self):
        self.add("nothing", {"_OK"})
        for i, (kind, name) in enumerate(self.f.parameters):
            argument, doc = self.arguments[i], param_doc(self.api, self.f, name)
            if kind.endswith("*"):
                if argument != "NULL":
                    self.pointer(doc, name, "", (i, "NULL"))
            else:
                self.scalar(kind, name, doc, name, lambda value, i=i: ("", (i, value)))
            if argument.startswith("S:"):
                filled = argument[2:] in FILLED or name == "out_report"
                self.struct(re.search(r"kd_\w+", kind)[0], argument[2:], filled)
        for function, what, change, arguments, due in MORE:
            if function == self.f.name:
                self.out.append((what, change, arguments, {s for s in due.split()}))
        return self.out


def body(f, change, arguments, inside):
    """C of one call, which returns a status."""
    call = f"{f.name}({arguments})"
    if f.returns == "kd_status":
        done = f"return {call};"
        if inside:
            done = f"kd_status status = {call};\n    return status ? status : w->again;"
    elif f.returns == "void":
        gone = '' if arguments == 'NULL' else GONE.get(f.name, '')
        done = f"{call};\n    {gone}\n    return KD_OK;"
    elif f.returns.endswith("*"):
        done = f"return {call} ? KD_OK : KD_ERR_NULL;"
    else:
        done = f"(void){call};\n    return KD_OK;"
    return f"    (void)w;\n    {change}\n    {done}\n"


def write(api, out):
    problems = [f"calls.py has no row for {name}" for name in api.functions if name not in CALLS]
    problems += [f"calls.py has a row for {name}, which no header declares"
                 for name in CALLS if name not in api.functions]
    problems += [f"{f.name} has {len(f.parameters)} parameters, its row {len(CALLS[f.name])}"
                 for f in api.functions.values()
                 if f.name in CALLS and len(f.parameters) != len(CALLS[f.name])]
    if problems:
        sys.exit("\n".join(problems))
    table, count = [], 0
    out.write('/* Made by arguments.py. */\n#include "world.h"\n\n')
    for f in api.functions.values():
        for what, change, arguments, due in Calls(api, f).all():
            mask = 0
            for status in due - {"inside"}:
                mask |= 1 << api.numbers.get(status, 0)
            out.write(f"static kd_status c{count}(world *w)\n{{\n"
                      f"{body(f, change, arguments, 'inside' in due)}}}\n\n")
            table.append(f'    {{"{f.name}", "{what}", c{count}, UINT64_C({mask:#x})}},\n')
            count += 1
    out.write("const row rows[] = {\n" + "".join(table) + "};\n")
    out.write(f"const size_t n_rows = {count};\nconst size_t n_functions = {len(api.functions)};\n")


def main():
    p = source.parser(__doc__)
    p.add_argument("--output", type=pathlib.Path, required=True, help="the C file to write")
    options = p.parse_args()
    with options.output.open("w", encoding="utf-8") as out:
        write(Api(options.root), out)


if __name__ == "__main__":
    main()
