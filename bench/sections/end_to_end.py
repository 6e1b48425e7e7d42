"""From a writer's sending its commit until a puller has the transaction, and until its row is visible in MariaDB."""
import json
import subprocess
import time

from charts import Curve, Panel
from cluster.nodes import http_get
from cluster.program import BIN, Failure, Program, wait_until
from fixtures import Folder, drainer_command, mariadb_target, run_json, start_pumps
from measure import Goal, Row
from sections.drainer import empty_tables, load

FIGURE_US = {"p50": 1500, "p99": 5000}
PERCENTILES = ("p50", "p90", "p99", "p999", "max")


def pumps_text(count):
    return f"{count} pump{'s' if count > 1 else ''}"


def percentile(ordered, percent):
    """Of values in ascending order: the smallest that so many of them don't exceed."""
    return ordered[max(0, min(len(ordered), -int(-len(ordered) * percent // 100)) - 1)]


def percentiles(latencies):
    ordered = sorted(latencies)
    return {"p50": percentile(ordered, 50), "p90": percentile(ordered, 90), "p99": percentile(ordered, 99),
            "p999": percentile(ordered, 99.9), "max": ordered[-1]}


def read_journal(text):
    """{(table, id): when its commit was sent, ns} of the committed transactions; one row each."""
    sent = {}
    for line in text.splitlines():
        worker, kind, sequence, _, _, at = line.split("\t")
        if kind == "transaction":
            sent[int(worker), int(sequence)] = int(at)
    return sent


def read_seen(text):
    return {(int(table), int(row)): int(at) for table, row, at in (line.split("\t") for line in text.splitlines() if "\t" in line)}


def latencies_us(sent, seen, since_ns, rows=1):
    """Of the transactions whose commit was sent since then. With several rows a transaction, its last one counts."""
    found = []
    for (table, sequence), at in sent.items():
        if at < since_ns:
            continue
        row = (table, sequence * rows)
        if row not in seen:
            raise Failure(f"row {row[1]} of table {table} was never seen downstream")
        found.append((seen[row] - at) / 1000)
    if not found:
        raise Failure("no transaction was timed")
    return found


class ServedRow(Row):
    RATE = 500  # transactions a second, open loop
    what = "loadgen mixed, 500 transactions a second of 200 B: from a commit's sending to a puller's having it"

    def __init__(self, shared, pumps):
        super().__init__("end-to-end", [Goal(f"commit to served, {pumps_text(pumps)}, {p}", "µs", 1.0, "the figure aimed at", "lower")
                                        for p in FIGURE_US])
        self.shared, self.pumps = shared, pumps

    def prepare(self):
        self.addresses = start_pumps(self.stack, self.shared.folder, self.pumps)

    def ours(self):
        result = run_json(BIN / "loadgen", "mixed", "--pumps", self.addresses, "--rate", self.RATE, "--seconds", self.shared.seconds,
                          "--payload-bytes", 200, "--json")
        if result["visible_us"]["count"] != result["commits"]:
            raise Failure(f"{result['visible_us']['count']} of {result['commits']} commits were timed")
        self.shared.made[f"served, {pumps_text(self.pumps)}"] = result["visible_us"]
        return [result["visible_us"][p] for p in FIGURE_US]

    def theirs(self):
        return list(FIGURE_US.values())


class DownstreamRow(Row):
    """A drainer into MariaDB, a writer, and somebody who looks for the rows."""
    weight = 2

    def prepare(self):
        self.work = self.stack.enter_context(Folder(self.shared.folder / "visible"))
        self.addresses = start_pumps(self.stack, self.work, self.pumps)
        self.mariadb = self.shared.mariadb()
        self.history, self.journal = self.work / "history.json", self.work / "journal.tsv"
        # An empty table, to be had before the first row: the history's SQL, and a ts that all that comes is above.
        self.last = self.write("--transactions", self.pumps)["last_commit_ts"]

    def write_command(self, *arguments):
        return [str(a) for a in (BIN / "loadgen", "write", "--pumps", self.addresses, "--format", "tidb", "--inserts-only",
                                 "--schema-history", self.history, "--journal", self.journal, "--json", *arguments)]

    def write(self, *arguments):
        return run_json(*self.write_command(*arguments))

    def start_drainer(self, stack_folder):
        drainer = Program("drainer", drainer_command(stack_folder / "data", self.addresses, self.history, mariadb_target(self.mariadb),
                                                     "--initial-commit-ts", self.last), stack_folder / "log")
        port = int(drainer.command[drainer.command.index("--addr") + 1].rsplit(":", 1)[1])
        return drainer.start(), port

    def look(self, stack_folder):
        looker = Program("rows_seen", [BIN / "rows_seen", "--port", self.mariadb.port, "--tables", self.pumps, "--seconds", 120],
                         stack_folder / "seen")
        looker.start_with_input()
        looker.wait_ready(lambda: "ready" in looker.text(), 20, "it looks")
        return looker

    def rows_downstream(self):
        tables = range(1, self.pumps + 1)
        return int(self.mariadb.query("select " + "+".join(f"(select count(*) from sbtest.sbtest{t})" for t in tables))[0][0])

    def seen_by(self, looker, transactions, rows):
        """All that it saw once every row is there."""
        wait_until(lambda: self.rows_downstream() >= transactions * rows, 120, "all rows downstream")
        time.sleep(0.02)  # one more look
        looker.end_input()
        if looker.wait(20) != 0:
            raise Failure(looker.tail())
        return read_seen(looker.text())


class VisibleRow(DownstreamRow):
    RATE, WARM_NS = 200, 100_000_000
    what = "loadgen write --format tidb, 200 one-row transactions a second, a live drainer: from a commit's sending to its row in MariaDB"

    def __init__(self, shared, pumps):
        super().__init__("end-to-end", [Goal(f"commit to visible, {pumps_text(pumps)}, {p}", "µs", 1.0, "the figure aimed at", "lower")
                                        for p in FIGURE_US])
        self.shared, self.pumps = shared, pumps

    def warm(self):
        """A drainer's first transaction makes its tables and opens its connections: that is its start's, not its latency."""
        written = self.write("--transactions", 10 * self.pumps)
        wait_until(lambda: self.rows_downstream() >= written["commits"], 60, "the first transactions downstream")
        for table in range(1, self.pumps + 1):  # the next write counts its rows from 1 again
            self.mariadb.query(f"truncate table sbtest.sbtest{table}")

    def ours(self):
        empty_tables(self.mariadb, self.history)
        with Folder(self.work / "run") as run:
            drainer, port = self.start_drainer(run)
            try:
                drainer.wait_ready(lambda: http_get(port, "/readyz")[0] == 200, 60, "it is ready")
                self.warm()
                looker = self.look(run)
                written = self.write("--rate", self.RATE, "--seconds", self.shared.seconds + self.WARM_NS / 1e9)
                self.last = written["last_commit_ts"]
                seen = self.seen_by(looker, written["commits"], 1)
            finally:
                drainer.kill()
        sent = read_journal(self.journal.read_text())
        found = percentiles(latencies_us(sent, seen, min(sent.values()) + self.WARM_NS))
        self.shared.made[f"visible, {pumps_text(self.pumps)}"] = found
        return [found[p] for p in FIGURE_US]

    def theirs(self):
        return list(FIGURE_US.values())


class CatchUpRow(DownstreamRow):
    """A backlog lies before what is written live: how long until that is visible, beside the time that the backlog takes to load."""
    weight, ROWS, BACKLOG_S, LIVE_RATE = 3, 5, 1, 100
    what = ("a drainer starts with 8,000 transactions (--quick: 2,400) of 5 rows before it while 100 a second are written: from a commit's "
            "sending to its row in MariaDB")

    def __init__(self, shared, pumps):
        super().__init__("end-to-end", [Goal(f"commit to visible behind a backlog, {pumps_text(pumps)}, p99", "ms", 1.18,
                                             "the backlog loaded by mariadb_loader, 4 connections", "lower")])
        self.shared, self.pumps = shared, pumps
        self.backlog_rate = round(4000 * shared.seconds)

    def ours(self):
        empty_tables(self.mariadb, self.history)
        live = 2 + self.shared.seconds
        workload = self.work / "workload.txt"
        workload.write_text(f"backlog {self.BACKLOG_S} {self.backlog_rate}\nlive {live} {self.LIVE_RATE}\n")
        with Folder(self.work / "run") as run:
            looker = self.look(run)
            with open(run / "written", "w", encoding="utf-8") as out:
                writer = subprocess.Popen(self.write_command("--workload", workload, "--rows", self.ROWS), stdout=out,
                                          stderr=subprocess.DEVNULL)
            drainer = None
            try:
                time.sleep(self.BACKLOG_S + 0.3)
                started = time.monotonic_ns()
                drainer, _ = self.start_drainer(run)
                if writer.wait(120) != 0:
                    raise Failure("loadgen write failed")
                sent = read_journal(self.journal.read_text())
                seen = self.seen_by(looker, len(sent), self.ROWS)
            finally:
                writer.kill()
                writer.wait()
                if drainer:
                    drainer.kill()
            self.last = json.loads((run / "written").read_text())["last_commit_ts"]
        self.backlog = sum(1 for at in sent.values() if at < started)
        return percentiles(latencies_us(sent, seen, started, self.ROWS))["p99"] / 1000

    def theirs(self):
        empty_tables(self.mariadb, self.history)
        return 1000 * self.backlog * self.ROWS / load(self.mariadb, self.backlog * self.ROWS, connections=4)


def rows(shared):
    return [*(ServedRow(shared, n) for n in (1, 3)), *(VisibleRow(shared, n) for n in (1, 3)), *(CatchUpRow(shared, n) for n in (1, 3))]


def charts(shared):
    """Of the rows' last runs."""
    def curves(what):
        return [Curve(pumps_text(n), [(i, shared.made[f"{what}, {pumps_text(n)}"][p]) for i, p in enumerate(PERCENTILES)])
                for n in (1, 3) if f"{what}, {pumps_text(n)}" in shared.made]
    return [Panel(f"Commit to {what}", "percentile", "µs", curves(what), log_y=True, x_names=PERCENTILES)
            for what in ("served", "visible") if curves(what)]
