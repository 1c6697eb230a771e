# SPDX-License-Identifier: MIT
"""Holds the files of nets and trainings against Python's safetensors and numpy; skipped (exit 77)
without them. What the objects held stands there bit for bit, and what Python writes arrives so."""
import argparse
import json
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import safetensors
    import safetensors.numpy
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

SHAPES = {"0.weight": (4, 5), "0.bias": (4,), "2.weight": (3, 4), "2.bias": (3,)}


def run(saver, *words):
    done = subprocess.run([saver, *map(str, words)], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def bits(hexadecimal):
    """Floats as the driver prints them."""
    return np.frombuffer(bytes.fromhex(hexadecimal), ">u4").astype("<u4").view("<f4")


def same(tensors, held, prefix=""):
    """Whether the tensors are what the net held, bit for bit."""
    for name, hexadecimal in held.items():
        array = tensors.pop(prefix + name)
        assert array.dtype == np.dtype("<f4"), name
        assert array.tobytes() == bits(hexadecimal).tobytes(), f"{prefix}{name} differs"


def words_of(path):
    with safetensors.safe_open(path, framework="np") as file:
        return file.metadata()


def check_saved(saver, seed):
    """One net and its training, as Python sees them."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        held = json.loads(run(saver, "save", folder, seed))
        net = held["net"]
        tensors = safetensors.numpy.load_file(folder / "net.safetensors")
        shapes = {name: array.shape for name, array in tensors.items()}
        same(tensors, net)
        assert not tensors, f"more tensors than parameters: {sorted(tensors)}"

        tensors = safetensors.numpy.load_file(folder / "training.safetensors")
        states = ["momentum."] if seed % 3 == 0 else ["moment1.", "moment2."]
        for state in states + ["gradient."]:
            for parameter, shape in shapes.items():
                array = tensors.pop(state + parameter)
                assert array.shape == shape and np.isfinite(array).all()
        same(tensors, net)
        assert not tensors, f"more tensors than expected: {sorted(tensors)}"
        words = words_of(folder / "training.safetensors")
        assert words["kd.sort"] == "training" and words["kd.updates"] == "2"
        assert words["kd.host_epoch"] == str(seed) and words["kd.host_tag"] == str(2**64 - 1)

        tensors = safetensors.numpy.load_file(folder / "weights.safetensors")
        same(tensors, {n.removeprefix("layers."): v for n, v in net.items()}, "student.net.")
        assert not tensors

        x = np.load(folder / "x.npy")
        assert x.dtype == np.dtype("<f4") and x.shape == (12, 4)
        assert x.tobytes() == bits(held["x"]).reshape(12, 5)[:, :4].tobytes()


def check_page(saver, page):
    """The reader that docs/files.md prints, on a file of each sort."""
    code = re.search(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    reader = {}
    exec(code.group(1), reader)  # pylint: disable=exec-used
    with tempfile.TemporaryDirectory() as name:
        run(saver, "save", name, 2)
        for sort in ("net", "training"):
            path = pathlib.Path(name, f"{sort}.safetensors")
            tensors, metadata = reader["load"](path)
            theirs = safetensors.numpy.load_file(path)
            assert tensors.keys() == theirs.keys() and metadata == words_of(path)
            for tensor, array in tensors.items():
                assert array.shape == theirs[tensor].shape
                assert array.tobytes() == theirs[tensor].tobytes()
    print("the reader in docs/files.md reads them too")


def random_weights(rng):
    """Weights of a 5-4-3 net: what to write, and the floats that must arrive."""
    entries, expected = {}, {}
    for name, shape in SHAPES.items():
        count = int(np.prod(shape))
        values = np.array([rng.choice([rng.gauss(0, 1), -0.0, 1e-40, 3e38, 6e-8])
                           for _ in range(count)], "<f4")
        kind = rng.choice(["F32", "F16", "BF16"])
        if kind == "F16":
            values = np.clip(values, -6e4, 6e4).astype("<f2")
        elif kind == "BF16":  # the upper half of a float
            values = (values.view("<u4") >> 16).astype("<u2")
        entries[name] = kind, shape, values.tobytes()
        if kind == "BF16":
            values = (values.astype("<u4") << 16).view("<f4")
        expected[name] = values.astype("<f4")
    return entries, expected


def file_of(entries):
    """A safetensors file; written here, since numpy has no bfloat16."""
    header, content = {}, b""
    for name, (kind, shape, data) in entries.items():
        header[name] = {"dtype": kind, "shape": shape,
                        "data_offsets": [len(content), len(content) + len(data)]}
        content += data
    text = json.dumps(header).encode()
    file = struct.pack("<Q", len(text)) + text + content
    theirs = {name: (info["dtype"], tuple(info["shape"]), bytes(info["data"]))
              for name, info in safetensors.deserialize(file)}
    assert theirs == entries, "the reference reader sees something else"
    return file


def check_imported(saver, rng, count):
    """Files of Python's as weights of a net."""
    with tempfile.TemporaryDirectory() as name:
        paths, wanted = [], []
        for i in range(count):
            entries, expected = random_weights(rng)
            entries = {"a.b." + n: e for n, e in entries.items()}
            entries["head.weight"] = "F32", (0,), b""
            paths.append(pathlib.Path(name, f"{i}.safetensors"))
            paths[-1].write_bytes(file_of(entries))
            wanted.append(expected)
        answers = run(saver, "import", "a.b.", *paths).splitlines()
        assert len(answers) == count
        for expected, answer in zip(wanted, answers):
            held = json.loads(answer)
            assert "status" not in held, held
            for parameter, values in expected.items():
                got = bits(held["layers." + parameter])
                assert got.tobytes() == values.tobytes(), parameter


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--saver", required=True, help="the program made of saver.c")
    p.add_argument("--seed", type=int, default=1)
    options = p.parse_args()
    for seed in range(options.seed, options.seed + 60):
        check_saved(options.saver, seed)
    print("60 nets, their trainings, exported weights and matrices, bit for bit")
    check_page(options.saver, pathlib.Path(__file__).parents[2] / "docs" / "files.md")
    check_imported(options.saver, random.Random(options.seed), 300)
    print("300 files of float32, float16 and bfloat16 imported")


if __name__ == "__main__":
    main()
