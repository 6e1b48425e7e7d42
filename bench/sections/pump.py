"""A pump: the same load generator against it and against a bare program that speaks the same frames; and what it serves."""
import json
import subprocess

from charts import Curve, Panel
from cluster.program import BIN, Failure
from fixtures import Fio, run_json, start_pump, write
from measure import Goal, Row

PERCENTILES = ("p50", "p90", "p99", "p999", "max")


def payload(payload_bytes, in_flight):
    return ("--payload-bytes", payload_bytes, "--in-flight", in_flight, "--connections", 1)


class IngestRow(Row):
    def __init__(self, shared, name, payload_bytes, in_flight, goal, latency=False):
        super().__init__("pump", [Goal(name, "µs" if latency else "txn/s", goal, "the same against pump_ceiling", "lower" if latency else "higher")])
        self.what = f"loadgen write to a pump: payloads of {payload_bytes} B, {in_flight} in flight, one connection"
        self.shared, self.latency, self.load = shared, latency, payload(payload_bytes, in_flight)

    def prepare(self):
        self.pump = start_pump(self.stack, self.shared.folder)
        for address in (self.pump, self.shared.ceiling()):
            write(address, "--seconds", 0.3, *self.load)  # warm: files, pages, frequency

    def once(self, address):
        result = write(address, "--seconds", self.shared.seconds, *self.load)
        return result["latency_us"]["prewrite"]["p50"] if self.latency else result["transactions_per_second"]

    def ours(self):
        return self.once(self.pump)

    def theirs(self):
        return self.once(self.shared.ceiling())


class LoadgenRow(Row):
    """Whether the instrument itself is fast enough: without a disk it must be well above what a disk allows."""

    def __init__(self, shared, name, payload_bytes, in_flight, goal):
        super().__init__("pump", [Goal(name, "txn/s", goal, "the same with a disk")])
        self.what = "loadgen write to pump_ceiling --disk none"
        self.shared, self.load = shared, payload(payload_bytes, in_flight)

    def ours(self):
        return write(self.shared.ceiling("none"), "--seconds", self.shared.seconds, *self.load)["transactions_per_second"]

    def theirs(self):
        return write(self.shared.ceiling(), "--seconds", self.shared.seconds, *self.load)["transactions_per_second"]


def stream(seconds):
    return run_json(BIN / "stream_ceiling", "--seconds", seconds)["mb_per_second"]


class CatchUpPullRow(Row):
    """All that a pump has, from its first transaction on."""
    TRANSACTIONS, FIGURE = 200_000, 1_500_000
    what = "loadgen pull of 200,000 transactions of 800 B that a pump has"

    def __init__(self, shared):
        name = "catch-up pull, 800 B"
        super().__init__("pump", [Goal(name, "txn/s", 1.0, "the figure aimed at"),
                                  Goal(f"{name}, bytes", "MB/s", 0.8, "stream_ceiling: one loopback TCP stream")])
        self.shared = shared

    def prepare(self):
        self.pump = start_pump(self.stack, self.shared.folder)
        write(self.pump, "--transactions", self.TRANSACTIONS, *payload(800, 4096))

    def pull(self):
        result = run_json(BIN / "loadgen", "pull", "--pumps", self.pump, "--json")
        if result["transactions"] < self.TRANSACTIONS:
            raise Failure(f"only {result['transactions']} of {self.TRANSACTIONS} transactions were served")
        return result

    def ours(self):
        result = self.pull()
        return [result["transactions_per_second"], result["mb_per_second"]]

    def theirs(self):
        return [self.FIGURE, stream(self.shared.seconds / 2)]


class PullAndFioRow(CatchUpPullRow):
    def __init__(self, shared):
        super().__init__(shared)
        self.goals = [Goal("catch-up pull, 800 B, fio", "MB/s", 0.9, "fio: sequential O_DIRECT reads of 1 MiB")]

    def prepare(self):
        self.fio = Fio(self.shared.folder)
        self.stack.callback(lambda: self.fio.file.unlink(missing_ok=True))
        super().prepare()

    def ours(self):
        return self.pull()["mb_per_second"]

    def theirs(self):
        return self.fio.reads(self.shared.seconds / 2)


