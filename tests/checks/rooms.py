# SPDX-License-Identifier: MIT
"""Checks that each room of lib/ includes downwards only and calls nothing that is banned there."""
import re

import source

# A room may include itself and the doors (<room>/<room>.h) of rooms on a lower level.
LEVELS = {
    "base": 0,
    "port": 1,
    "kern": 2, "io": 2,
    "ctx": 3,
    "loss": 4, "layer": 4, "optim": 4,
    "net": 5,
    "ckpt": 6, "transfer": 6, "specialist": 6,
    "teacher": 7,
    "distill": 8, "comm": 8,
}

# The system headers that lib/ may include, and where: "" is everywhere.
HEADERS = {
    "float.h": "", "limits.h": "", "math.h": "", "stdarg.h": "", "stdatomic.h": "", "stdbool.h": "",
    "stddef.h": "", "stdint.h": "", "string.h": "",
    "stdlib.h": "base/memory.c", "sys/mman.h": "base/memory.c", "cblas.h": "port/gemm.c",
    "pthread.h": "port/pool.c", "signal.h": "port/pool.c", "unistd.h": ("port/pool.c", "io/file.c"),
    "fenv.h": "port/pool.c", "emmintrin.h": "port/pool.c", "immintrin.h": "kern/",
    "errno.h": "io/file.c", "fcntl.h": "io/file.c", "stdio.h": "io/file.c",
    "sys/file.h": "io/file.c", "sys/stat.h": "io/file.c",
}

# Words of C that are for some files only, or for none.
MEMORY = """
    malloc calloc realloc free aligned_alloc posix_memalign memalign strdup alloca
    madvise mmap munmap mprotect
"""
FILES = """
    errno openat creat pread pwrite fsync fdatasync rename renameat remove unlink unlinkat
    fstat fstatat lstat fchmod chmod ftruncate flock fcntl lseek mkdir opendir readdir
"""
BANNED = """
    exit _exit _Exit quick_exit abort assert atexit at_quick_exit longjmp setjmp
    printf fprintf sprintf snprintf vprintf vfprintf vsprintf vsnprintf dprintf
    puts fputs putc fputc putchar perror scanf fscanf sscanf stdin stdout stderr
    fopen freopen fclose fread fwrite fgets tmpfile
    getenv secure_getenv setenv putenv unsetenv system setlocale localeconv
    signal sigaction raise kill rand srand rand_r random srandom drand48
    time clock gettimeofday clock_gettime localtime gmtime strerror strtok
    _Thread_local thread_local __thread
"""
# Words of POSIX threads, signals, processes and of the floating-point environment.
THREADS = r"\b(pthread_\w+|sched_\w+|sig\w*set\w*|fork|vfork|getpid|fe[gs]et\w+|feholdexcept)\b"
WORDS = [(word, "") for word in BANNED.split()]
WORDS += [(word, "base/memory.c") for word in MEMORY.split()]
WORDS += [(word, "io/file.c") for word in FILES.split()]

TYPE = r"(?:const\s+|unsigned\s+|struct\s+)*(?:float|double|char|int|bool|\w+_t|kdi?_\w+)"


def includes(path, room, text):
    """Complaints about the #include lines of one file."""
    for match in re.finditer(r'^[ \t]*#\s*include\s*([<"])([^>"]+)[>"]', text, re.MULTILINE):
        name = match.group(2)
        wrong = ""
        if match.group(1) == "<":
            if name not in HEADERS and not name.startswith("kd/"):
                wrong = "is not among the headers that lib/ uses (HEADERS in rooms.py)"
            elif not path.startswith(HEADERS.get(name, "")):
                wrong = f"is for {HEADERS[name]} only"
        else:
            other, _, file = name.partition("/")
            if other not in LEVELS or not file:
                wrong = "is not written as room/file.h"
            elif other != room and LEVELS[other] >= LEVELS[room]:
                wrong = f"points up: {room} is on level {LEVELS[room]}, {other} on {LEVELS[other]}"
            elif other != room and file != other + ".h":
                wrong = f"is not the door of {other}, {other}/{other}.h"
        if wrong:
            yield match.start(), f"#include {name} {wrong}"


def words(path, code):
    """Complaints about banned words; what is included is not ours to judge."""
    code = re.sub(r"^[ \t]*#\s*include[^\n]*", lambda m: " " * len(m.group()), code,
                  flags=re.MULTILINE)
    for word, place in WORDS:
        for match in re.finditer(rf"(?<![\w.>]){word}\b", code):
            if not place or path != place:
                yield match.start(), f"{word} is banned" + (f" outside {place}" if place else "")
    if not path.startswith("port/"):
        for match in re.finditer(THREADS, code):
            yield match.start(), f"{match.group()} is for port/ only"


def is_const(declaration):
    """True if what is declared, left of = and [, can't be written to: its own const is the last."""
    declarator = re.split(r"[=\[]", declaration)[0]
    return re.search(r"\bconst\b", declarator.rpartition("*")[2]) is not None


def file_scope(code):
    """What stands outside all braces, equally long; the end of a function becomes a semicolon."""
    depth, function, out = 0, False, ""
    for c in code:
        if c == "{":
            function = function if depth else out.rstrip().endswith(")")
            depth += 1
        elif c == "}":
            depth -= 1
        end = c == "}" and depth == 0 and function
        out += ";" if end else c if c == "\n" or depth == 0 and c != "}" else " "
    return out


def variables(code):
    """Complaints about variables that outlive a call and can change, and about VLAs."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",  # a directive with its continued lines
                  lambda m: re.sub(r"[^\n]", " ", m.group()), code, flags=re.MULTILINE)
    for match in re.finditer(r"\bstatic\b([^;{(]*)[;={\[]", code):
        if not is_const(match.group(1)):
            yield match.start(), "a static variable that is not const"
    for match in re.finditer(r"[^;]+;", file_scope(code)):
        item = match.group().strip(" \n;")
        known = r"(typedef|static|_Static_assert|struct \w+$|enum\b|union \w+$)"
        if item and "(" not in item and not re.match(known, item) and not is_const(item):
            start = match.end() - len(match.group().lstrip())
            yield start, "a variable at file scope that is not const"
    for match in re.finditer(rf"^\s+{TYPE}\s+\*?\w+\[([^\]]*)\]\s*[;=,]", code, re.MULTILINE):
        size = re.sub(r"\bsizeof\b[^+*/-]*|\b0[xX]\w+|\b\d\w*", "", match.group(1))
        if re.search(r"[a-z]", size):
            yield match.start(1), f"an array of variable length: [{match.group(1)}]"


def main():
    root = source.parser(__doc__).parse_args().root
    problems = []
    count = 0
    for file in source.tree(root / "lib", ".c", ".h"):
        path = file.relative_to(root / "lib").as_posix()
        room = path.split("/")[0]
        if room not in LEVELS:
            problems.append(f"lib/{path}: no such room (LEVELS in rooms.py)")
            continue
        text = file.read_text(encoding="utf-8")
        code = source.blank(text)
        count += 1
        found = [*includes(path, room, source.blank(text, strings=False)), *words(path, code),
                 *variables(code)]
        problems += [f"lib/{path}:{source.line_of(text, at)}: {what}" for at, what in sorted(found)]
    source.finish(problems or ([] if count else ["no files in lib/"]),
                  f"{count} files in their rooms")


if __name__ == "__main__":
    main()
