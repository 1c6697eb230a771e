# SPDX-License-Identifier: MIT
"""What a race needs first: packages, the build, a PyTorch, and words about the machine."""
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TORCH = "2.13.0"
# Variables that would change how many threads a BLAS or an OpenMP runs, or which kernels it takes.
FOREIGN = re.compile(r"^(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|MALLOC|TORCH|GLIBC_TUNABLES|DNNL|ONEDNN)")


class Stop(Exception):
    """Words for the user; the program ends with them."""


def clean_environment(**more):
    """The environment of every program that is timed: nothing in it favours anyone."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return dict(kept, PYTHONDONTWRITEBYTECODE="1", **more)


def call(words, **how):
    """Runs a program and shows what it said only if it failed."""
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **how)
    if done.returncode:
        raise Stop(f"{' '.join(map(str, words))} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def build(folder):
    """Builds kd_bench, in release mode, and returns where it is."""
    if not (folder / "build.ninja").exists():
        print(f"Building in {folder}", file=sys.stderr)
        call(["sh", ROOT / "tests" / "packages.sh", "bench"])
        call(["meson", "setup", folder, ROOT, "-Dbench=true", "-Dtests=false", "-Dexamples=false",
              "-Dwerror=false", "--buildtype=release"])
    call(["meson", "compile", "-C", folder])
    return folder / "bench" / "kd_bench"


def torch_version(python):
    """The version of the PyTorch that this interpreter has, or None."""
    done = subprocess.run([str(python), "-c", "import torch; print(torch.__version__)"], text=True,
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.strip() if done.returncode == 0 else None


def torch_python(python):
    """An interpreter that has PyTorch: the one given, or one of an environment that is made
    here."""
    if python:
        return python
    folder = ROOT / "build" / "torch"
    python = folder / "bin" / "python"
    if not python.exists() or not torch_version(python):
        print(f"Installing PyTorch {TORCH} in {folder} (some minutes; pip's own settings say where "
              "from)", file=sys.stderr)
        call([sys.executable, "-m", "venv", folder])
        call([python, "-m", "pip", "install", "--quiet", f"torch=={TORCH}", "numpy"])
    return python


def first_line(words):
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=False, cwd=ROOT)
    except OSError:
        return None
    return (done.stdout.splitlines() or [""])[0] or None


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    match = re.search(r"model name\s*:\s*(.*)", text)
    flags = set((re.search(r"^flags\s*:\s*(.*)$", text, re.MULTILINE) or [0, ""])[1].split())
    wide = [f for f in ("avx2", "fma", "avx512f", "avx512_bf16") if f in flags]
    return f"{match[1] if match else platform.processor()} ({' '.join(wide)})"


def machine():
    """What a figure depends on."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": first_line(["git", "rev-parse", "HEAD"]),
        "changed": bool(first_line(["git", "status", "--porcelain", "--untracked-files=no"])),
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": first_line([os.environ.get("CC", "cc"), "--version"]),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
