"""What tools/bench measures: sections of rows, each with a goal and a way to run ours and theirs once."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import time

from cluster.mariadb import MariaDb
from cluster.program import BIN, Failure, Program, free_port
from cluster.nodes import http_get


class Row:
    """A context: what both sides need lives while it is entered."""

    def __init__(self, section, name, unit, goal, their_name, direction="higher"):
        self.section, self.name, self.unit, self.goal = section, name, unit, goal
        self.their_name, self.direction = their_name, direction
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.prepare()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def prepare(self):
        pass

    def ours(self):
        raise NotImplementedError

    def theirs(self):
        raise NotImplementedError


def run_json(*command, timeout=120):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                          check=False)
    if done.returncode != 0:
        raise Failure(f"{pathlib.Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


class Folder:
    """Made when entered, gone when left."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __enter__(self):
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


# storage: the log alone, beside bare durable writes into a file that was written through before.

class AppendRow(Row):
    def __init__(self, folder, seconds, name, run_bytes, in_flight, write_bytes, field, unit, goal):
        super().__init__("storage", name, unit, goal, f"disk_ceiling, {write_bytes >> 10} KiB writes")
        self.folder, self.seconds = folder, seconds
        self.run_bytes, self.in_flight, self.write_bytes, self.field = run_bytes, in_flight, write_bytes, field

    def ours(self):
        with Folder(self.folder / "log") as log:
            return run_json(BIN / "log_append", log / "log", self.run_bytes, self.in_flight, self.seconds)[self.field[0]]

    def theirs(self):
        with Folder(self.folder / "disk") as disk:
            return run_json(BIN / "disk_ceiling", disk / "file", self.write_bytes, self.seconds)[self.field[1]]


def storage(folder, seconds):
    mb = ("mb_per_second", "mb_per_second")
    return [
        AppendRow(folder, seconds, "append 3 KiB, one at a time", 3072, 1, 4096, ("appends_per_second", "writes_per_second"), "1/s", 0.87),
        AppendRow(folder, seconds, "append 1 KiB, 4096 in flight", 1024, 4096, 4 << 20, mb, "MB/s", 0.9),
        AppendRow(folder, seconds, "append 64 KiB, 256 in flight", 65536, 256, 4 << 20, mb, "MB/s", 0.9),
    ]


# pump: the same load generator against our pump and against a bare program that speaks the same frames.

def start_pump(stack, folder, name="pump", time=("--time", "embedded")):
    data = stack.enter_context(Folder(folder / name))
    port = free_port()
    pump = Program(name, [BIN / "pump", "--addr", f"127.0.0.1:{port}", "--data-dir", data / "data", "--node-id", name, *time], data / "log")
    stack.callback(pump.kill)
    pump.start().wait_ready(lambda: http_get(port, "/healthz")[0] == 200, 60, "it is healthy")
    return f"127.0.0.1:{port}"


def start_ceiling(stack, folder, disk="sync"):
    data = stack.enter_context(Folder(folder / f"ceiling-{disk}"))
    ceiling = Program("pump_ceiling", [BIN / "pump_ceiling", "--file", data / "file", "--disk", disk], data / "log")
    stack.callback(ceiling.kill)
    ceiling.start().wait_ready(lambda: "listening" in ceiling.text(), 120, "it listens")
    return "127.0.0.1:" + ceiling.text().split()[1]


def write(address, seconds, *arguments):
    return run_json(BIN / "loadgen", "write", "--pumps", address, "--seconds", seconds, "--json", *arguments)


class IngestRow(Row):
    def __init__(self, folder, seconds, name, payload_bytes, in_flight, goal, latency=False):
        super().__init__("pump", name, "µs" if latency else "txn/s", goal, "pump_ceiling", "lower" if latency else "higher")
        self.folder, self.seconds, self.latency = folder, seconds, latency
        self.arguments = ["--payload-bytes", payload_bytes, "--in-flight", in_flight, "--connections", 1]

    def prepare(self):
        self.pump = start_pump(self.stack, self.folder)
        self.ceiling = start_ceiling(self.stack, self.folder)
        for address in (self.pump, self.ceiling):
            write(address, 0.3, *self.arguments)  # warm: files, pages, frequency

    def once(self, address):
        result = write(address, self.seconds, *self.arguments)
        return result["latency_us"]["prewrite"]["p50"] if self.latency else result["transactions_per_second"]

    def ours(self):
        return self.once(self.pump)

    def theirs(self):
        return self.once(self.ceiling)


