# SPDX-License-Identifier: MIT
"""Checks what the built libkd exports, needs and keeps: names, versions, soname, data, counts."""
import pathlib
import re
import subprocess
import tempfile

import source

SONAME = "libkd.so.0"
NODE = "KD_0"
MOST = {2: 40, 3: 120}  # functions of the tiers up to this one, at most
# Of the stripped library, with the kernels of all instruction sets; a third of it is for files, a
# tenth for specialists.
MOST_BYTES = 352_000

# What the library may ask of others: memory, strings, files, mathematics, threads, the BLAS and how
# many threads it runs; nothing that ends the process, prints, or reads the environment.
NEEDED = set("""
    aligned_alloc free memcpy memmove memset memcmp bcmp memchr strlen strcmp strncmp strchr
    strspn strstr strrchr
    __errno_location close fchmod flock fstat64 fstatat64 fsync ftruncate64 openat64
    pread64 pwrite64 renameat unlinkat write
    exp expf expm1 exp2 log logf log10 log1p log2 pow powf sqrt sqrtf cos cosf sin sinf
    sincos floor floorf ceil fabs fmax fmin ldexp frexp tanh lround round rint
    cblas_sgemm cblas_sgemv cblas_saxpy cblas_sdot cblas_sscal cblas_snrm2
    openblas_get_num_threads openblas_set_num_threads openblas_get_parallel
    MKL_Get_Max_Threads MKL_Set_Num_Threads
    bli_thread_get_num_threads bli_thread_set_num_threads bli_thread_set_ways omp_set_num_threads
    bli_thread_get_jc_nt bli_thread_get_pc_nt bli_thread_get_ic_nt bli_thread_get_jr_nt
    bli_thread_get_ir_nt
    pthread_create pthread_join pthread_sigmask pthread_setcancelstate sigfillset getpid
    pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock pthread_mutex_destroy
    pthread_cond_init pthread_cond_wait pthread_cond_signal pthread_cond_broadcast
    pthread_cond_destroy fegetround fesetround fegetenv fesetenv feholdexcept madvise
    __stack_chk_fail __memcpy_chk __memmove_chk __memset_chk __cxa_finalize __gmon_start__
    _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable
""".split())
# Data of the shared library that can change: the C runtime's, and what gcc keeps of the processor.
RUNTIME = re.compile(r"__dso_handle|__TMC_END__|completed\.\d+|__cpu_model|__cpu_features2?")
CONSTANT = re.compile(r"\.(text|rodata|data\.rel\.ro|eh_frame|note|comment)|\*(ABS|UND)\*")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exports(library):
    """Complaints about the dynamic symbols, and the names of the functions."""
    functions, problems = [], []
    for line in run("nm", "-D", "--with-symbol-versions", library).splitlines():
        kind, symbol = line[17:].split()
        name, _, version = symbol.partition("@")
        if kind in "Uwv":
            if name not in NEEDED:
                problems.append(f"needs {name}, which is not on the list (NEEDED in symbols.py)")
        elif kind == "T":
            functions.append(name)
            if version != "@" + NODE:
                problems.append(f"{name} has version {version or 'none'}, not @{NODE}")
        elif symbol != NODE:
            problems.append(f"exports {name}, which is not a function ({kind})")
    if f"soname: [{SONAME}]" not in run("readelf", "-dW", library):
        problems.append(f"the soname is not {SONAME}")
    return functions, problems


def inside(archive):
    """Complaints about data that can change and about names without the prefix of their room."""
    room = ""
    for line in run("objdump", "-t", archive).splitlines():
        if ": " in line and "file format" in line:
            room = line.split("_")[0].split("/")[-1]
        match = re.fullmatch(r"[0-9a-f]+ (.{7}) (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)", line)
        if not match or match.group(1)[5:] in ("df", "d "):
            continue
        flags, section, name = match.groups()
        if not CONSTANT.match(section):
            yield f"{name} ({room}) lies in {section}: data that can change"
        ours = ("kd_", f"kdi_{room}", "kdi_k_" if room == "kern" else "kd_")
        if flags[0] == "g" and section != "*UND*" and not name.startswith(ours):
            yield f"{name} is visible between files, but does not begin with kdi_{room}_"


def changeable(library):
    """Complaints about data of the shared library that can change."""
    for line in run("objdump", "-t", library).splitlines():
        match = re.match(r"[0-9a-f]+ .{7} (\.t?(?:data|bss)(?!\.rel\.ro)\S*)\t[0-9a-f]+\s+"
                         r"(?:\.hidden )?(\S+)", line)
        if match and not RUNTIME.fullmatch(match[2]) and match[2] != match[1]:
            yield f"{match[2]} lies in {match[1]} of the library: data that can change"


def stripped_size(library):
    """Complaint about a library that has grown too large for what it is."""
    with tempfile.TemporaryDirectory() as folder:
        small = pathlib.Path(folder, "libkd.so")
        run("strip", "-o", str(small), library)
        size = small.stat().st_size
    if size > MOST_BYTES:
        yield f"{library} has {size} bytes when stripped, at most {MOST_BYTES}"


def compare(what, has, other, should):
    return ([f"{name}: in {what}, not in {other}" for name in sorted(set(has) - set(should))] +
            [f"{name}: in {other}, not in {what}" for name in sorted(set(should) - set(has))])


def counts(functions):
    for tier, most in MOST.items():
        count = sum(f.tier <= tier for f in functions)
        if count > most:
            yield f"{count} functions in the tiers up to {tier}, at most {most}"


def unused(root, names):
    """Exported functions that no test names."""
    words = set()
    for file in source.tree(root / "tests", ".c"):
        words.update(re.findall(r"\bkd_\w+", source.blank(file.read_text(encoding="utf-8"))))
    return [f"{name} is used by no test" for name in names if name not in words]


def main():
    p = source.parser(__doc__)
    p.add_argument("--library", required=True, help="the built libkd.so")
    p.add_argument("--archive", required=True, help="the built libkd.a")
    p.add_argument("--write", action="store_true", help="write symbols.txt from the headers")
    options = p.parse_args()
    functions = list(source.api(options.root))
    declared = sorted(f.name for f in functions)
    committed = pathlib.Path(options.root, "tests", "checks", "symbols.txt")
    if options.write:
        committed.write_text("\n".join(declared) + "\n", encoding="ascii")
    listed = committed.read_text(encoding="ascii").splitlines()
    exported, problems = exports(options.library)
    problems += compare("the library", exported, "the headers", declared)
    problems += compare("symbols.txt", listed, "the headers", declared)
    problems += [] if listed == sorted(listed) else ["symbols.txt is not sorted"]
    problems += [f"{f.name}: its header has no tier" for f in functions if not f.tier]
    problems += [*inside(options.archive), *counts(functions), *unused(options.root, declared)]
    problems += [*changeable(options.library), *stripped_size(options.library)]
    source.finish(problems, f"{len(exported)} functions exported, "
                            f"{sum(f.tier <= 2 for f in functions)} in tiers 1 and 2")


if __name__ == "__main__":
    main()
