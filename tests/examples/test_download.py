# SPDX-License-Identifier: MIT
"""Downloads from a server on this machine that cuts, corrupts and fails; nothing else is asked."""
import argparse
import gzip
import hashlib
import http.server
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "examples" / "mnist" / "download.sh"
TOOLS = ["sh", "cat", "cut", "dirname", "gzip", "mkdir", "mv", "rm", "sha256sum", "shasum", "wc"]
NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]


def contents(name):
    """Bytes that gzip can't make much smaller, so that a cut is in the middle of them."""
    return random.Random(name).randbytes(60000)


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves NAMES as gzip files under /MODE/NAME.gz, and notes what it was asked and what it sent.

    good; plain (knows no ranges); wrong (another file); torn (the file without its last bytes);
    cut (only 20000 bytes at a time, then the line goes dead); half (the same, once); gone (404);
    mad (always 416).
    """

    def do_GET(self):
        _, mode, name = self.path.split("/")
        log = self.server.log
        asked = self.headers.get("Range")
        entry = {"mode": mode, "name": name, "range": asked, "sent": 0}
        log.append(entry)
        stem = name.removesuffix(".gz")
        if mode == "gone" or stem not in NAMES:
            self.send_error(404)
            return
        if mode == "mad":
            self.send_error(416)
            return
        data = gzip.compress(contents("other" if mode == "wrong" else stem), mtime=0)
        data = data[:-4] if mode == "torn" else data
        begin = 0
        if asked and mode != "plain":
            begin = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1))
            if begin >= len(data):
                self.send_error(416)
                return
        cuts = sum(e["mode"] == mode and e["name"] == name for e in log) == 1 or mode == "cut"
        end = min(len(data), begin + 20000) if mode in ("cut", "half") and cuts else len(data)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if mode != "plain":
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        entry["sent"] = end - begin
        self.wfile.write(data[begin:end])

    def log_message(self, *args):
        pass


class Case:
    """One run of the script or several, in a folder of its own, with one client on the PATH."""

    def __init__(self, script, folder, server, client):
        self.script, self.folder, self.server, self.client = script, folder, server, client
        self.data = folder / "data"
        self.server.log.clear()
        self.log = self.server.log
        self.sums = folder / "sums"
        self.sums.write_text("".join(
            f"{hashlib.sha256(contents(name)).hexdigest()}  {name}\n" for name in NAMES))
        commands = folder / "bin"
        commands.mkdir()
        for tool in TOOLS + [client]:
            if path := shutil.which(tool):
                (commands / tool).symlink_to(path)
        self.environment = {"PATH": str(commands), "HOME": str(folder), "no_proxy": "127.0.0.1"}

    def run(self, *modes):
        """Runs the script with these modes or addresses as mirrors; keeps its words."""
        address = f"http://127.0.0.1:{self.server.server_port}"
        command = ["sh", str(self.script), "--dir", str(self.data), "--sums", str(self.sums)]
        for mode in modes:
            command += ["--mirror", mode if "://" in mode else f"{address}/{mode}"]
        done = subprocess.run(command, env=self.environment, text=True, timeout=60, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.words = done.stdout
        return done.returncode

    def right(self, names=NAMES):
        """Whether exactly these files are there, whole, and nothing else is."""
        there = sorted(path.name for path in self.data.iterdir())
        return there == sorted(name + ".gz" for name in names) and all(
            gzip.decompress((self.data / (name + ".gz")).read_bytes()) == contents(name)
            for name in names)

    def part(self, name):
        return self.data / (name + ".gz.part")

    def asked(self, mode):
        return [entry for entry in self.log if entry["mode"] == mode]


def expect(truth, what):
    if not truth:
        raise AssertionError(what)


def whole(case):
    expect(case.run("good") == 0, "exit code")
    expect(case.right(), "files")
    expect(len(case.log) == 2 and not any(e["range"] for e in case.log), "two plain requests")


def goes_on_in_one_run(case):
    expect(case.run("half") == 0, "exit code")
    expect(case.right(), "files")
    ranges = [entry["range"] for entry in case.log]
    expect(ranges == [None, "bytes=20000-"] * 2, f"requests: {ranges}")
    expect(case.log[1]["sent"] < 60000 - 19000, "only the rest was sent")


def goes_on_in_the_next_run(case):
    case.data.mkdir()
    packed = gzip.compress(contents(NAMES[0]), mtime=0)
    case.part(NAMES[0]).write_bytes(packed[:31234])
    expect(case.run("good") == 0, "exit code")
    expect(case.right(), "files")
    expect(case.log[0]["range"] == "bytes=31234-", f"range: {case.log[0]['range']}")
    expect(case.log[0]["sent"] == len(packed) - 31234, "only the rest was sent")


def keeps_what_came(case):
    """Two runs: the first gets a part and no more, the second the rest."""
    case.data.mkdir()
    case.part(NAMES[0]).write_bytes(gzip.compress(contents(NAMES[0]), mtime=0)[:31234])
    expect(case.run("gone") == 1, "exit code")
    expect(case.part(NAMES[0]).stat().st_size == 31234, "the part is kept")
    expect(case.run("good") == 0 and case.right(), "the second run")
    expect(case.asked("good")[0]["range"] == "bytes=31234-", "the second run goes on")


def cut_again_and_again(case):
    expect(case.run("cut") == 0, "exit code")
    expect(case.right(), "files")
    expect(len(case.log) == 8, f"{len(case.log)} requests")


def part_is_complete(case):
    case.data.mkdir()
    for name in NAMES:
        case.part(name).write_bytes(gzip.compress(contents(name), mtime=0))
    expect(case.run("good") == 0 and case.right(), "files")
    expect(not case.log, "no requests")


def part_is_garbage(case):
    case.data.mkdir()
    case.part(NAMES[0]).write_bytes(b"?" * 31234)
    expect(case.run("good") == 0 and case.right(), "files")
    expect(len(case.log) == 3, "on with the garbage, anew, the other file")


def part_is_too_long(case):
    case.data.mkdir()
    case.part(NAMES[0]).write_bytes(b"?" * 99999)
    expect(case.run("good") == 0 and case.right(), "files")


def no_ranges(case):
    case.data.mkdir()
    case.part(NAMES[0]).write_bytes(gzip.compress(contents(NAMES[0]), mtime=0)[:31234])
    expect(case.run("plain") == 0 and case.right(), "files")


def first_mirror_has_nothing(case):
    expect(case.run("gone", "good") == 0, "exit code")
    expect(case.right(), "files")
    expect(len(case.asked("gone")) == 2 and len(case.asked("good")) == 2, "requests")


def first_mirror_is_down(case):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/mnist"
    expect(case.run(nobody, "good") == 0, "exit code")
    expect(case.right() and len(case.log) == 2, "files")


def first_mirror_is_wrong(case):
    expect(case.run("wrong", "good") == 0, "exit code")
    expect(case.right(), "files")
    expect(len(case.asked("wrong")) == 2 and len(case.asked("good")) == 2, "requests")
    expect("SHA-256" in case.words, "the reason")


def first_mirror_is_torn(case):
    expect(case.run("torn", "good") == 0, "exit code")
    expect(case.right(), "files")
    expect("damaged gzip file" in case.words, "the reason")


def file_is_torn(case):
    case.data.mkdir()
    for name in NAMES:
        packed = gzip.compress(contents(name), mtime=0)
        (case.data / (name + ".gz")).write_bytes(packed[:-4])
    expect(case.run("good") == 0 and case.right(), "files")


def first_mirror_is_mad(case):
    expect(case.run("mad", "good") == 0, "exit code")
    expect(case.right() and len(case.asked("mad")) == 2, "files")


def all_mirrors_are_wrong(case):
    expect(case.run("wrong", "gone") == 1, "exit code")
    expect(not list(case.data.iterdir()), "nothing is left")
    expect(all(f"{name}.gz: not had" in case.words for name in NAMES), "both files are named")


def one_file_of_two(case):
    case.sums.write_text(case.sums.read_text() + "0" * 64 + "  " + "other-file\n")
    expect(case.run("good") == 1, "exit code")
    expect(case.right(), "the others are there")
    expect("other-file.gz: not had" in case.words and "1 file(s)" in case.words, "its name")


def complete(case):
    case.data.mkdir()
    (case.data / NAMES[0]).write_bytes(contents(NAMES[0]))
    (case.data / (NAMES[1] + ".gz")).write_bytes(gzip.compress(contents(NAMES[1])))
    before = {path: path.stat().st_mtime_ns for path in case.data.iterdir()}
    expect(case.run("good") == 0, "exit code")
    expect(not case.log, "no requests")
    expect(before == {path: path.stat().st_mtime_ns for path in case.data.iterdir()}, "untouched")


def damaged_is_replaced(case):
    case.data.mkdir()
    for name in NAMES:
        (case.data / (name + ".gz")).write_bytes(gzip.compress(contents("other")))
    expect(case.run("good") == 0 and case.right(), "files")
    expect("damaged" in case.words, "words")


def sums_are_checked(case):
    good = case.sums.read_text()
    for text in ("", "abc  name\n", good.upper(), good.replace("  ", " "), good + "odd\n",
                 good.replace("train-", "../train-"), good.replace("\n", "\r\n")):
        case.sums.write_text(text)
        wanted = 0 if text == good.replace("  ", " ") else 2
        expect(case.run("good") == wanted, f"exit code after {text!r}")
        expect(wanted == 0 or "--sums" in case.words, "the option is named")
    case.sums.unlink()
    expect(case.run("good") == 2 and str(case.sums) in case.words, "a missing file is named")


def options(case):
    for words, code, telling in ((["--help"], 0, "--mirror URL"), (["--what"], 2, "--what"),
                                 (["--dir"], 2, "--dir needs")):
        done = subprocess.run(["sh", str(case.script), *words], env=case.environment, text=True,
                              capture_output=True, timeout=60, check=False)
        case.words = done.stdout + done.stderr
        expect(done.returncode == code and telling in case.words, f"{words}")


CASES = [whole, goes_on_in_one_run, goes_on_in_the_next_run, keeps_what_came, cut_again_and_again,
         part_is_complete, part_is_garbage, part_is_too_long, no_ranges, first_mirror_has_nothing,
         first_mirror_is_down, first_mirror_is_wrong, first_mirror_is_torn, file_is_torn,
         first_mirror_is_mad, all_mirrors_are_wrong, one_file_of_two, complete,
         damaged_is_replaced, sums_are_checked, options]


def attempt(case_of, script, server, client):
    """Runs one case; the reason if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        case = Case(script, pathlib.Path(folder), server, client)
        try:
            case_of(case)
        except (AssertionError, EOFError, OSError, subprocess.TimeoutExpired) as error:
            return f"{error}\n{getattr(case, 'words', '')}"
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("script", type=pathlib.Path, nargs="?", default=SCRIPT,
                   help="the script (examples/mnist/download.sh beside these tests)")
    p.add_argument("--only", metavar="CASE", help="run this case only")
    given = p.parse_args()
    clients = [client for client in ("curl", "wget") if shutil.which(client)]
    if not clients:
        print("SKIP: neither curl nor wget is installed")
        sys.exit(77)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.log = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    failed = 0
    for client in clients:
        for case_of in CASES:
            if given.only in (None, case_of.__name__):
                why = attempt(case_of, given.script.resolve(), server, client)
                failed += why is not None
                print("FAILED" if why else "ok", client, case_of.__name__, why or "", flush=True)
    server.shutdown()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
