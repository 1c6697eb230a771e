# SPDX-License-Identifier: MIT
"""What the numbers of a race say, and the tables that show it."""
import statistics

import contest
import gates

DISTURBED = 0.15  # share of a core that others took: then there is no verdict

def conclude(result, sides, quick):
    """Adds medians, ratios and verdicts of a race. `sides` are its contenders by name."""
    kd, threads = sides["libkd"], result["threads"]
    result["blocks"] = {name: side.all_blocks for name, side in sides.items()}
    result["steps_of_a_block"] = {name: side.steps for name, side in sides.items() if side.steps}
    result["us"] = {name: contest.spread(side.blocks) for name, side in sides.items()}
    tuned = [name for name in sides if name.startswith("tuned")]
    if tuned:
        best = min(tuned, key=lambda name: result["us"][name]["median"])
        result["best_variant"] = best.split()[1]
        result["us"]["best"], sides = result["us"][best], dict(sides, best=sides[best])
    for name in ("eager", "best"):
        if name in sides:
            result[f"times_{name}"] = contest.ratio(sides[name], kd)
    result["of_limit"] = contest.ratio(sides["limit"], kd)
    if "best" in sides:  # what libkd could reach and no more
        result["times_best_at_limit"] = contest.ratio(sides["best"], sides["limit"])
    details = sides["limit"].details
    parts = {key: contest.spread([d[key] for d in details])["median"] for key in details[0]}
    result["limit"] = parts
    # Had the memory been busy while exponentials were computed, the limit would have been this.
    result["limit_overlapped_us"] = parts["gemm_us"] + max(parts["stream_us"], parts["exp_us"])
    times, percent = gates.gate(result["workload"], threads)
    result["gates"] = {"times_best": times, "of_limit_percent": percent}
    result["verdicts"] = {
        "times_best": gates.verdict(result.get("times_best"), times),
        "of_limit": gates.verdict(result["of_limit"], percent and percent / 100),
    }
    if quick or result["disturbance"] > DISTURBED:
        word = "" if quick else "uncertain"
        result["verdicts"] = {what: said and word for what, said in result["verdicts"].items()}
    result["quoted"] = gates.QUOTED.get((result["workload"], threads), {})


def time_of(us):
    """Microseconds with three digits that count, in a unit that fits."""
    unit, value = ("us", us) if us < 1e4 else ("ms", us / 1e3)
    digits = 0 if value >= 1000 else 1 if value >= 100 else 2
    return f"{value:.{digits}f} {unit}"


def with_spread(spread):
    half = 50 * (spread["most"] - spread["least"]) / spread["median"]
    return f"{time_of(spread['median'])} ±{half:.0f}%"


def times(spread):
    return f"{spread['median']:.2f} [{spread['low']:.2f}, {spread['high']:.2f}]" if spread else "-"


def percent(spread):
    return f"{100 * spread['median']:.0f} [{100 * spread['low']:.0f}, {100 * spread['high']:.0f}]"


def wanted(value, unit=""):
    return "-" if value is None else "not slower" if value == "spread" else f"{value}{unit}"


def rate(result):
    """The figure that a step's time stands for: GFLOP/s, ns an element, or cases a second."""
    us = result["us"]["libkd"]["median"]
    if result["elements"]:
        return f"{us * 1e3 / result['elements']:.3f} ns/element"
    return f"{result['cases'] / us * 1e6:,.0f} cases/s, {result['gflop'] / us * 1e6:.0f} GFLOP/s"


def race_row(r):
    best = r["us"].get("best")
    return [r["workload"], str(r["threads"]), with_spread(r["us"]["libkd"]), rate(r),
            with_spread(r["us"]["eager"]) if best else "-",
            f"{with_spread(best)} {r['best_variant']}" if best else "-",
            f"{r['times_eager']['median']:.2f}" if best else "-", times(r.get("times_best")),
            wanted(r["gates"]["times_best"]), r["verdicts"]["times_best"]]


def limit_row(r):
    parts = r["limit"]
    shares = " + ".join(f"{time_of(parts[key])} {word}" for key, word in
                        (("gemm_us", "products"), ("stream_us", "stream"), ("exp_us", "exp"))
                        if parts[key] > 0.001 * parts["us"])
    attainable = r.get("times_best_at_limit")
    return [r["workload"], str(r["threads"]), with_spread(r["us"]["libkd"]),
            with_spread(r["us"]["limit"]), shares,
            f"{attainable['median']:.2f}" if attainable else "-", percent(r["of_limit"]),
            wanted(r["gates"]["of_limit_percent"], " %"), r["verdicts"]["of_limit"],
            r["quoted"].get("KANN", "-"), r["quoted"].get("ggml", "-")]


RACE_HEAD = ["", "T", "libkd", "that is", "PyTorch eager", "PyTorch best", "x eager",
             "x best [95 %]", "gate", ""]
LIMIT_HEAD = ["", "T", "libkd", "limit", "of which", "it x best", "libkd % of it [95 %]", "gate",
              "", "KANN / +BLAS, us", "ggml / +BLAS, us"]


def table(head, rows, markdown):
    if markdown:
        lines = [head, ["---"] * len(head)] + rows
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    widths = [max(len(line[i]) for line in [head] + rows) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in [head] + rows)


def foot(data, done):
    m = data["machine"]
    torch = next((r["torch"] for r in done if "torch" in r), None)
    lines = [
        f"{m['processor']}, {m['cores']} cores, {m['kernel']}; "
        f"{done[0]['blas'] if done else 'no BLAS'}; {m['compiler']}; "
        f"{'PyTorch ' + torch if torch else 'without PyTorch'}; {m['date']}; "
        f"commit {str(m['commit'])[:12]}{' and changes' if m['changed'] else ''}.",
        f"Medians of {data['pairs']} blocks of {data['block_seconds']} s, in turn, +- half the "
        "range; ratios of blocks of one round, with the 95 % interval of their median. T: threads. "
        f"Rounds that other programs disturbed (more than {100 * contest.QUIET:.0f} % of a core) "
        "were run again, up to three times as many.",
        "Gate: met if the median reaches it, missed if all of the interval lies below, else open.",
        "KANN and ggml: quoted from an earlier measurement on such a machine (KANN: cross-entropy "
        "with RMSprop; ggml: plain SGD, one loss).",
    ]
    for r in done:
        if r["disturbance"] > contest.QUIET:
            lines.append(f"{r['workload']}, T {r['threads']}: other programs took "
                         f"{100 * r['disturbance']:.0f} % of a core.")
    idle = max((statistics.mean(r["idle_share"]) for r in done), default=0.0)
    if idle > 0.02:
        lines.append("Careful: programs that should have slept took up to "
                     f"{100 * idle:.0f} % of a core.")
    if data["quick"]:
        lines.append("A quick look: short blocks, no torch.compile, no verdicts.")
    return lines


def tables(data, markdown):
    """All of it as text. For a terminal two tables; Markdown also says what each workload is."""
    done = [r for r in data["results"] if "failed" not in r]
    gap = "\n\n"
    text = table(RACE_HEAD, [race_row(r) for r in done], markdown) + gap
    text += table(LIMIT_HEAD, [limit_row(r) for r in done], markdown) + gap
    if markdown:
        names = sorted({r["workload"] for r in done}, key=gates.WORKLOADS.index)
        text += "\n".join(f"- {name}: {gates.WHAT[name]}" for name in names) + gap
    text += ("\n\n" if markdown else "\n").join(foot(data, done))
    for r in data["results"]:
        if "failed" in r:
            text += f"{gap}{r['workload']}, {r['threads']} threads FAILED: {r['failed']}"
    return text