class TailPullRow(Row):
    """A puller that follows a writer at full speed. It can't be faster than the writer: the stream beside the same writer can."""
    what = "loadgen pull behind the present, beside loadgen write of 800 B payloads, 4096 in flight"

    def __init__(self, shared):
        super().__init__("pump", [
            Goal("tail pull, 800 B, while written", "MB/s", 0.8, "stream_ceiling beside the same writer"),
            Goal("ingest while a tail is pulled", "txn/s", 0.95, "the same writer with nobody pulling")])
        self.shared, self.load = shared, payload(800, 4096)

    def prepare(self):
        self.pump = start_pump(self.stack, self.shared.folder)
        self.last = write(self.pump, "--seconds", 0.3, *self.load)["last_commit_ts"]

    def write(self):
        written = write(self.pump, "--seconds", self.shared.seconds, *self.load)
        self.last = written["last_commit_ts"]
        return written

    def beside(self, *command):
        """What the writer and the command beside it printed."""
        other = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            written = self.write()
            out, err = other.communicate(timeout=60)
        finally:
            other.kill()
        if other.returncode != 0:
            raise Failure(f"{command[0]} ended with {other.returncode}: {err[-300:]}")
        return written, out

    def ours(self):
        written, out = self.beside(BIN / "loadgen", "pull", "--pumps", self.pump, "--after", self.last, "--seconds",
                                   self.shared.seconds + 1, "--json")
        pulled = json.loads(out)
        if pulled["transactions"] < written["commits"]:
            raise Failure(f"only {pulled['transactions']} of {written['commits']} transactions came to the tail's puller in time")
        return [pulled["bytes"] / 1e6 / pulled["span_seconds"], written["transactions_per_second"]]

    def theirs(self):
        _, out = self.beside(BIN / "stream_ceiling", "--seconds", self.shared.seconds)
        return [json.loads(out)["mb_per_second"], self.write()["transactions_per_second"]]


def rows(shared):
    return [
        IngestRow(shared, "ingest 1 KiB, 4096 in flight", 1024, 4096, 0.9),
        IngestRow(shared, "ingest 64 KiB, 64 in flight", 65536, 64, 0.9),
        IngestRow(shared, "ingest 112 B with its commit", 64, 16384, 0.7),
        IngestRow(shared, "ack latency p50, one in flight", 1024, 1, 1.15, latency=True),
        LoadgenRow(shared, "loadgen itself, 1 KiB, no disk", 1024, 4096, 1.5),
        LoadgenRow(shared, "loadgen itself, 112 B, no disk", 64, 16384, 1.5),
        CatchUpPullRow(shared),
        PullAndFioRow(shared),
        TailPullRow(shared),
    ]


def charts(shared):
    counts = (1, 16, 256, 4096)
    pump = start_pump(shared.stack, shared.folder, "pump-of-curves")
    runs = {name: [write(address, "--seconds", shared.seconds / 3, *payload(1024, n)) for n in counts]
            for name, address in (("pump", pump), ("pump_ceiling", shared.ceiling()))}
    light = {name: write(address, "--seconds", shared.seconds / 2, "--rate", 1000, "--payload-bytes", 1024)["latency_us"]["transaction"]
             for name, address in (("pump", pump), ("pump_ceiling", shared.ceiling()))}
    return [
        Panel("Ingest of 1 KiB, one connection: throughput", "in flight", "transactions/s",
              [Curve(name, [(n, run["transactions_per_second"]) for n, run in zip(counts, each)]) for name, each in runs.items()],
              log_x=True, log_y=True),
        Panel("Transactions at 1,000 a second: latency", "percentile", "µs",
              [Curve(name, [(i, latency[p]) for i, p in enumerate(PERCENTILES)]) for name, latency in light.items()],
              log_y=True, x_names=PERCENTILES),
    ]
