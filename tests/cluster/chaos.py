"""Kills programs with -9 at random moments and starts them again; the seed reproduces which, and the waits between."""
import random
import time

from cluster.nodes import Drainer
from cluster.program import Failure


class Chaos:
    def __init__(self, seed, gap_seconds=(0.05, 0.6)):
        self.seed, self.gap_seconds = seed, gap_seconds
        self.random = random.Random(seed)
        self.kills = []

    def run(self, groups, times, seconds):
        """`groups`: lists of (node, restart) pairs. Kills `times` times, one of each group in turn, then leaves all running.
        A drainer that reached its --until is left alone; any other end of a program is a failure."""
        deadline = time.monotonic() + seconds
        while len(self.kills) < times:
            self._pause(sum(groups, []), self.random.uniform(*self.gap_seconds))
            groups = [running for group in groups if (running := [v for v in group if v[0].program.running()])]
            if not groups:
                break
            node, restart = self.random.choice(groups[len(self.kills) % len(groups)])
            node.kill()
            self.kills.append(node.name)
            restart()
            if time.monotonic() > deadline:
                raise Failure(f"{len(self.kills)} of {times} kills took {seconds} s (seed {self.seed})")
        return self.kills

    def _pause(self, victims, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for node, _ in victims:
                if not node.program.running() and not (isinstance(node, Drainer) and node.program.process.returncode == 0):
                    raise Failure(f"{node.name} ended by itself with exit code {node.program.process.returncode} (seed {self.seed})\n"
                                  f"{node.program.tail()}")
            time.sleep(0.01)
