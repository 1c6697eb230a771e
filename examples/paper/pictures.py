# SPDX-License-Identifier: MIT
"""Draws results with gnuplot, as SVG: temperatures with error bars, learning curves, and such
curves of nets that learn from a share of the recordings."""
import math
import shutil
import subprocess

import pools
import results
import tables
from results import mean, standard_error

HEAD = """set terminal svg size {width},{height} noenhanced font 'sans-serif,12' \\
  background '#ffffff'
set output {path}
set multiplot layout {rows},{columns}
set border 3
set tics nomirror
set grid ytics lc rgb '#dddddd'
set key top right
"""
COLOURS = ["#2a6f97", "#e76f51", "#2a9d8f", "#9b5de5"]
PICTURES = {"mnist": {"learning": "Learning curves: mean loss over the seeds, by epoch",
                      "soft-targets": "Soft targets of six test images, at three temperatures"},
            "specialists": {"clusters": "The sets of classes of one seed's specialists"},
            "temperature": {"temperature": "Test errors by temperature, with standard errors"},
            "regularise": {"shares": "Frame accuracy on the development part by epoch, mean over "
                                     "the seeds: hard and soft targets of some recordings"}}
SOFT = (1, 4, 20)  # temperatures at which soft targets are shown


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"


def draw(path, panels):
    """Panels are commands, each with its own data."""
    if not shutil.which("gnuplot"):
        raise results.Bad(f"{path}: gnuplot is not there, so nothing is drawn")
    beside = path.with_suffix(".new")
    rows = (len(panels) + 2) // 3
    columns = -(-len(panels) // rows)
    script = HEAD.format(width=80 + 300 * columns, height=40 + 300 * rows, path=quoted(beside),
                         rows=rows, columns=columns)
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


def softmax(logits, temperature):
    """Tempered (eq. 1)."""
    most = max(logits)
    parts = [math.exp((z - most) / temperature) for z in logits]
    return [part / sum(parts) for part in parts]


def soft_targets(section):
    """A panel for each image that the first seed's teacher is almost wrong about."""
    teachers = [g for g in section.groups if g.row == "teacher" and g.ended()]
    first = next(iter(teachers[0].ended().values())) if teachers else {}
    panels = []
    for one in first.get("confusable", []):
        soft = [softmax(one["logits"], t) for t in SOFT]
        lines = [(c, *(p[c] for p in soft)) for c in range(len(one["logits"]))]
        plots = [f"$soft using 1:{i + 2} with linespoints pt 7 ps 0.5 lc rgb '{COLOURS[i]}' title "
                 + quoted(f"T = {t:g}") for i, t in enumerate(SOFT)]
        name = quoted(f"image {one['image']}, a {one['label']} (most like a {one['other']})")
        panels.append(f"{block('soft', lines)}set title {name}\nset xlabel 'class'\n"
                      "set ylabel 'soft target'\nset logscale y\nset format y '%g'\n"
                      "set yrange [1e-6:2]\nset xtics 1\nset key below horizontal\n"
                      "plot " + ", ".join(plots))
    return panels


def accuracy_curve(group):
    """Epochs of which every seed knows the frame accuracy on the development part."""
    curves = zip(*([None if errors is None else 100 * (1 - errors / result["held_out_frames"])
                    for errors in result.get("held_out_errors", [])]
                   for result in group.ended().values()))
    return [(epoch, mean(each)) for epoch, each in enumerate(curves, 1) if None not in each]


def regularise(section):
    """A panel for each share but the whole: hard against soft targets, without early stopping."""
    pool, panels = pools.make([section]), []
    shares = sorted({group.what["share"] for group in section.groups} - {100})
    for share in shares:
        data, plots = "", []
        for kind, colour in (("hard", COLOURS[1]), ("soft", COLOURS[0])):
            for i, system in enumerate(pool.of(f"{kind}, {share:g} %")):
                curve = accuracy_curve(system.groups[section.split])
                if curve:
                    data += block(f"{kind}{i}", curve)
                    plots.append(f"${kind}{i} with lines lw 1.5 dt {i + 1} lc rgb '{colour}' title "
                                 + title(pool.number(system), kind))
        if plots:
            panels.append(f"{data}set title '{share:g} % of the recordings'\nset xlabel 'epoch'\n"
                          "set ylabel 'frame accuracy, %'\nset logscale x\nset key bottom right\n"
                          "plot " + ", ".join(plots))
    return panels


def clusters(section):
    """A row for each set of the first seed; a class that is in several has a colour of its own."""
    groups = [g for g in section.groups if g.row == "clusters"]
    sets = next(iter(groups[0].ended().values()))["sets"] if groups else []
    if not sets:
        return []
    count = {name: sum(name in each for each in sets) for each in sets for name in each}
    labels = [f"set label {quoted(name)} at {x},{y} center font ',18' textcolor rgb "
              f"'{COLOURS[(count[name] - 1) % len(COLOURS)]}'"
              for y, each in enumerate(sets, 1) for x, name in enumerate(each)]
    width = max(len(each) for each in sets)
    return ["\n".join(labels) + "\nset title 'other colours: in several sets'\nunset xtics\n"
            f"set ytics 1,1,{len(sets)}\nunset grid\nset border 0\nunset key\n"
            f"set xrange [-1:{width}]\nset yrange [{len(sets) + 1}:0]\nplot -9"]


PANELS = {"learning": mnist, "clusters": clusters, "soft-targets": soft_targets,
          "temperature": temperature,
          "shares": regularise}


def pictures(folder):
    """Draws what there are results of: those of the first section, the paper's if it is there."""
    drawn = []
    for program, names in PICTURES.items():
        sections = results.read(folder, program)
        for name in names:
            panels = PANELS[name](sections[0]) if sections else []
            if panels:
                path = folder / f"{name}.svg"
                draw(path, panels)
                drawn.append(path)
    return drawn
