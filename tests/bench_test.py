#!/usr/bin/env python3
"""tools/bench's own arithmetic, pictures and exit codes, on made-up rows: an instrument that lies is worse than none."""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
loader = importlib.machinery.SourceFileLoader("bench_tool", str(ROOT / "tools" / "bench"))
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_tool", loader))
loader.exec_module(bench)

import charts  # noqa: E402
import fixtures  # noqa: E402
import flame  # noqa: E402
import measure as m  # noqa: E402
import table  # noqa: E402
from sections import end_to_end  # noqa: E402


class Ticking:
    """A clock that each side of a pair moves on."""

    def __init__(self, step=0.0):
        self.now, self.step = 0.0, step

    def __call__(self):
        return self.now


class MadeUp(m.Row):
    what = "made up"

    def __init__(self, ours, theirs, goal=1.0, direction="higher", order=None, name="a row", clock=None):
        super().__init__("made-up", [m.Goal(name, "1/s", goal, "a peer", direction)])
        self.figures = {"ours": list(ours), "theirs": list(theirs)}
        self.order = order if order is not None else []
        self.clock, self.closed = clock, False
        self.stack.callback(lambda: setattr(self, "closed", True))

    def next_of(self, side):
        self.order.append(side)
        if self.clock:
            self.clock.now += self.clock.step
        value = self.figures[side].pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    def ours(self):
        return self.next_of("ours")

    def theirs(self):
        return self.next_of("theirs")


def measured(ours, theirs, **options):
    """All the figures, however noisy."""
    clock = Ticking(1.0)
    (result,) = m.measure(MadeUp(ours, theirs, clock=clock, **options), 2 * len(ours) - 0.5, clock)
    return result


class Measuring(unittest.TestCase):
    def test_the_sides_run_in_turn_and_the_ratio_is_the_median_of_the_pairs(self):
        order = []
        row = measured([10, 30, 20], [10, 10, 40], order=order)
        self.assertEqual(order, ["ours", "theirs"] * 3)
        self.assertEqual((row["ours"], row["theirs"], row["ratio"], row["pairs"]), (20, 10, 1.0, 3))

    def test_pairs_end_as_soon_as_the_median_is_known(self):
        quiet = [100, 101, 99] + [1000] * 10
        self.assertEqual(m.measure(MadeUp(quiet, [100] * 13), 1e9)[0]["pairs"], 3)

    def test_pairs_go_on_while_it_is_not(self):
        ours = [100, 130, 100, 101, 99, 100, 100, 101, 99, 100, 100]
        row = m.measure(MadeUp(ours, [100] * 11), 1e9)[0]
        self.assertGreater(row["pairs"], 5)
        self.assertFalse(row["noisy"])

    def test_a_row_that_stays_noisy_ends_with_its_time_and_says_so(self):
        clock = Ticking(1.0)
        row = m.measure(MadeUp([100, 200] * 20, [100] * 40, clock=clock), 20, clock)[0]
        self.assertEqual((row["pairs"], row["noisy"], row["seconds"]), (10, True, 20))

    def test_a_row_gets_its_three_pairs_at_the_others_cost_but_not_at_any(self):
        clock = Ticking(1.0)
        self.assertEqual(m.measure(MadeUp([1] * 9, [1] * 9, clock=clock), 2.5, clock)[0]["pairs"], 3)
        row = m.measure(MadeUp([1] * 9, [1] * 9, clock=clock), 0.0, clock)[0]
        self.assertEqual((row["pairs"], row["noisy"]), (1, True))

    def test_the_medians_interval_is_that_of_the_order_statistics(self):
        self.assertEqual(m.median_interval([3, 1, 2]), (1, 3))
        self.assertEqual(m.median_interval(range(1, 6)), (1, 5))     # 94 %; without the outermost it would be 63 %
        self.assertEqual(m.median_interval(range(1, 9)), (2, 7))     # 93 %
        self.assertEqual(m.median_interval(range(1, 12)), (3, 9))    # 93 %
        self.assertEqual(m.median_interval([7]), (7, 7))

    def test_noise_is_that_interval_as_a_share_of_the_median(self):
        self.assertAlmostEqual(m.noise_of([1.1, 1.0, 0.9]), 0.2)
        self.assertAlmostEqual(m.noise_of([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 5.0]), 0)

    def test_a_goal_is_met_from_its_own_direction(self):
        self.assertTrue(measured([9] * 3, [10] * 3, goal=0.9)["met"])
        self.assertFalse(measured([8.9] * 3, [10] * 3, goal=0.9)["met"])
        self.assertTrue(measured([11] * 3, [10] * 3, goal=1.1, direction="lower")["met"])
        self.assertFalse(measured([12] * 3, [10] * 3, goal=1.1, direction="lower")["met"])

    def test_one_run_can_serve_several_goals_and_none_may_be_left_out(self):
        class Two(MadeUp):
            def ours(self):
                return [2.0, 3.0]

            def theirs(self):
                return [1.0] if self.short else [1.0, 1.0]
        row = Two([], [])
        row.goals = [m.Goal("first", "1/s", 1.0, "a"), m.Goal("second", "1/s", 4.0, "b")]
        row.short = False
        self.assertEqual([(r["name"], r["ratio"], r["met"]) for r in m.measure(row, 1e9)], [("first", 2.0, True), ("second", 3.0, False)])
        row.short = True
        with self.assertRaisesRegex(ValueError, "2 figures of ours and 1 of theirs for 2 goals"):
            m.measure(row, 1e9)

    def test_nothing_is_divided_by_a_peer_that_did_nothing(self):
        with self.assertRaisesRegex(ValueError, "theirs is 0"):
            m.measure(MadeUp([1], [0]), 1e9)

    def test_what_a_row_leaves_of_its_time_goes_to_the_others(self):
        clock = Ticking()
        budget = m.Budget(100, [1, 1, 2], clock)
        self.assertEqual(budget.next_row(), 25)
        clock.now = 10
        self.assertEqual(budget.next_row(), 30)
        clock.now = 110
        self.assertEqual(budget.next_row(), 0)


