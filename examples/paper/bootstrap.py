# SPDX-License-Identifier: MIT
"""Intervals by resampling: what would come out if other recordings of the same kind were tested."""
import math
import random

RESAMPLES = 2000
SEED = 1  # of all resamples: tables that are made again are the same
CUT = 0.025  # at both ends


def drawn(sizes, rng):
    """As many items as there are, with replacement; each stratum has items of its own."""
    begin = 0
    for size in sizes:
        for _ in range(size):
            yield begin + int(rng.random() * size)
        begin += size


def sums(columns, sizes):
    """The sums of all columns over the same items, for each resample of items in strata."""
    rng = random.Random(SEED)
    for _ in range(RESAMPLES):
        items = list(drawn(sizes, rng))
        yield [sum(map(column.__getitem__, items)) for column in columns]


def interval(values):
    """What lies between the cuts. None lies beyond both: where nothing can be said, no bound is."""
    cut = int(CUT * len(values))
    low = sorted(-math.inf if value is None else value for value in values)
    high = sorted(math.inf if value is None else value for value in values)
    return low[cut], high[-1 - cut]
