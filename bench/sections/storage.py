"""The log alone, beside bare durable writes: into a file that was written through before, into a fresh one, and as fio does them."""
from charts import Curve, Panel
from cluster.program import BIN
from fixtures import Fio, Folder, run_json
from measure import Goal, Row


class AppendRow(Row):
    def __init__(self, shared, name, run_bytes, in_flight, write_bytes, fields, unit, goal):
        size = f"{write_bytes >> 10} KiB" if write_bytes < 1 << 20 else f"{write_bytes >> 20} MiB"
        super().__init__("storage", [Goal(name, unit, goal, f"disk_ceiling: {size} writes, a written file"),
                                     Goal(f"{name}, fresh file", unit, goal, f"disk_ceiling: {size} writes, a fresh file")])
        self.what = f"log_append: prewrites of {run_bytes} B, {in_flight} un-acked, a fresh log"
        self.shared, self.run_bytes, self.in_flight, self.write_bytes, self.fields = shared, run_bytes, in_flight, write_bytes, fields

    def prepare(self):
        self.folder = self.stack.enter_context(Folder(self.shared.folder / "append"))

    def append(self):
        return append(self.folder, self.run_bytes, self.in_flight, self.shared.seconds)[self.fields[0]]

    def ours(self):
        return [self.append()] * 2

    def theirs(self):
        return [ceiling(self.folder, self.write_bytes, self.shared.seconds, state)[self.fields[1]] for state in ("recycled", "fresh")]


class AppendAndFioRow(AppendRow):
    def __init__(self, shared, name, run_bytes, in_flight, goal):
        super().__init__(shared, name, run_bytes, in_flight, 4 << 20, ("mb_per_second",), "MB/s", goal)
        self.goals = [Goal(f"{name}, fio", "MB/s", goal, "fio: sequential O_DIRECT writes of 4 MiB, each O_DSYNC")]

    def prepare(self):
        super().prepare()
        self.fio = Fio(self.folder)

    def ours(self):
        return self.append()

    def theirs(self):
        return self.fio.durable_writes(self.shared.seconds)


def append(folder, run_bytes, in_flight, seconds):
    with Folder(folder / "log") as log:
        return run_json(BIN / "log_append", log / "log", run_bytes, in_flight, seconds)


def ceiling(folder, write_bytes, seconds, state):
    if state == "fresh":
        with Folder(folder / "fresh") as fresh:
            return run_json(BIN / "disk_ceiling", fresh / "file", write_bytes, seconds, 1 << 30, "fresh")
    return run_json(BIN / "disk_ceiling", folder / "written", write_bytes, seconds, 256 << 20, state)


def rows(shared):
    mb = ("mb_per_second", "mb_per_second")
    return [
        AppendRow(shared, "append 3 KiB, one at a time", 3072, 1, 4096, ("appends_per_second", "writes_per_second"), "1/s", 0.87),
        AppendRow(shared, "append 1 KiB, 4096 in flight", 1024, 4096, 4 << 20, mb, "MB/s", 0.9),
        AppendRow(shared, "append 64 KiB, 256 in flight", 65536, 256, 4 << 20, mb, "MB/s", 0.9),
        AppendAndFioRow(shared, "append 1 KiB, 4096 in flight", 1024, 4096, 0.9),
    ]


def charts(shared):
    counts = (1, 4, 16, 64, 256, 1024, 4096)
    with Folder(shared.folder / "curve") as folder:
        runs = [append(folder, 1024, n, shared.seconds / 3) for n in counts]
        written = ceiling(folder, 4 << 20, shared.seconds / 3, "recycled")["mb_per_second"]
        small = ceiling(folder, 4096, shared.seconds / 3, "recycled")
    return [
        Panel("Log, appends of 1 KiB: throughput", "in flight", "MB/s",
              [Curve("log", list(zip(counts, (r["mb_per_second"] for r in runs)))),
               Curve("bare 4 MiB writes", [(n, written) for n in (counts[0], counts[-1])])], log_x=True, log_y=True),
        Panel("Log, appends of 1 KiB: latency", "in flight", "µs",
              [Curve("p50", list(zip(counts, (r["p50_us"] for r in runs)))), Curve("p99", list(zip(counts, (r["p99_us"] for r in runs)))),
               Curve("bare 4 KiB write, p50", [(n, small["p50_us"]) for n in (counts[0], counts[-1])])], log_x=True, log_y=True),
    ]