class Tool(unittest.TestCase):
    def run_tool(self, *rows, arguments=("--json",), charts_of=None):
        class MadeUpSection:
            pass
        section = MadeUpSection()
        section.rows = lambda shared: list(rows)
        if charts_of:
            section.charts = charts_of
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as svg, \
                contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            before, bench.sections.SECTIONS = bench.sections.SECTIONS, {"made-up": section}
            argv, sys.argv = sys.argv, ["bench", "--no-build", "--quick", "--folder", folder, "--svg", svg, *arguments]
            try:
                code = bench.main()
                left = list(pathlib.Path(folder).iterdir())
                self.pictures = {f.name: f.read_text() for f in pathlib.Path(svg).iterdir()}
            finally:
                bench.sections.SECTIONS, sys.argv = before, argv
        self.assertEqual(left, [], "what it wrote is gone")
        self.said = err.getvalue()
        return code, json.loads(out.getvalue()) if "--json" in arguments else out.getvalue()

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

    def test_a_row_whose_preparation_crashed_ends_what_it_had_started(self):
        row = MadeUp([1] * 3, [1] * 3)
        row.prepare = lambda: (_ for _ in ()).throw(ValueError("no start"))
        self.assertEqual(self.run_tool(row)[0], 1)
        self.assertTrue(row.closed)

    def test_a_row_that_cannot_be_measured_here_is_skipped_loudly(self):
        code, rows = self.run_tool(MadeUp([m.Skip("fio isn't installed")], []), MadeUp([1] * 3, [1] * 3))
        self.assertEqual((code, rows[0]["skipped"]), (0, "fio isn't installed"))
        self.assertIn("1 skipped", self.said)
        self.assertEqual(self.said.count("SKIPPED"), 2)

    def test_no_rows_at_all_fail_the_run(self):
        self.assertEqual(self.run_tool(), (1, []))

    def test_every_measured_row_has_the_promised_fields(self):
        _, rows = self.run_tool(MadeUp([1] * 3, [2] * 3))
        for field in ("name", "ours", "theirs", "unit", "ratio", "goal", "direction", "met", "noise"):
            self.assertIn(field, rows[0])

    def test_a_section_tells_its_seconds_and_leaves_its_picture(self):
        panel = charts.Panel("A curve", "x", "y", [charts.Curve("one", [(1, 2), (10, 30)])], log_x=True)
        self.run_tool(MadeUp([1] * 3, [2] * 3), charts_of=lambda shared: [panel])
        self.assertRegex(self.said, r"made-up: \d+ s")
        self.assertEqual(list(self.pictures), ["made-up.svg"])
        ElementTree.fromstring(self.pictures["made-up.svg"])
        self.assertIn("A curve", self.pictures["made-up.svg"])

    def test_curves_that_fail_cost_no_row(self):
        code, rows = self.run_tool(MadeUp([1] * 3, [2] * 3), charts_of=lambda shared: 1 / 0)
        self.assertEqual((code, len(rows)), (0, 1))
        self.assertIn("no curves: division by zero", self.said)
        self.assertIn("made-up.svg", self.pictures)

    def test_markdown_is_a_table_to_paste(self):
        code, out = self.run_tool(MadeUp([1] * 3, [2] * 3), MadeUp([ValueError("broken")], []), arguments=("--markdown",))
        self.assertEqual(code, 1)
        self.assertIn("| made-up | a row | 1 | 2 | 1/s | 0.50 | ≥ 1.0 | **short** | 0 % |", out)
        self.assertIn("| made-up | a row | | | | | ≥ 1.0 | failed | |", out)

    def test_an_unknown_profile_is_no_success(self):
        self.assertEqual(self.run_tool(MadeUp([1], [1]), arguments=("--profile", "no such row"))[0], 2)