class LoadgenRow(Row):
    """Whether the instrument itself is fast enough: without a disk it must be well above what a disk allows."""

    def __init__(self, folder, seconds, name, payload_bytes, in_flight, goal):
        super().__init__("pump", name, "txn/s", goal, "the same with a disk")
        self.folder, self.seconds = folder, seconds
        self.arguments = ["--payload-bytes", payload_bytes, "--in-flight", in_flight, "--connections", 1]

    def prepare(self):
        self.null = start_ceiling(self.stack, self.folder, "none")
        self.disk = start_ceiling(self.stack, self.folder)

    def ours(self):
        return write(self.null, self.seconds, *self.arguments)["transactions_per_second"]

    def theirs(self):
        return write(self.disk, self.seconds, *self.arguments)["transactions_per_second"]


class PullRow(Row):
    TRANSACTIONS = 100_000
    FIGURE = 1_500_000

    def __init__(self, folder, _seconds):
        super().__init__("pump", "pull of 800 B transactions", "txn/s", 1.0, "the figure aimed at")
        self.folder = folder

    def prepare(self):
        self.pump = start_pump(self.stack, self.folder)
        run_json(BIN / "loadgen", "write", "--pumps", self.pump, "--transactions", self.TRANSACTIONS, "--payload-bytes", 800,
                 "--in-flight", 4096, "--json")

    def ours(self):
        result = run_json(BIN / "loadgen", "pull", "--pumps", self.pump, "--json")
        if result["transactions"] < self.TRANSACTIONS:
            raise Failure(f"only {result['transactions']} of {self.TRANSACTIONS} transactions were served")
        return result["transactions_per_second"]

    def theirs(self):
        return self.FIGURE


def pump(folder, seconds):
    return [
        IngestRow(folder, seconds, "ingest 1 KiB, 4096 in flight", 1024, 4096, 0.9),
        IngestRow(folder, seconds, "ingest 64 KiB, 64 in flight", 65536, 64, 0.9),
        IngestRow(folder, seconds, "ingest 112 B with its commit", 64, 16384, 0.7),
        IngestRow(folder, seconds, "ack latency p50, one in flight", 1024, 1, 1.15, latency=True),
        LoadgenRow(folder, seconds, "loadgen itself, 1 KiB, no disk", 1024, 4096, 1.5),
        LoadgenRow(folder, seconds, "loadgen itself, 112 B, no disk", 64, 16384, 1.5),
        PullRow(folder, seconds),
    ]


# merge: the loser tree beside the figures aimed at, and beside std::priority_queue.

class MergeRow(Row):
    def __init__(self, _folder, seconds, name, ours, goal, theirs=None, figure=None):
        super().__init__("merge", name, "M keys/s", goal, "std::priority_queue" if theirs else "the figure aimed at")
        self.seconds, self.benchmark, self.peer, self.figure = min(seconds, 1.0), ours, theirs, figure

    def once(self, benchmark):
        result = run_json(BIN / "merge_benchmark", f"--benchmark_filter=^{benchmark}$", f"--benchmark_min_time={self.seconds / 2}",
                          "--benchmark_format=json")
        if not result["benchmarks"]:
            raise Failure(f"merge_benchmark has no {benchmark}")
        return result["benchmarks"][0]["items_per_second"] / 1e6

    def ours(self):
        return self.once(self.benchmark)

    def theirs(self):
        return self.figure or self.once(self.peer)


def merge(folder, seconds):
    return [
        MergeRow(folder, seconds, "8 sources, random keys", "merge<3>/run:0", 1.0, figure=40),
        MergeRow(folder, seconds, "8 sources, runs of 64", "merge<3>/run:64", 1.0, figure=200),
        MergeRow(folder, seconds, "8 sources, random keys, heap", "merge<3>/run:0", 1.15, theirs="heap<3>/run:0"),
        MergeRow(folder, seconds, "8 sources, runs of 64, heap", "merge<3>/run:64", 2.4, theirs="heap<3>/run:64"),
    ]


# drainer: catching up into MariaDB, apart from anything live.

