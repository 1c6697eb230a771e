# SPDX-License-Identifier: MIT
"""Holds the room io against Python's safetensors and numpy; skipped (exit 77) without them.

Files that they write must load here with the same values, files written here must load there, and
what is accepted here of damaged files must be accepted there, with the same values."""
import argparse
import io
import json
import random
import re
import struct
import subprocess
import sys
import tempfile
import warnings

try:
    import numpy as np
    import safetensors
    import safetensors.numpy
except ImportError as missing:
    print("SKIP:", missing)
    sys.exit(77)

DTYPES = {"BOOL": "?", "U8": "<u1", "I8": "<i1", "I16": "<i2", "U16": "<u2", "F16": "<f2",
          "I32": "<i4", "U32": "<u4", "F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8"}
LETTERS = "abcxyz019._-/ \"\\\n\t\x01\x1f\x7f\u00e9\u20ac\U0001f600:{}[],"
TOKENS = re.compile(rb'"(?:\\.|[^"\\])*"|[0-9]+|[A-Za-z]+|\s+|.', re.DOTALL)
WORDS = [b'0', b'1', b'2', b'4', b'8', b'-1', b'1.0', b'1e1', b'01', b'18446744073709551616',
         b'18446744073709551615', b'4294967296', b'null', b'true', b'{', b'}', b'[', b']', b',',
         b':', b'"', b' ', b'\n', b'\t', b'\x00', b'\xff', b'\xc3\xa9', b'"a"', b'"F32"',
         b'"U8"', b'"F8_E4M3"', b'"dtype"', b'"shape"', b'"data_offsets"', b'"__metadata__"',
         b'"\\u0061"', b'"\\ud800"', b"'", b'(', b')', b"'<f4'", b"'>f4'", b'True', b'False',
         b"'shape'", b"'descr'", b'(2,)', b'#', b'L']


def run(driver, files, *options):
    """What the driver says of each (letter, bytes)."""
    text = b"".join(kind.encode() + struct.pack("<I", len(data)) + data for kind, data in files)
    done = subprocess.run([driver, *options], input=text, capture_output=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(files), f"{len(lines)} answers to {len(files)} files"
    return lines


def crc32c(data, table=[]):  # pylint: disable=dangerous-default-value
    """Bit by bit, but for a table made on the first call."""
    for byte in range(256 if not table else 0):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


# ---- safetensors ----

def random_name(rng):
    return "".join(rng.choice(LETTERS) for _ in range(rng.randint(0, 12)))


def random_array(rng):
    dtype = rng.choice(list(DTYPES))
    shape = [rng.choice([0, 1, 1, 2, 3, 5]) for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.02:
        shape = [1] * 8
    count = int(np.prod(shape, dtype=np.int64))
    size = np.dtype(DTYPES[dtype]).itemsize
    data = bytes(rng.randint(0, 1 if dtype == "BOOL" else 255) for _ in range(count * size))
    return np.frombuffer(data, DTYPES[dtype]).reshape(shape)


def random_file(rng):
    arrays = {random_name(rng): random_array(rng) for _ in range(rng.randint(0, 6))}
    words = {random_name(rng): random_name(rng) for _ in range(rng.randint(0, 4))}
    # Of nothing at all with an empty dictionary the reference makes "{},"__metadata__":{}}".
    return safetensors.numpy.save(arrays, words if rng.random() < 0.7 and words else None)


def header_of(data):
    """The header as the reference wrote it, in its order."""
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), data[8:8 + size]


def reference(data):
    """Tensors as the reference reads them: {name: (dtype, shape, bytes)}."""
    return {name: (info["dtype"], info["shape"], bytes(info["data"]))
            for name, info in safetensors.deserialize(data)}


def reference_words(data):
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if sys.platform == "linux" else None) as file:
        file.write(data)
        file.flush()
        with safetensors.safe_open(file.name, framework="np") as opened:
            return opened.metadata() or {}


def text(hexadecimal):
    return bytes.fromhex(hexadecimal).decode("utf-8")


def ours(answer):
    tensors = {text(name): (dtype, shape, bytes.fromhex(data))
               for name, dtype, shape, data in answer["tensors"]}
    return tensors, {text(key): text(value) for key, value in answer["words"]}


def check_written(data, before):
    """A file of ours: what it holds, its order, its checksums."""
    header, raw = header_of(data)
    words = header.pop("__metadata__")
    theirs = header_of(before)[0]
    theirs_words = theirs.pop("__metadata__", {})
    assert list(header.items()) == list(theirs.items()), "another order than the reference's"
    assert len(raw) % 8 == 0
    digits = words.pop("kd.header_crc32c")
    at = raw.index(b'"kd.header_crc32c":"') + 20
    zeroed = raw[:at] + b"00000000" + raw[at + 8:]
    assert digits == f"{crc32c(zeroed):08x}" == raw[at:at + 8].decode(), "the header's checksum"
    tensors = reference(data)
    assert tensors == reference(before), "other tensors"
    for name, (_, _, content) in tensors.items():
        assert words.pop("crc32c." + name) == f"{crc32c(content):08x}", "a tensor's checksum"
    assert words == theirs_words, "other words"