class TheList(unittest.TestCase):
    def goals(self):
        nowhere = fixtures.Shared("/nowhere", 1.0)
        return [(name, goal) for name, module in bench.sections.SECTIONS.items() for row in module.rows(nowhere) for goal in row.goals]

    def test_every_row_has_a_goal_a_direction_and_a_name_of_its_own(self):
        goals = self.goals()
        for _, goal in goals:
            self.assertGreater(goal.goal, 0)
            self.assertIn(goal.direction, ("higher", "lower"))
        names = [goal.name for _, goal in goals]
        self.assertEqual(sorted(names), sorted(set(names)))

    def test_the_page_lists_what_is_measured(self):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            bench.list_rows()
        self.assertIn(out.getvalue().strip(), (ROOT / "docs/performance.md").read_text(),
                      "docs/performance.md is stale: paste what tools/bench --list prints")


class Charts(unittest.TestCase):
    def test_ticks_are_round_and_hold_all_values(self):
        self.assertEqual(charts.linear_ticks(0, 97), [0, 20, 40, 60, 80, 100])
        self.assertEqual(charts.linear_ticks(0, 100), [0, 20, 40, 60, 80, 100])
        self.assertEqual(charts.linear_ticks(0, 0), [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0])
        self.assertEqual(charts.log_ticks(1, 4096), [1, 10, 100, 1000, 10000])
        self.assertEqual(charts.log_ticks(120, 900), [100, 200, 500, 1000])
        for low, high in ((3, 3), (0, 7), (0.001, 0.002), (5, 2e9)):
            ticks = charts.log_ticks(low, high)
            self.assertLessEqual(ticks[0], max(low, 1e-9))
            self.assertGreaterEqual(ticks[-1], high)

    def test_numbers_are_short(self):
        self.assertEqual([charts.number(v) for v in (0, 0.25, 12, 1500, 2_500_000)], ["0", "0.25", "12", "1.5k", "2.5M"])

    def test_names_are_escaped(self):
        picture = charts.svg("a & b", [charts.Panel("<t>", "x", "y", [charts.Curve("c<d", [(0, 1)])], x_names=["p50"])],
                             [{"name": "r&r", "ratio": 0.5, "goal": 1, "direction": "higher", "noisy": False, "met": False}])
        ElementTree.fromstring(picture)

    def test_rows_that_failed_have_no_bar(self):
        self.assertEqual(charts.draw_ratios([{"name": "x", "error": "broken"}], 0), ([], 0))


