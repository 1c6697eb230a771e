# SPDX-License-Identifier: MIT
"""A teacher trained in PyTorch, a student distilled by libkd, the student back in PyTorch.

Checks on the way that weights arrive bit for bit and logits agree to float rounding. Without torch,
numpy or safetensors it says "skipped" and ends with 77."""
import argparse
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import safetensors
    import safetensors.torch
    import torch
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

INPUTS, TEACHER, STUDENT, CLASSES = 8, 64, 16, 6  # as in distil.c
ROUNDING = 1e-5  # of logits: sums of at most 65 products, in another order


class Net(torch.nn.Module):
    """Its state dict has the names that libkd uses: layers.0.weight, layers.0.bias, ..."""

    def __init__(self, hidden):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(INPUTS, hidden), torch.nn.ReLU(),
                                          torch.nn.Linear(hidden, CLASSES))

    def forward(self, x):
        return self.layers(x)


def clouds(n):
    """Points around the corners of a hexagon, in the first two of the inputs, and their classes."""
    labels = torch.arange(n) % CLASSES
    angle = 2 * torch.pi * labels / CLASSES
    x = 0.3 * torch.randn(n, INPUTS)
    x[:, 0] += torch.cos(angle)
    x[:, 1] += torch.sin(angle)
    return x, labels


def train(net, x, labels):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()


def logits_of(net, x):
    with torch.no_grad():
        return net(x).numpy()


def load(path, hidden):
    """A file of libkd's as a PyTorch module."""
    net = Net(hidden)
    net.load_state_dict(safetensors.torch.load_file(path))  # strict: all names, no others
    return net


def close(ours, theirs, what):
    off = float(np.abs(ours - theirs).max())
    assert off <= ROUNDING * max(1.0, float(np.abs(theirs).max())), f"{what} are off by {off}"
    print(f"{what} of libkd and PyTorch differ by at most {off:.2g}")


def same_bits(ours, theirs, what):
    assert ours.keys() == theirs.keys(), f"{what}: {sorted(ours)}, not {sorted(theirs)}"
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype == torch.float32, name
        assert ours[name].numpy().tobytes() == tensor.numpy().tobytes(), f"{what}: {name} differs"
    print(f"{what}: {len(theirs)} tensors, bit for bit")


def crc32c(data):
    """The checksum that stands in the metadata."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def check_sums(path, tensors):
    """The checksums that libkd took of the weights in its memory are those of what PyTorch has."""
    with safetensors.safe_open(path, framework="pt") as file:
        words = file.metadata()
    for name, tensor in tensors.items():
        assert words[f"crc32c.{name}"] == f"{crc32c(tensor.numpy().tobytes()):08x}", name
    print(f"{words['kd.layers']}: {len(tensors)} checksums are right")


def check_student(folder, x, teacher_logits):
    path = folder / "student.safetensors"
    student = load(path, STUDENT)
    check_sums(path, student.state_dict())
    logits = logits_of(student, x)
    close(np.load(folder / "student_logits.npy"), logits, "logits of the student")
    agreement = float((logits.argmax(1) == teacher_logits.argmax(1)).mean())
    print(f"in PyTorch the student chooses as its teacher does in {100 * agreement:.1f} % of cases")
    assert agreement > 0.85


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--distil", required=True, help="the program made of distil.c")
    distil = p.parse_args().distil
    torch.manual_seed(1)
    torch.set_num_threads(1)
    teacher = Net(TEACHER)
    x, labels = clouds(1200)
    train(teacher, x, labels)
    expected = logits_of(teacher, x)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        np.save(folder / "x.npy", x.numpy())
        safetensors.torch.save_file(teacher.state_dict(), folder / "teacher.safetensors")
        np.save(folder / "teacher.npy", expected)

        print("-- weights of the teacher", flush=True)
        subprocess.run([distil, folder / "x.npy", folder / "teacher.safetensors", folder],
                       check=True)
        same_bits(safetensors.torch.load_file(folder / "teacher_again.safetensors"),
                  teacher.state_dict(), "teacher there and back")
        close(np.load(folder / "teacher_logits.npy"), expected, "logits of the teacher")
        check_student(folder, x, expected)

        print("-- recorded logits of the teacher", flush=True)
        subprocess.run([distil, folder / "x.npy", folder / "teacher.npy", folder], check=True)
        check_student(folder, x, expected)


if __name__ == "__main__":
    main()
