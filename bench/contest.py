# SPDX-License-Identifier: MIT
"""Programs that take turns: each runs blocks of steps when asked, and sleeps while others do."""
import json
import math
import os
import pathlib
import select
import signal
import statistics
import subprocess
import tempfile
import time

import prepare

HERE = pathlib.Path(__file__).resolve().parent
PAUSE = 0.02  # seconds after a block, in which threads that still spin go to sleep
QUIET = 0.05  # share of a core that programs outside of the race may take in a round
TICK = os.sysconf("SC_CLK_TCK")


class Gone(Exception):
    """A program ended, or did not answer in time."""


class Server:
    """A program that reads a line, does what it says, and answers with a JSON object. It leads a
    process group of its own, so that whatever it starts ends with it."""

    running = set()

    def __init__(self, words, patience=300, **environment):
        self.patience = patience
        self.name = " ".join(str(w) for w in words)
        self.complaints = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.complaints, env=prepare.clean_environment(**environment),
            start_new_session=True)
        self.running.add(self)
        self.buffer = b""

    def answer(self, patience=None):
        end = time.monotonic() + (patience or self.patience)
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, left))
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data:
                words = "ended" if ready else "gave no answer in time"
                self.complaints.seek(0)
                said = self.complaints.read().decode(errors="replace").strip()
                self.close()
                raise Gone(f"{self.name} {words}. {said[-1500:]}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, line, patience=None):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer, or the lack of one, says why
        return self.answer(patience)

    def cpu_seconds(self):
        """What all its threads have used up to now."""
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8")
        except OSError:
            return 0.0
        fields = text.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def close(self):
        if self not in self.running:
            return
        self.running.remove(self)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # all of them have ended
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.complaints):
            try:
                stream.close()
            except OSError:
                pass

    @classmethod
    def close_all(cls):
        for server in list(cls.running):
            server.close()


class Contender:
    """One side of a race: a server, and the words that make it run a block."""

    def __init__(self, server, words, estimate, block):
        self.server, self.words, self.steps = server, words, None
        if estimate:
            self.fit(estimate, block)
        self.blocks = []  # microseconds a step, of the rounds that count
        self.details = []  # whole answers
        self.all_blocks = []

    def block(self):
        line = f"{self.words} {self.steps}" if self.steps else self.words
        answer = self.server.ask(line)
        self.details.append(answer)
        self.blocks.append(answer["us"])
        time.sleep(PAUSE)

    def fit(self, us, block):
        """So many steps that a block takes as long as it should."""
        self.steps = max(1, round(block * 1e6 / us))

    def keep(self, rounds):
        self.all_blocks = self.blocks
        self.blocks = [self.blocks[i] for i in rounds]
        self.details = [self.details[i] for i in rounds]


def machine_seconds():
    """Processor time that anybody has used since the start of the machine, or that its host took
    away."""
    fields = pathlib.Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / TICK


class Watch:
    """Shares of a core that went elsewhere while one server was to run: to the other servers, which
    should sleep, and to programs that take no part."""

    def __init__(self, servers):
        self.servers = servers
        self.idle = self.foreign = self.wall = 0.0

    def block(self, contender):
        before = [s.cpu_seconds() for s in self.servers]
        all_before, own, begin = machine_seconds(), time.process_time(), time.monotonic()
        contender.block()
        used = [s.cpu_seconds() - b for s, b in zip(self.servers, before)]
        everybody = machine_seconds() - all_before
        self.wall += time.monotonic() - begin
        self.idle += sum(u for s, u in zip(self.servers, used) if s is not contender.server)
        self.foreign += everybody - sum(used) - (time.process_time() - own)

    def shares(self):
        return self.idle / self.wall, max(0.0, self.foreign / self.wall)


def race(contenders, pairs, tell):
    """Rounds in which each contender runs a block, the order reversed each time so that a drift of
    the machine favours nobody. A round in which other programs took more than QUIET of a core is
    run again, up to three times as many rounds in all; then the least disturbed ones count.
    Disturbance is measured by processor time, never by the outcome."""
    servers = list({id(c.server): c.server for c in contenders}.values())
    idle, foreign = [], []
    while sum(f <= QUIET for f in foreign) < pairs and len(foreign) < 3 * pairs:
        tell(min(sum(f <= QUIET for f in foreign), pairs - 1), len(foreign))
        watch = Watch(servers)
        for c in contenders if len(foreign) % 2 == 0 else contenders[::-1]:
            watch.block(c)
        shares = watch.shares()
        idle.append(shares[0])
        foreign.append(shares[1])
    kept = sorted(sorted(range(len(foreign)), key=lambda i: foreign[i])[:pairs])
    for c in contenders:
        c.keep(kept)
    return {"kept_rounds": kept, "foreign_share": [round(f, 4) for f in foreign],
            "idle_share": [round(i, 4) for i in idle], "disturbance": max(foreign[i] for i in kept)}


def spread(values):
    """Median, the 95 % interval of the median from order statistics, and the extremes. With fewer
    than six values there is no such interval: the extremes take its place."""
    v, n = sorted(values), len(values)
    rank = 0
    while n >= 6 and 2 * sum(math.comb(n, i) for i in range(rank + 1)) / 2**n <= 0.05:
        rank += 1
    rank = max(rank, 1)
    return {"median": statistics.median(v), "low": v[rank - 1], "high": v[n - rank], "least": v[0],
            "most": v[-1], "count": n}


def ratio(above, below):
    return spread([a / b for a, b in zip(above.blocks, below.blocks)])