class Flame(unittest.TestCase):
    SCRIPT = """log 12/34 100.000001:
\t          3a2acc fill+0x14c (/b/bin/pump)
\t          3a2acd run+0x1 (/b/bin/pump)
\t  7f0000000000 [unknown] (/usr/lib/libc.so.6)

cc1plus   99/99  100.000002:
\t          350624 parse+0x34 (/usr/lib/gcc/cc1plus)

log 12/34 100.000003:
\t          3a2acc fill+0x200 (/b/bin/pump)
\t          3a2acd run+0x1 (/b/bin/pump)
\t  7f0000000000 [unknown] (/usr/lib/libc.so.6)

odd name 12/35 100.000004:
\t  ffffffff81000000 do_syscall_64+0x1 ([kernel.kallsyms])
\t          3a2acd operator()(int, char)+0x1 (/b/bin/pump)
"""

    def test_stacks_of_our_programs_are_folded_outermost_first(self):
        self.assertEqual(flame.fold(self.SCRIPT, "/b/bin"), {
            ("pump", "log", "[libc.so.6]", "run", "fill"): 2,
            ("pump", "odd name", "operator()(int, char)", "do_syscall_64"): 1})

    def test_a_frame_is_as_wide_as_its_share(self):
        picture = flame.svg("t", flame.fold(self.SCRIPT, "/b/bin"))
        ElementTree.fromstring(picture)
        self.assertIn("<title>fill: 2 samples, 66.7 %</title>", picture)
        self.assertIn('width="799.5"', picture)

    def test_without_perf_it_says_so(self):
        before, flame.shutil.which = flame.shutil.which, lambda name: None
        try:
            with self.assertRaisesRegex(flame.Unavailable, "perf isn't installed"):
                flame.record(lambda: None, "/nowhere", "/b/bin")
        finally:
            flame.shutil.which = before


class Visible(unittest.TestCase):
    JOURNAL = "1\ttransaction\t1\t10\t11\t1000000\n1\trolled-back\t1\t12\t0\t0\n2\ttransaction\t1\t13\t14\t3000000\n"

    def test_a_commit_is_timed_from_its_sending_to_its_last_row(self):
        sent = end_to_end.read_journal(self.JOURNAL)
        seen = end_to_end.read_seen("ready\n1\t1\t1500000\n1\t2\t2500000\n2\t1\t3100000\n2\t2\t3200000\n")
        self.assertEqual(end_to_end.latencies_us(sent, seen, 0), [500, 100])
        self.assertEqual(end_to_end.latencies_us(sent, seen, 0, rows=2), [1500, 200])
        self.assertEqual(end_to_end.latencies_us(sent, seen, 2_000_000), [100])

    def test_a_row_that_was_never_seen_fails_the_row(self):
        with self.assertRaisesRegex(Exception, "row 1 of table 2 was never seen"):
            end_to_end.latencies_us(end_to_end.read_journal(self.JOURNAL), {(1, 1): 5}, 0)

    def test_nothing_timed_is_no_figure(self):
        with self.assertRaisesRegex(Exception, "no transaction was timed"):
            end_to_end.latencies_us({}, {}, 0)

    def test_percentiles_are_values_that_occurred(self):
        self.assertEqual(end_to_end.percentiles(range(1, 101)), {"p50": 50, "p90": 90, "p99": 99, "p999": 100, "max": 100})
        self.assertEqual(end_to_end.percentiles([7]), {"p50": 7, "p90": 7, "p99": 7, "p999": 7, "max": 7})


class Lines(unittest.TestCase):
    def test_figures_are_short(self):
        self.assertEqual([table.figure(v) for v in (1234567, 99.94, 0.5)], ["1,234,567", "99.9", "0.5"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