def safetensors_there_and_back(driver, rng, count):
    files = [random_file(rng) for _ in range(count)]
    for data, answer in zip(files, run(driver, [("s", data) for data in files], "--again")):
        assert "status" not in answer, (answer, data)
        tensors, words = ours(answer)
        assert tensors == reference(data), data
        assert words == header_of(data)[0].get("__metadata__", {}), data
        check_written(bytes.fromhex(answer["again"]), data)
    for answer in run(driver, [("s", data) for data in files[:50]], "--again"):
        data = bytes.fromhex(answer["again"])
        assert reference_words(data) == header_of(data)[0]["__metadata__"]
    print(f"{count} safetensors files there and back")


def mutated(rng, text_of):
    """The same text with one to three tokens changed, moved, doubled or left out."""
    tokens = TOKENS.findall(text_of)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(tokens))
        what = rng.randrange(7)
        if what == 0:
            tokens[at] = rng.choice(WORDS)
        elif what == 1:
            tokens.insert(at, rng.choice(WORDS))
        elif what == 2:
            del tokens[at]
        elif what == 3:
            other = rng.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif what == 4:
            tokens[at:at] = tokens[at:at + rng.randint(1, 15)]
        elif what == 5 and tokens[at]:
            byte = rng.randrange(len(tokens[at]))
            tokens[at] = (tokens[at][:byte] + bytes([tokens[at][byte] ^ 1 << rng.randrange(8)])
                          + tokens[at][byte + 1:])
        elif tokens[at].isdigit():
            tokens[at] = str(max(0, int(tokens[at]) + rng.choice([-4, -1, 1, 4]))).encode()
        if not tokens:
            tokens = [b" "]
    return b"".join(tokens)


def mutant_of_tensors(rng):
    data = random_file(rng)
    size = struct.unpack("<Q", data[:8])[0]
    header = mutated(rng, data[8:8 + size])
    return struct.pack("<Q", len(header)) + header + data[8 + size:]


def safetensors_damaged(driver, rng, count):
    files = [mutant_of_tensors(rng) for _ in range(count)]
    accepted = stricter = 0
    for data, answer in zip(files, run(driver, [("s", data) for data in files])):
        try:
            theirs = reference(data)
        except safetensors.SafetensorError:
            theirs = None
        if "status" in answer:
            stricter += theirs is not None
            continue
        accepted += 1
        assert theirs is not None, f"only libkd accepts {data}"
        tensors, words = ours(answer)
        assert tensors == theirs, data
        assert words == reference_words(data), data
    print(f"{count} damaged safetensors files: {accepted} accepted by both, {stricter} by the "
          "reference alone")


# ---- npy ----

def npy_of(array, version=None):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def random_npy(rng):
    shape = [rng.choice([0, 1, 2, 7, 40])] + [rng.choice([0, 1, 3, 10])] * rng.randint(0, 1)
    values = [rng.choice([rng.gauss(0, 3), 0.0, -0.0, float("inf"), 1e-40, 6e-8])
              for _ in range(int(np.prod(shape)))]
    return np.array(values, rng.choice(["<f2", "<f4", "<f8"])).reshape(shape)


def npy_there_and_back(driver, rng, count):
    arrays = [random_npy(rng) for _ in range(count)]
    files = [npy_of(a, rng.choice([None, (1, 0), (2, 0), (3, 0)])) for a in arrays]
    for array, answer in zip(arrays, run(driver, [("n", data) for data in files], "--again")):
        single = array.astype("<f4")
        assert answer["shape"] == list(array.shape), answer
        assert bytes.fromhex(answer["values"]) == single.tobytes(), array
        assert bytes.fromhex(answer["again"]) == npy_of(single), "not as numpy writes it"
    print(f"{count} npy files there and back")


def mutant_of_npy(rng):
    data = npy_of(random_npy(rng))
    size = struct.unpack("<H", data[8:10])[0]
    header = mutated(rng, data[10:10 + size].rstrip()) + b" " * rng.randint(0, 3) + b"\n"
    return data[:8] + struct.pack("<H", len(header)) + header + data[10 + size:]


def load_npy(data):
    try:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception:  # pylint: disable=broad-except
        return None  # it has many ways to say no


def npy_damaged(driver, rng, count):
    files = [mutant_of_npy(rng) for _ in range(count)]
    accepted = stricter = 0
    for data, answer in zip(files, run(driver, [("n", data) for data in files])):
        theirs = load_npy(data)
        if "status" in answer:
            stricter += theirs is not None
            continue
        accepted += 1
        assert theirs is not None, f"only libkd accepts {data}"
        assert answer["shape"] == list(theirs.shape), data
        with np.errstate(all="ignore"):
            single = theirs.astype("<f4")
        got = np.frombuffer(bytes.fromhex(answer["values"]), "<f4").reshape(theirs.shape)
        assert np.array_equal(got, single, equal_nan=True), data
    print(f"{count} damaged npy files: {accepted} accepted by both, {stricter} by numpy alone")


def main():
    warnings.simplefilter("ignore")  # numpy on headers of Python 2
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--driver", required=True, help="the program made of driver.c")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--times", type=int, default=1, help="how many times as many files")
    options = p.parse_args()
    rng = random.Random(options.seed)
    safetensors_there_and_back(options.driver, rng, 2000 * options.times)
    safetensors_damaged(options.driver, rng, 10000 * options.times)
    npy_there_and_back(options.driver, rng, 1000 * options.times)
    npy_damaged(options.driver, rng, 5000 * options.times)


if __name__ == "__main__":
    main()