class DrainRow(Row):
    """Inserts, updates and deletes of whole transactions, against inserts of as many rows by hand."""
    TRANSACTIONS, ROWS = 6000, 5

    def __init__(self, folder, _seconds):
        super().__init__("drainer", "catch-up into MariaDB", "changes/s", 0.85, "1000-row INSERTs by the mariadb client, one connection")
        self.folder = folder

    def prepare(self):
        work = self.stack.enter_context(Folder(self.folder / "drain"))
        self.mariadb = MariaDb(work)
        self.stack.callback(self.mariadb.kill)
        self.mariadb.start()
        self.pump = start_pump(self.stack, self.folder)
        self.history = work / "history.json"
        model = work / "model.tsv"
        self.written = run_json(BIN / "loadgen", "write", "--pumps", self.pump, "--transactions", self.TRANSACTIONS, "--rows", self.ROWS,
                                "--format", "tidb", "--schema-history", self.history, "--model", model, "--json")
        self.rows = [line.split("\t") for line in model.read_text().splitlines()]
        n, rows = self.TRANSACTIONS, self.ROWS
        self.changes = n * rows + (n - 3) * rows // 2 + (n // 3 - 1) * rows  # inserts, updates, deletes: docs/formats/loadgen.md
        self.work = work

    def empty_tables(self):
        self.mariadb.drop_everything_replicated()
        self.mariadb.query(pathlib.Path(f"{self.history}.sql").read_text())

    def ours(self):
        self.empty_tables()
        with Folder(self.work / "drainer") as data:
            begin = time.monotonic()
            done = subprocess.run([str(a) for a in (
                BIN / "drainer", "--addr", f"127.0.0.1:{free_port()}", "--data-dir", data, "--pumps", self.pump, "--schema-history",
                self.history, "--dest-db-type", "mysql", "--to-host", "127.0.0.1", "--to-port", self.mariadb.port, "--to-user",
                self.mariadb.user, "--until", self.written["last_commit_ts"])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, timeout=300, check=False)
            took = time.monotonic() - begin
        if done.returncode != 0:
            raise Failure(f"the drainer ended with {done.returncode}: {done.stdout[-300:]}")
        ((count,),) = self.mariadb.query("select count(*) from sbtest.sbtest1")
        if int(count) != len(self.rows):
            raise Failure(f"{count} rows downstream instead of {len(self.rows)}")
        return self.changes / took

    def theirs(self):
        self.empty_tables()
        sql = self.work / "bulk.sql"
        with open(sql, "w", encoding="utf-8") as out:
            for first in range(1, self.changes + 1, 1000):
                values = ",".join(f"({i},{r[2]},'{r[3]}','{r[4]}')" for i in range(first, min(first + 1000, self.changes + 1))
                                  for r in (self.rows[i % len(self.rows)],))
                out.write(f"insert into sbtest.sbtest1 values {values};\n")
        begin = time.monotonic()
        self.mariadb.query(f"source {sql}")
        return self.changes / (time.monotonic() - begin)


def drainer(folder, seconds):
    return [DrainRow(folder, seconds)]


# end-to-end, as far as the pumps: from a writer's sending its commit to a puller's having the transaction, at a light load.

class VisibleRow(Row):
    RATE = 500  # transactions a second, open loop

    def __init__(self, folder, seconds, pumps, percentile, figure):
        super().__init__("end-to-end", f"commit to served, {pumps} pump{'s' if pumps > 1 else ''}, {percentile}", "µs", 1.0,
                         "the figure aimed at", "lower")
        self.folder, self.seconds, self.pumps, self.percentile, self.figure = folder, seconds, pumps, percentile, figure

    def prepare(self):
        first = start_pump(self.stack, self.folder, "pump-1")
        others = [start_pump(self.stack, self.folder, f"pump-{i + 2}", ("--oracle", first)) for i in range(self.pumps - 1)]
        self.addresses = ",".join([first, *others])

    def ours(self):
        result = run_json(BIN / "loadgen", "mixed", "--pumps", self.addresses, "--rate", self.RATE, "--seconds", self.seconds,
                          "--payload-bytes", 200, "--json")
        if result["visible_us"]["count"] != result["commits"]:
            raise Failure(f"{result['visible_us']['count']} of {result['commits']} commits were timed")
        return result["visible_us"][self.percentile]

    def theirs(self):
        return self.figure


def end_to_end(folder, seconds):
    return [VisibleRow(folder, seconds, pumps, percentile, figure)
            for pumps in (1, 3) for percentile, figure in (("p50", 1500), ("p99", 5000))]


SECTIONS = {"storage": storage, "pump": pump, "merge": merge, "drainer": drainer, "end-to-end": end_to_end}
