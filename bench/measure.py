"""What a row is, and how it is measured: ours and theirs in turn until the median of their ratios is known well enough, or time is up."""
import contextlib
import math
import statistics
import time

NOISY_ABOVE = 0.05   # of the interval that the median of the ratios lies in
CONFIDENCE = 0.9
PAIRS_MIN = 3        # fewer say nothing about noise
PAIRS_MAX = 40
OVERDRAFT = 3        # a row may take so many times its share to come to PAIRS_MIN; those after it get the less


class Skip(Exception):
    """A row that can't be measured on this machine, and why: told loudly, no failure."""


class Goal:
    """One row of the table. `theirs`: what ours is set beside."""

    def __init__(self, name, unit, goal, theirs, direction="higher"):
        self.name, self.unit, self.goal, self.theirs, self.direction = name, unit, goal, theirs, direction


class Row:
    """Measures one goal or several at once: ours() and theirs() return a figure for each, or one figure where there is one goal.

    A context: what both sides need lives while it is entered; prepare() pushes it on self.stack.
    """
    weight = 1  # its share of the time, beside the others
    what = ""   # ours, in a line

    def __init__(self, section, goals):
        self.section, self.goals = section, goals
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self.prepare()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def prepare(self):
        pass

    def ours(self):
        raise NotImplementedError

    def theirs(self):
        raise NotImplementedError


def median_interval(values, confidence=CONFIDENCE):
    """(low, high): the order statistics between which the median lies with this confidence; of too few values: all there are."""
    ordered, count, cut = sorted(values), len(values), 1
    below = 1 / 2 ** count  # the chance that fewer than `cut` values lie on one side of the median
    while cut + 1 <= count // 2:
        more = below + math.comb(count, cut) / 2 ** count
        if 1 - 2 * more < confidence:
            break
        below, cut = more, cut + 1
    return ordered[cut - 1], ordered[-cut]


def noise_of(ratios):
    """How wide that interval is, as a share of the median."""
    low, high = median_interval(ratios)
    median = statistics.median(ratios)
    return (high - low) / median if median else math.inf


def result(section, goal, pairs, seconds):
    ratios = [ours / theirs for ours, theirs in pairs]
    ratio, noise = statistics.median(ratios), noise_of(ratios)
    met = ratio >= goal.goal if goal.direction == "higher" else ratio <= goal.goal
    return {"section": section, "name": goal.name, "ours": round(statistics.median(p[0] for p in pairs), 3),
            "theirs": round(statistics.median(p[1] for p in pairs), 3), "their_name": goal.theirs, "unit": goal.unit,
            "ratio": round(ratio, 4), "goal": goal.goal, "direction": goal.direction, "met": met, "noise": round(noise, 4),
            "noisy": noise > NOISY_ABOVE or len(pairs) < PAIRS_MIN, "pairs": len(pairs), "seconds": round(seconds, 1)}


def figures(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def measure(row, seconds_max, clock=time.monotonic):
    """The results of an entered row's goals. Pairs go on while any goal is noisy and the next pair fits into the time."""
    begin = clock()
    pairs = [[] for _ in row.goals]
    while True:
        before = clock()
        ours = figures(row.ours())
        theirs = figures(row.theirs())
        now = clock()
        if not len(ours) == len(theirs) == len(row.goals):
            raise ValueError(f"{len(ours)} figures of ours and {len(theirs)} of theirs for {len(row.goals)} goals")
        for collected, pair in zip(pairs, zip(ours, theirs)):
            if not pair[1] > 0:
                raise ValueError(f"theirs is {pair[1]}")
            collected.append(pair)
        done = len(pairs[0])
        quiet = done >= PAIRS_MIN and all(noise_of([o / t for o, t in collected]) <= NOISY_ABOVE for collected in pairs)
        allowed = seconds_max * (1 if done >= PAIRS_MIN else OVERDRAFT)
        if quiet or done >= PAIRS_MAX or now - begin + (now - before) > allowed:
            break
    return [result(row.section, goal, collected, clock() - begin) for goal, collected in zip(row.goals, pairs)]


class Budget:
    """Shares what is left of the time among the rows that are left, by their weights: a row that was quick leaves more to the others."""

    def __init__(self, seconds, weights, clock=time.monotonic):
        self.end, self.weights, self.clock = clock() + seconds, list(weights), clock

    def next_row(self):
        share = self.weights[0] / sum(self.weights)
        self.weights.pop(0)
        return max(0.0, (self.end - self.clock()) * share)
