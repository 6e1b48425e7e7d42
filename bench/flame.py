"""A flame graph of what perf sampled: stacks folded and drawn by ourselves."""
import html
import pathlib
import re
import shutil
import subprocess

WIDTH, FRAME, NARROWEST = 1200, 17, 0.3
SAMPLE = re.compile(r"^(\S.*?)\s+\d+(?:/\d+)?\s+(?:\[\d+\]\s+)?[\d.]+:")
FRAME_LINE = re.compile(r"^\s+[0-9a-f]+\s+(.*?)\s+\((.*)\)\s*$")


class Unavailable(Exception):
    """No profile on this machine, and why."""


def fold(script, folder):
    """perf script's text -> {(program, thread, outermost, …, innermost): samples}, of the programs that lie in `folder`."""
    counts, thread, frames, program = {}, None, [], None

    def finish():
        if program:
            stack = (program, thread, *reversed(frames))
            counts[stack] = counts.get(stack, 0) + 1
    for line in script.splitlines():
        if header := SAMPLE.match(line):
            finish()
            thread, frames, program = header.group(1), [], None
        elif frame := FRAME_LINE.match(line):
            where = pathlib.Path(frame.group(2))
            if where.parent == pathlib.Path(folder):
                program = where.name
            name = re.sub(r"\+0x[0-9a-f]+$", "", frame.group(1))
            frames.append(name if name != "[unknown]" else f"[{where.name}]")
    finish()
    return counts


class Node:
    def __init__(self):
        self.samples, self.children = 0, {}

    def add(self, stack, count):
        self.samples += count
        if stack:
            self.children.setdefault(stack[0], Node()).add(stack[1:], count)


def tree_of(counts):
    root = Node()
    for stack, count in counts.items():
        root.add(stack, count)
    return root


def colour(name):
    warm = sum(map(ord, name)) % 60
    return f"rgb({205 + warm % 50},{90 + warm * 2},{50 + warm % 30})"


def svg(title, counts):
    root = tree_of(counts)
    rectangles, deepest = [], 0

    def draw(node, name, x, depth):
        nonlocal deepest
        width = WIDTH * node.samples / root.samples
        if width < NARROWEST:
            return
        deepest = max(deepest, depth)
        rectangles.append((x, depth, width, name, node.samples))
        for child in sorted(node.children):
            draw(node.children[child], child, x, depth + 1)
            x += WIDTH * node.children[child].samples / root.samples
    if root.samples:
        draw(root, "all", 0.0, 0)
    height = (deepest + 1) * FRAME + 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
           'font-family="monospace" font-size="11">', '<rect width="100%" height="100%" fill="#ffffff"/>',
           f'<text x="8" y="20" font-size="14">{html.escape(title)}: {root.samples} samples</text>']
    for x, depth, width, name, samples in rectangles:
        y, told = height - (depth + 1) * FRAME - 4, f"{name}: {samples} samples, {100 * samples / root.samples:.1f} %"
        letters = int((width - 4) / 6.7)
        shown = name if len(name) <= letters else name[:letters - 1] + "…" if letters > 3 else ""
        out.append(f'<g><title>{html.escape(told)}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.2):.1f}" height="{FRAME - 1}" '
                   f'fill="{colour(name)}"/><text x="{x + 2:.1f}" y="{y + 12}">{html.escape(shown)}</text></g>')
    return "\n".join(out) + "\n</svg>\n"


def record(run, file, folder):
    """Samples the machine while run() runs; the folded stacks of the programs that lie in `folder`."""
    if not shutil.which("perf"):
        raise Unavailable("perf isn't installed (Debian: linux-perf)")
    # User stacks by DWARF: our programs are built without frame pointers.
    perf = subprocess.Popen(["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", "499", "--call-graph", "dwarf,8192", "-o", str(file)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        run()
    finally:
        perf.terminate()
        _, said = perf.communicate(timeout=60)
    if not pathlib.Path(file).exists():
        raise Unavailable(f"perf record failed: {said.strip()[:300]}")
    script = subprocess.run(["perf", "script", "-i", str(file), "-F", "comm,pid,time,ip,sym,dso"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    counts = fold(script.stdout, folder)
    if not counts:
        raise Unavailable(f"perf sampled nothing of the programs in {folder}: {script.stderr.strip()[:200]}")
    return counts
