# SPDX-License-Identifier: MIT
"""Checks an installed libkd: C11 and C++17 programs elsewhere, built with pkg-config alone."""
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile

import source

PROGRAM = """
#include <kd/kd.h>

int main(void)
{
    float x[3] = {1.0f, 2.0f, 3.0f};
    kd_error error = KD_ERROR_INIT;
    kd_status status = kd_softmax(x, 1, 3, 0, 2.0f, x, 0, &error);
    float sum = x[0] + x[1] + x[2];
    if (kd_version() != KD_VERSION_NUM || status != KD_OK) {
        return 1;
    }
    return sum > 0.999f && sum < 1.001f ? 0 : 1;
}
"""
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]


def run(command, **more):
    """Runs it; the check fails with its words if it does."""
    done = subprocess.run([str(word) for word in command], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if done.returncode:
        source.finish([f"{shlex.join(map(str, command))}\n{done.stdout}"], "")
    return done.stdout


def install(options, folder):
    """Builds and installs the library alone, as a packager would; the folder of its .pc file."""
    prefix = folder / "prefix"
    run([options.meson, "setup", folder / "build", options.root, f"--prefix={prefix}",
         "-Dtests=false", "-Dexamples=false", f"-Dblas={options.blas}"])
    run([options.meson, "install", "-C", folder / "build"])
    found = list(prefix.rglob("libkd.pc"))
    if len(found) != 1:
        source.finish([f"{len(found)} files libkd.pc were installed"], "")
    return found[0].parent


def main():
    p = source.parser(__doc__)
    p.add_argument("--meson", default="meson")
    p.add_argument("--blas", default="auto", help="as the option of the build")
    options = p.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pc = install(options, folder)
        where = {**os.environ, "PKG_CONFIG_PATH": str(pc), "LD_LIBRARY_PATH": str(pc.parent)}
        flags = run(["pkg-config", "--cflags", "--libs", "libkd"], env=where).split()
        compilers = [(name, "-std=c11", "c") for name in ("gcc", "clang")]
        compilers += [(name, "-std=c++17", "cc") for name in ("g++", "clang++")]
        compilers = [row for row in compilers if shutil.which(row[0])]
        for compiler, std, ending in compilers:
            text = folder / f"host.{ending}"
            text.write_text(PROGRAM, encoding="ascii")
            host = folder / f"host-{compiler}"
            run([compiler, std, *STRICT, text, "-o", host, *flags])
            run([host], env=where)
        languages = {ending for _, _, ending in compilers}
        problems = [] if languages == {"c", "cc"} else ["a C and a C++ compiler are needed"]
        names = ", ".join(compiler for compiler, _, _ in compilers)
    source.finish(problems, f"programs with {names} found libkd by pkg-config and ran")


if __name__ == "__main__":
    main()
