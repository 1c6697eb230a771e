# SPDX-License-Identifier: MIT
"""Checks a JSON file of examples/mnist: its fields, and that distilling was worth it."""
import argparse
import json
import pathlib
import sys

FIELDS = {"teacher_errors": int, "alone_errors": int, "distilled_errors": int, "test_cases": int,
          "seed": int, "seconds": (int, float), "data": str}


def problems(result, data, gain):
    """What is wrong with one result."""
    for name, kind in FIELDS.items():
        if not isinstance(result.get(name), kind):
            yield f"{name} is {result.get(name)!r}"
            return
    if result["data"] != data:
        yield f"data is {result['data']}, not {data}"
    for name in ("teacher_errors", "alone_errors", "distilled_errors"):
        if not 0 <= result[name] <= result["test_cases"] // 2:
            yield f"{result[name]} {name} among {result['test_cases']}"
    if result["distilled_errors"] > result["alone_errors"] * (1 - gain / 100):
        yield (f"{result['distilled_errors']} errors distilled, {result['alone_errors']} alone: "
               f"not {gain:g} % fewer")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("file", type=pathlib.Path)
    p.add_argument("--data", choices=["drawn", "mnist"], required=True)
    p.add_argument("--gain", type=float, default=0,
                   help="the distilled net makes at least this per cent fewer errors")
    options = p.parse_args()
    result = json.loads(options.file.read_text(encoding="utf-8"))
    found = list(problems(result, options.data, options.gain))
    print("\n".join(found) or f"{options.file.name} is good")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
