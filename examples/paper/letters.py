#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a data set of MNIST's shape from EMNIST ByClass: ten capital letters instead of ten digits.

Reads emnist-byclass-test-images-idx3-ubyte.gz and -labels-idx1-ubyte.gz from SOURCE, takes the ten
capital letters with the most images (labels 0..9 in the order of the alphabet), and writes the four
files train-* and t10k-* to TARGET: five sixths to train with, one sixth to test with, in an order
that follows from --seed. Then: paper-mnist --data TARGET
"""
import argparse
import collections
import gzip
import pathlib
import random
import struct

SIDE = 28
CAPITALS = range(10, 36)  # what ByClass calls A to Z
CLASSES = 10


def read(path, magic, header):
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise SystemExit(f"letters.py: {path}: {error}") from error
    found = struct.unpack(f">{header}I", data[:4 * header])
    if found[0] != magic or (header == 4 and found[2:] != (SIDE, SIDE)):
        raise SystemExit(f"letters.py: {path}: not the file that is expected")
    return data[4 * header:]


def write(folder, split, images, labels):
    folder.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">4I", 0x803, len(labels), SIDE, SIDE)
    (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(head + b"".join(images), mtime=0))
    head = struct.pack(">2I", 0x801, len(labels))
    (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(head + bytes(labels), mtime=0))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source", type=pathlib.Path, metavar="SOURCE")
    p.add_argument("target", type=pathlib.Path, metavar="TARGET")
    p.add_argument("--seed", type=int, default=1, help="of the order of the images (1)")
    options = p.parse_args()
    first = options.source / "emnist-byclass-test"
    labels = read(first.with_name(first.name + "-labels-idx1-ubyte.gz"), 0x801, 2)
    images = read(first.with_name(first.name + "-images-idx3-ubyte.gz"), 0x803, 4)
    counts = collections.Counter(c for c in labels if c in CAPITALS)
    chosen = sorted(c for c, _ in counts.most_common(CLASSES))
    places = [i for i, c in enumerate(labels) if c in chosen]
    random.Random(options.seed).shuffle(places)
    held = len(places) // 6
    for split, part in (("train", places[held:]), ("t10k", places[:held])):
        write(options.target, split, [images[i * SIDE * SIDE:(i + 1) * SIDE * SIDE] for i in part],
              [chosen.index(labels[i]) for i in part])
        print(f"{split}: {len(part)} images of {''.join(chr(ord('A') + c - 10) for c in chosen)}")


if __name__ == "__main__":
    main()
