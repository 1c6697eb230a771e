# SPDX-License-Identifier: MIT
"""Draws results with gnuplot, as SVG: temperatures with error bars, and learning curves."""
import shutil
import subprocess

import results
import tables
from results import mean, standard_error

HEAD = """set terminal svg size {width},340 noenhanced font 'sans-serif,12' background '#ffffff'
set output {path}
set multiplot layout 1,{panels}
set border 3
set tics nomirror
set grid ytics lc rgb '#dddddd'
set key top right
"""
COLOURS = ["#2a6f97", "#e76f51", "#2a9d8f", "#9b5de5"]
PICTURES = {"mnist": ("learning", "Learning curves: mean loss over the seeds, by epoch"),
            "temperature": ("temperature", "Test errors by temperature, with standard errors")}


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def draw(path, panels):
    """Panels are commands, each with its own data."""
    if not shutil.which("gnuplot"):
        raise results.Bad(f"{path}: gnuplot is not there, so nothing is drawn")
    beside = path.with_suffix(".new")
    script = HEAD.format(width=80 + 300 * len(panels), path=quoted(beside), panels=len(panels))
    done = subprocess.run(["gnuplot"], input=script + "\n".join(panels) + "\nunset multiplot\n",
                          capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise results.Bad(f"{path}: gnuplot: {' '.join(done.stderr.split())}")
    beside.replace(path)


def block(name, lines):
    return f"${name} << EOD\n" + "\n".join(" ".join(map(repr, line)) for line in lines) + "\nEOD\n"


def title(number, text):
    return quoted(f"{text} [{number}]" if number else text)


def temperature(section):
    """A panel for each width: it has its own scale, so small effects show."""
    sweeps = tables.by_width(section)
    panels = []
    for width in sorted({width for width, _ in sweeps}):
        data, plots = "", []
        for (of, number), sweep in sweeps.items():
            if of == width:
                name, colour = f"sweep{number}", COLOURS[len(plots) % len(COLOURS)]
                points = [(t, sweep[t].numbers()) for t in sorted(sweep)]
                data += block(name, [(t, mean(n), standard_error(n) or 0) for t, n in points])
                plots.append(f"${name} with yerrorlines pt 7 ps 0.5 lc rgb '{colour}' title "
                             + title(number, "distilled"))
        for group in section.groups:
            alone = group.kind() == "alone" and group.what["plan"]["hidden"] == width
            if alone and group.ended():
                plots.append(f"{mean(group.numbers())!r} with lines dt 2 lc rgb '#888888' title "
                             + title(section.number(group), "alone"))
        panels.append(f"{data}set title '{width} units'\nset xlabel 'T'\nset ylabel 'errors'\n"
                      "set logscale x 2\nset offsets graph 0.1, graph 0.1, graph 0.25, graph 0.05\n"
                      "plot " + ", ".join(plots))
    return panels


def mean_curve(group):
    """Epochs of which every seed knows the loss."""
    curves = zip(*(result.get("loss", []) for result in group.ended().values()))
    return [(epoch, mean(losses)) for epoch, losses in enumerate(curves, 1) if None not in losses]


def mnist(section):
    """A panel for each net: their losses are not of one kind."""
    panels = []
    for row in tables.PAPER_ERRORS:
        data, plots = "", []
        for group in section.groups:
            curve = mean_curve(group) if group.row == row else []
            if curve:
                number = section.number(group)
                data += block(f"curve{number}", curve)
                plots.append(f"$curve{number} with lines lw 1.5 lc rgb "
                             f"'{COLOURS[len(plots) % len(COLOURS)]}' title "
                             + title(number, tables.seeds(group)))
        if plots:
            panels.append(f"{data}set title '{row}'\nset xlabel 'epoch'\nset ylabel 'loss'\n"
                          "set logscale y\nset format y '%g'\nplot " + ", ".join(plots))
    return panels


def pictures(folder):
    """Draws what there are results of: those of the first section, the paper's if it is there."""
    drawn = []
    for program, panels_of in (("mnist", mnist), ("temperature", temperature)):
        sections = results.read(folder, program)
        panels = panels_of(sections[0]) if sections else []
        if panels:
            path = folder / f"{PICTURES[program][0]}.svg"
            draw(path, panels)
            drawn.append(path)
    return drawn
