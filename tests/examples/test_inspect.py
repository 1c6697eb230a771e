# SPDX-License-Identifier: MIT
"""Holds kd-inspect to what stands in files, which are read here without any library."""
import argparse
import json
import math
import pathlib
import struct
import subprocess
import tempfile

INPUTS = 5


def tensors_of(path):
    """The float32 tensors of a safetensors file, by name."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    out = {}
    for name, entry in header.items():
        begin, end = (8 + size + at for at in entry["data_offsets"])
        out[name] = entry["shape"], struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
    return out


def write_npy(path, rows, shape):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    values = [value for row in rows for value in row]
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode()
                     + struct.pack(f"<{len(values)}f", *values))


def forward(tensors, x):
    """Logits of dense, ReLU, maybe dropout, dense."""
    for position, number in enumerate(sorted({int(n.split(".")[1]) for n in tensors
                                              if n.startswith("layers.")})):
        (rows, columns), weight = tensors[f"layers.{number}.weight"]
        x = [max(v, 0.0) for v in x] if position else x
        x = [sum(weight[i * columns + j] * x[j] for j in range(columns))
             + tensors[f"layers.{number}.bias"][1][i] for i in range(rows)]
    return x


def softmax(z, t):
    top = max(z)
    powers = [math.exp((v - top) / t) for v in z]
    return [p / sum(powers) for p in powers]


class Inspector:
    """The program."""

    def __init__(self, program):
        self.program = program

    def run(self, *words):
        return subprocess.run([self.program, *map(str, words)], capture_output=True, text=True,
                              check=False)

    def text(self, *words):
        done = self.run(*words)
        assert done.returncode == 0 and not done.stderr, done
        return done.stdout

    def json(self, *words):
        return json.loads(self.text(*words, "--json"))

    def refuses(self, code, words, *why):
        done = self.run(*words)
        assert done.returncode == code and not done.stdout, done
        for part in why:
            assert str(part) in done.stderr, f"{part} is not in {done.stderr}"


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5)


def same(a, b):
    return math.isclose(a, b, rel_tol=1e-15)  # cJSON takes no care of the last bit of a double


def check_net(inspector, path, kind):
    """Layers, numbers of parameters, and total."""
    said = inspector.json(path)
    tensors = tensors_of(path)
    assert said["kind"] == kind and said["inputs"] == INPUTS
    names = [entry["kind"] for entry in said["layers"]]
    assert names in (["dense", "relu", "dense"], ["dense", "relu", "dropout", "dense"])
    assert [e["rate"] for e in said["layers"] if "rate" in e] == [0.25] * (len(names) - 3)
    for entry in said["parameters"]:
        shape, values = tensors[entry["name"]]
        mean = sum(values) / len(values)
        sd = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        assert entry["shape"] == shape and entry["count"] == len(values)
        assert same(entry["min"], min(values)) and same(entry["max"], max(values))
        assert near(entry["sum"], sum(values)) and near(entry["mean"], mean)
        assert near(entry["sd"], sd)
    assert said["values"] == sum(entry["count"] for entry in said["parameters"])
    text = inspector.text(path)
    assert all(entry["name"] in text for entry in said["parameters"])
    return tensors


def check_sample(inspector, folder, tensors):
    """Logits and soft targets of a row, and of a vector."""
    rows = [[(i * 7 + j * 3) % 11 / 5 - 1 for j in range(INPUTS)] for i in range(4)]
    write_npy(folder / "rows.npy", rows, (4, INPUTS))
    write_npy(folder / "row.npy", rows[2:3], (INPUTS,))
    for words in (["rows.npy", "--row", "2"], ["row.npy"]):
        said = inspector.json(folder / "net.safetensors", "--sample", folder / words[0],
                              *words[1:], "--temperature", "20")["sample"]
        logits = forward(tensors, rows[2])
        for name, want in (("logits", logits), ("softmax", softmax(logits, 1)),
                           ("soft_targets", softmax(logits, 20))):
            assert len(said[name]) == 3 and all(map(near, said[name], want)), name
    text = inspector.text(folder / "net.safetensors", "--sample", folder / "rows.npy")
    assert "T = 4" in text and "##" in text
    for row in (4, 2**64 - 1):
        inspector.refuses(1, [folder / "net.safetensors", "--sample", folder / "rows.npy", "--row",
                              row], folder / "rows.npy", "no row")
    inspector.refuses(1, [folder / "net.safetensors", "--sample", folder / "x.npy"],
                      folder / "x.npy", "4 values", "5")


def check_training(inspector, folder):
    check_net(inspector, folder / "training.safetensors", "training")
    text = inspector.text(folder / "training.safetensors")
    for words in ("optimizer         adam", "updates           2", "beta1             0.9\n"):
        assert words in text, f"{words} is not in\n{text}"


def check_matrix(inspector, folder):
    write_npy(folder / "m.npy", [[1, 2], [3, math.nan], [-math.inf, 6]], (3, 2))
    said = inspector.json(folder / "m.npy")
    assert said["kind"] == "npy" and said["shape"] == [3, 2] and said["bits"] == 32
    assert (said["min"], said["max"], said["sum"], said["mean"]) == (1, 6, 12, 3)
    assert (said["count"], said["nan"], said["infinite"]) == (6, 1, 1)
    assert "3 x 2" in inspector.text(folder / "m.npy")
    write_npy(folder / "nan.npy", [[math.nan]], (1,))
    assert inspector.json(folder / "nan.npy")["mean"] is None


def check_recording(inspector, folder, saver):
    """Whose it is, of what, and damage."""
    path = folder / "teacher.kdc"
    subprocess.run([saver, "record", path], check=True)
    said = inspector.json(path)
    want = {"kind": "recording", "finished": False, "cases": 5, "classes": 4, "targets": "logits",
            "encoding": "topk", "top": 2, "temperature": 3, "teacher_hash": "f" * 16,
            "data_hash": "0" * 15 + "1"}
    assert {key: said[key] for key in want} == want, said
    text = inspector.text(path)
    assert "not finished" in text and "5 cases of 4 classes" in text and "T = 3" in text
    data = bytearray(path.read_bytes())
    (folder / "torn").write_bytes(data[:-1])
    said = inspector.json(folder / "torn")
    assert said["cases"] == 4 and said["torn_bytes"] == said["case_bytes"] - 1
    data[len(data) - 2 * said["case_bytes"]] ^= 1
    (folder / "flipped").write_bytes(data)
    inspector.refuses(1, [folder / "flipped"], folder / "flipped", "damaged")


def check_refusals(inspector, folder):
    """Exit code 1 for files, 2 for the command line; files and reasons are named."""
    whole = (folder / "net.safetensors").read_bytes()
    (folder / "bit").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (folder / "short").write_bytes(whole[:-1])
    (folder / "text").write_text("no such thing")
    (folder / "empty").write_bytes(b"")
    for name, why in (("bit", "checksum"), ("short", ""), ("text", "neither"),
                      ("empty", ""), ("absent", "No such file"), (".", "directory")):
        inspector.refuses(1, [folder / name], folder / name, why)
    inspector.refuses(1, [folder / "weights.safetensors"], "weights.safetensors", "kd.")
    inspector.refuses(1, [folder / "x.npy", "--sample", folder / "x.npy"], "x.npy", "no net")
    for words in ([], ["a", "b"], ["a", "--row", "-1"], ["a", "--row", "1x"], ["a", "--row", ""],
                  ["a", "--temperature", "0"], ["a", "--temperature", "nan"], ["a", "--what"]):
        inspector.refuses(2, words, "kd-inspect")
    assert "Usage" in inspector.text("--help")
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([inspector.program, folder / "x.npy"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1 and "written" in done.stderr


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--inspect", required=True, help="the program kd-inspect")
    p.add_argument("--saver", required=True, help="the program made of tests/ckpt/saver.c")
    options = p.parse_args()
    inspector = Inspector(options.inspect)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for seed in ("1", "2", "4"):
            subprocess.run([options.saver, "save", folder, seed], check=True,
                           stdout=subprocess.DEVNULL)
            tensors = check_net(inspector, folder / "net.safetensors", "net")
        check_sample(inspector, folder, tensors)
        check_training(inspector, folder)
        check_matrix(inspector, folder)
        check_recording(inspector, folder, options.saver)
        check_refusals(inspector, folder)
    print("kd-inspect says what stands in files")


if __name__ == "__main__":
    main()
