#!/usr/bin/env python3
"""tools/bench's own arithmetic and exit codes, on made-up rows: an instrument that lies is worse than none."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
TOOL = pathlib.Path(__file__).resolve().parent.parent / "tools" / "bench"
loader = importlib.machinery.SourceFileLoader("bench_tool", str(TOOL))
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_tool", loader))
loader.exec_module(bench)


class MadeUp(bench.sections.Row):
    def __init__(self, ours, theirs, goal=1.0, direction="higher", order=None):
        super().__init__("made-up", "a row", "1/s", goal, "a peer", direction)
        self.figures = {"ours": list(ours), "theirs": list(theirs)}
        self.order = order if order is not None else []
        self.closed = False
        self.stack.callback(lambda: setattr(self, "closed", True))

    def next_of(self, side):
        self.order.append(side)
        value = self.figures[side].pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    def ours(self):
        return self.next_of("ours")

    def theirs(self):
        return self.next_of("theirs")


class Bench(unittest.TestCase):
    def test_the_sides_run_in_turn_and_the_ratio_is_the_median_of_the_pairs(self):
        order = []
        row = bench.measure(MadeUp([10, 30, 20], [10, 10, 40], order=order), 3)
        self.assertEqual(order, ["ours", "theirs"] * 3)
        self.assertEqual((row["ours"], row["theirs"], row["ratio"]), (20, 10, 1.0))

    def test_noise_is_how_far_the_pairs_ratios_lie_apart(self):
        self.assertFalse(bench.measure(MadeUp([100, 104], [100, 100]), 2)["noisy"])
        row = bench.measure(MadeUp([100, 110, 90], [100, 100, 100]), 3)
        self.assertEqual(row["noise"], 0.2)
        self.assertTrue(row["noisy"])

    def test_a_goal_is_met_from_its_own_direction(self):
        self.assertTrue(bench.measure(MadeUp([9], [10], 0.9), 1)["met"])
        self.assertFalse(bench.measure(MadeUp([8.9], [10], 0.9), 1)["met"])
        self.assertTrue(bench.measure(MadeUp([11], [10], 1.1, "lower"), 1)["met"])
        self.assertFalse(bench.measure(MadeUp([12], [10], 1.1, "lower"), 1)["met"])

    def run_tool(self, *rows):
        made_up = {"made-up": lambda folder, seconds: list(rows)}
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out, \
                contextlib.redirect_stderr(io.StringIO()):
            before, bench.sections.SECTIONS = bench.sections.SECTIONS, made_up
            arguments, sys.argv = sys.argv, ["bench", "--no-build", "--quick", "--json", "--folder", folder]
            try:
                code = bench.main()
                left = list(pathlib.Path(folder).iterdir())
            finally:
                bench.sections.SECTIONS, sys.argv = before, arguments
        self.assertEqual(left, [], "what it wrote is gone")
        return code, json.loads(out.getvalue())

    def test_a_short_row_is_told_and_ends_well(self):
        code, rows = self.run_tool(MadeUp([1] * 3, [2] * 3))
        self.assertEqual((code, rows[0]["met"]), (0, False))

    def test_a_row_that_crashed_fails_the_run_and_the_others_go_on(self):
        crashed, fine = MadeUp([1, ValueError("broken")], [1] * 3), MadeUp([1] * 3, [1] * 3)
        code, rows = self.run_tool(crashed, fine)
        self.assertEqual(code, 1)
        self.assertEqual([("error" in row) for row in rows], [True, False])
        self.assertIn("broken", rows[0]["error"])
        self.assertTrue(crashed.closed, "what it started is ended")

    def test_no_rows_at_all_fail_the_run(self):
        self.assertEqual(self.run_tool(), (1, []))

    def test_every_row_has_a_goal_and_every_measured_row_the_promised_fields(self):
        _, rows = self.run_tool(MadeUp([1] * 3, [2] * 3))
        for field in ("name", "ours", "theirs", "unit", "ratio", "goal", "direction", "met", "noise"):
            self.assertIn(field, rows[0])
        for section in bench.sections.SECTIONS.values():
            for row in section(pathlib.Path("/nowhere"), 1.0):
                self.assertGreater(row.goal, 0)
                self.assertIn(row.direction, ("higher", "lower"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
