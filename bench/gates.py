# SPDX-License-Identifier: MIT
"""What libkd is held to, and the figures of others that were measured once and are only quoted."""

WORKLOADS = ("W1", "W2", "W3", "W3b1", "W4a", "W4b", "W5", "W6b1", "W6b32", "W7a", "W7g", "W8")

WHAT = {
    "W1": "distilling, live teacher 784-1200-1200-10, student 784-800-800-10, batch 128",
    "W2": "the same with cached teacher logits",
    "W3": "the same with student 784-30-30-10, batch 32",
    "W3b1": "the same, batch 1",
    "W4a": "soft loss and gradient, 256 x 14000",
    "W4b": "soft loss and gradient, 64 x 128000",
    "W5": "distilling, student 1040-8x2560-14000, cached logits, batch 256",
    "W6b1": "inference 784-800-800-10, batch 1",
    "W6b32": "inference, batch 32",
    "W7a": "arithmetic mean of 10 teachers, 256 x 14000",
    "W7g": "geometric mean of 10 teachers, 256 x 14000",
    "W8": "training 784-1200-1200-10 with dropout and max-norm, batch 128",
}

# workload: (times as fast as the best PyTorch with 1 thread, with 2; per cent of the limit with 1,
# with 2). "spread": not slower beyond the spread.
GATES = {
    "W1": (1.05, 1.03, 92, 85),
    "W2": (1.10, 1.25, 92, 85),
    "W3": (3.5, 3.5, 85, 85),
    "W3b1": (22, 22, 70, 70),
    "W4a": (3.5, 4.5, 55, 55),
    "W4b": (3.5, 4.5, 55, 55),
    "W5": ("spread", "spread", 97, 90),
    "W6b1": (1.2, 1.9, 85, 65),
    "W6b32": (1.0, 1.2, 80, 80),
    "W7a": (2.3, 2.3, 55, 55),
    "W7g": (1.4, 1.2, 60, 60),
    "W8": (1.25, 1.35, 90, 80),
}

# Microseconds a step, measured once on two cores of a Zen 4 server, not in this run. ggml: plain
# SGD, one loss term. KANN: cross-entropy with RMSprop on the same net. "a / b": without and with
# OpenBLAS.
QUOTED = {
    ("W2", 1): {"ggml": "24400 / 9300", "KANN": "39200 / 10500"},
    ("W2", 2): {"ggml": "15000 / 14900", "KANN": "24900 / 6750"},
    ("W3", 1): {"ggml": "134 / 86", "KANN": "251 / 46"},
    ("W3", 2): {"ggml": "179 / 173", "KANN": "252 / 46"},
    ("W3b1", 1): {"KANN": "20.7 / 13.2"},
}


def gate(workload, threads):
    """(times as fast, per cent of the limit), or Nones for numbers of threads that have no gate."""
    four = GATES[workload]
    return (four[threads - 1], four[threads + 1]) if threads in (1, 2) else (None, None)


def verdict(spread, wanted):
    """met: the median reaches it. missed: all of the 95 % interval lies below. open: neither is
    certain."""
    if not spread or wanted is None:
        return ""
    if wanted == "spread":
        return "met" if spread["high"] >= 1.0 else "missed"
    if spread["median"] >= wanted:
        return "met"
    return "missed" if spread["high"] < wanted else "open"
