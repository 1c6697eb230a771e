# SPDX-License-Identifier: MIT
"""Holds kd-cache to what it says of recordings, and to refuse what it can't compare or record."""
import argparse
import math
import pathlib
import struct
import subprocess
import tempfile

CLASSES = 6
CASES = 9
TOP = 2
T0 = 4.0


def write_npy(path, rows, columns):
    shape = (len(rows), columns)
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    values = [value for row in rows for value in row]
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode()
                     + struct.pack(f"<{len(values)}f", *values))


def softmax(z, t):
    powers = [math.exp((v - max(z)) / t) for v in z]
    return [p / sum(powers) for p in powers]


def loss_of_top(z):
    """KL of a row to what TOP classes say of it, the others being taken to be alike."""
    p = softmax(z, T0)
    rest = sorted(range(CLASSES), key=lambda i: -z[i])[TOP:]
    q = [sum(p[j] for j in rest) / len(rest) if i in rest else p[i] for i in range(CLASSES)]
    return sum(a * math.log(a / b) for a, b in zip(p, q))


class Tool:
    """The program, in a folder of its own."""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def run(self, *words):
        return subprocess.run([self.program, *map(str, words)], capture_output=True, text=True,
                              check=False, cwd=self.folder)

    def good(self, *words):
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuses(self, needle, *words):
        done = self.run(*words)
        assert done.returncode == 1 and needle in done.stderr, (words, done)


def compared(tool, rows):
    write_npy(tool.folder / "z.npy", rows, CLASSES)
    tool.good("record", "full", "--logits", "z.npy")
    tool.good("record", "top", "--logits", "z.npy", "--encoding", "topk", "--top", TOP,
              "--temperature", T0)
    due = sum(map(loss_of_top, rows)) / CASES
    for words in ((), ("--temperature", T0)):
        text = tool.good("compare", "full", "top", *words)
        mean = float(text.split("mean ")[1].split(",")[0])
        assert abs(mean - due) < 0.01 * due, (text, due)
    for pair in (("full", "top"), ("top", "full")):
        tool.refuses("T = 4", "compare", *pair, "--temperature", 1)


def no_rows(tool):
    write_npy(tool.folder / "none.npy", [], CLASSES)
    tool.refuses("no rows", "record", "none", "--logits", "none.npy")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--cache", required=True)
    given = options.parse_args()
    rows = [[math.sin(7 * i + 3 * j) * 5 for j in range(CLASSES)] for i in range(CASES)]
    with tempfile.TemporaryDirectory() as name:
        tool = Tool(pathlib.Path(given.cache).resolve(), pathlib.Path(name))
        compared(tool, rows)
        no_rows(tool)


if __name__ == "__main__":
    main()
