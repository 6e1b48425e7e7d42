"""Charts as SVG, drawn by ourselves: lines over numbers, and the ratios of a section's rows against their goals."""
import html
import math

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 78, 28, 42, 78
INK, GRID = "#24292f", "#d8dee4"
COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#9a6700", "#8250df")
MET, SHORT, NOISY = "#1a7f37", "#cf222e", "#9a6700"


class Curve:
    def __init__(self, name, points):
        self.name, self.points = name, [(float(x), float(y)) for x, y in points]


class Panel:
    """`x_names`: what stands below 0, 1, 2 … in place of numbers."""

    def __init__(self, title, x_label, y_label, curves, log_x=False, log_y=False, x_names=None):
        self.title, self.x_label, self.y_label, self.curves = title, x_label, y_label, curves
        self.log_x, self.log_y, self.x_names = log_x, log_y, x_names


def number(value):
    """As short as a tick's label can be."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def linear_ticks(low, high, wanted=5):
    """Round numbers from at most `low` to at least `high`."""
    if high <= low:
        high = low + 1
    raw = (high - low) / wanted
    step = next(m * 10 ** math.floor(math.log10(raw)) for m in (1, 2, 2.5, 5, 10) if m * 10 ** math.floor(math.log10(raw)) >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def log_ticks(low, high):
    """Powers of ten, and where these are few, 2 and 5 times them."""
    low, high = max(low, 1e-9), max(high, low * 1.0001, 1e-9)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [10.0 ** d for d in decades]
    if len(ticks) <= 3:
        ticks = sorted({m * 10.0 ** d for d in decades for m in (1, 2, 5)})
    while len(ticks) > 1 and ticks[1] <= low:
        ticks.pop(0)
    while len(ticks) > 1 and ticks[-2] >= high:
        ticks.pop()
    return ticks


class Axis:
    def __init__(self, values, log, begin, end, from_zero=False):
        self.log = log
        low, high = min(values), max(values)
        self.ticks = log_ticks(low, high) if log else linear_ticks(min(0, low) if from_zero else low, high)
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.begin, self.end = begin, end

    def at(self, value):
        share = ((math.log10(max(value, self.low)) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low) or 1)
                 if self.log else (value - self.low) / (self.high - self.low or 1))
        return self.begin + share * (self.end - self.begin)


def text(x, y, what, anchor="middle", size=11, colour=INK, turned=False):
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{turn}>{html.escape(str(what))}</text>'


def line(x1, y1, x2, y2, colour, width=1.0, dash=""):
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def draw_panel(panel, top):
    """The SVG elements of one panel whose upper edge lies at `top`."""
    points = [p for curve in panel.curves for p in curve.points]
    bottom = top + HEIGHT - BOTTOM
    x_axis = Axis([p[0] for p in points], panel.log_x, LEFT, WIDTH - RIGHT)
    if panel.x_names:
        x_axis.ticks, x_axis.low, x_axis.high = list(range(len(panel.x_names))), 0, max(1, len(panel.x_names) - 1)
    y_axis = Axis([p[1] for p in points], panel.log_y, bottom, top + TOP, from_zero=True)
    out = [text(LEFT, top + 24, panel.title, "start", 14)]
    for tick in y_axis.ticks:
        out += [line(LEFT, y_axis.at(tick), WIDTH - RIGHT, y_axis.at(tick), GRID), text(LEFT - 6, y_axis.at(tick) + 4, number(tick), "end")]
    for tick in x_axis.ticks:
        name = panel.x_names[int(tick)] if panel.x_names else number(tick)
        out += [line(x_axis.at(tick), bottom, x_axis.at(tick), bottom + 4, INK), text(x_axis.at(tick), bottom + 17, name)]
    out += [line(LEFT, bottom, WIDTH - RIGHT, bottom, INK), line(LEFT, top + TOP, LEFT, bottom, INK),
            text((LEFT + WIDTH - RIGHT) / 2, bottom + 35, panel.x_label),
            text(18, (top + TOP + bottom) / 2, panel.y_label, turned=True)]
    legend = LEFT
    for i, curve in enumerate(panel.curves):
        colour, placed = COLOURS[i % len(COLOURS)], [(x_axis.at(x), y_axis.at(y)) for x, y in curve.points]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in placed) + '"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
        out += [line(legend, bottom + 56, legend + 18, bottom + 56, colour, 2), text(legend + 23, bottom + 60, curve.name, "start")]
        legend += 40 + 7 * len(curve.name)
    return out


def draw_ratios(rows, top):
    """A bar a row, how far its ratio lies from its goal: 1 is the goal whichever way it goes. (elements, height)"""
    rows = [row for row in rows if "ratio" in row]
    if not rows:
        return [], 0
    share = [(row["ratio"] / row["goal"] if row["direction"] == "higher" else row["goal"] / max(row["ratio"], 1e-9)) for row in rows]
    left, step, begin = 320, 22, top + TOP
    axis = Axis([0, 1, *(min(s, 3) for s in share)], False, left, WIDTH - 90)
    out = [text(16, top + 24, "Each row's ratio as a share of its goal (1: met)", "start", 14)]
    bottom = begin + step * len(rows)
    for tick in axis.ticks:
        out += [line(axis.at(tick), begin, axis.at(tick), bottom, GRID), text(axis.at(tick), bottom + 15, number(tick))]
    out.append(line(axis.at(1), begin, axis.at(1), bottom, INK, 1.5, "4 3"))
    for i, (row, value) in enumerate(zip(rows, share)):
        colour = NOISY if row["noisy"] else MET if row["met"] else SHORT
        y, width = begin + step * i + 4, axis.at(min(value, axis.high)) - left
        out += [f'<rect x="{left}" y="{y}" width="{max(width, 1):.1f}" height="{step - 8}" fill="{colour}"/>',
                text(left - 8, y + 11, row["name"], "end"),
                text(left + max(width, 1) + 6, y + 11, f"{row['ratio']:.2f}{' noisy' if row['noisy'] else ''}", "start")]
    return out, bottom + 30 - top


def svg(title, panels, rows=()):
    """One picture of a section: its ratios, then its panels, one below the other."""
    top, out = 30, [text(16, 22, title, "start", 12)]
    bars, height = draw_ratios(rows, top)
    out, top = out + bars, top + height
    for panel in panels:
        if any(curve.points for curve in panel.curves):
            out += draw_panel(panel, top)
            top += HEIGHT
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}" '
            'font-family="Helvetica, Arial, sans-serif">\n<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(out) + "\n</svg>\n")
