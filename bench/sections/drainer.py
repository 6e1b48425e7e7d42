"""A drainer catching up, apart from anything live: into MariaDB and into files, from its start to its exit."""
import pathlib
import subprocess
import time

from cluster.program import BIN, Failure
from fixtures import Folder, drainer_command, mariadb_target, run_json, start_pump, write
from measure import Goal, Row


def drain(folder, pumps, history, target, until, timeout=300):
    """Seconds."""
    with Folder(folder) as data:
        begin = time.monotonic()
        done = subprocess.run(drainer_command(data, pumps, history, target, "--until", until), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
        took = time.monotonic() - begin
    if done.returncode != 0:
        raise Failure(f"the drainer ended with {done.returncode}: {done.stdout[-300:]}")
    return took


def empty_tables(mariadb, history):
    mariadb.drop_everything_replicated()
    mariadb.query(pathlib.Path(f"{history}.sql").read_text())


def load(mariadb, rows, connections, batch=1000, mode="bulk"):
    """Rows a second."""
    return run_json(BIN / "mariadb_loader", "--port", mariadb.port, "--rows", rows, "--batch", batch, "--connections", connections,
                    "--mode", mode)["rows_per_second"]


class Recorded(Row):
    """What loadgen wrote to a pump, to be drained again and again."""
    transactions_a_second = 0  # of the time a side has
    arguments = ()

    def prepare(self):
        self.work = self.stack.enter_context(Folder(self.shared.folder / "drain"))
        self.pump = start_pump(self.stack, self.work)
        self.history = self.work / "history.json"
        self.transactions = round(self.transactions_a_second * self.shared.seconds)
        self.written = write(self.pump, "--transactions", self.transactions, "--format", "tidb", "--schema-history", self.history,
                             *self.arguments)

    def drain_to_mariadb(self, mariadb, rows):
        empty_tables(mariadb, self.history)
        took = drain(self.work / "drainer", self.pump, self.history, mariadb_target(mariadb), self.written["last_commit_ts"])
        ((count,),) = mariadb.query("select count(*) from sbtest.sbtest1")
        if rows is not None and int(count) != rows:
            raise Failure(f"{count} rows downstream instead of {rows}")
        return took


class BulkRow(Recorded):
    """Inserts, updates and deletes of whole transactions, against inserts of as many rows by the fastest loader we know."""
    weight, transactions_a_second, ROWS = 3, 4000, 5
    what = "a drainer, start to exit: transactions of loadgen --format tidb --rows 5 into MariaDB; inserts, updates, deletes all count"
    arguments = ("--rows", ROWS)

    def __init__(self, shared):
        super().__init__("drainer", [
            Goal(f"catch-up into MariaDB, {n} connection{'s' if n > 1 else ''}", "changes/s", 0.85,
                 f"mariadb_loader: 1000-row inserts, {n} connection{'s' if n > 1 else ''}, bulk or text, whichever is faster")
            for n in (1, 4)])
        self.shared = shared

    def prepare(self):
        super().prepare()
        self.mariadb = self.shared.mariadb()
        n, rows = self.transactions, self.ROWS
        self.changes = n * rows + (n - 3) * rows // 2 + (n // 3 - 1) * rows  # docs/formats/loadgen.md
        self.left = sum(rows for s in range(1, n + 1) if not (s + 5 <= n and (s + 5) % 3 == 0))
        self.mode = {}
        for connections in (1, 4):
            trial = {mode: self.load(connections, mode, self.changes // 4) for mode in ("bulk", "multi")}
            self.mode[connections] = max(trial, key=trial.get)

    def load(self, connections, mode, rows):
        empty_tables(self.mariadb, self.history)
        return load(self.mariadb, rows, connections, mode=mode)

    def ours(self):
        return [self.changes / self.drain_to_mariadb(self.mariadb, self.left)] * 2

    def theirs(self):
        return [self.load(connections, self.mode[connections], self.changes) for connections in (1, 4)]


class ReplicationRow(Recorded):
    """The same transactions by MariaDB's own parallel replication: a replica that catches up with a primary's binlog."""
    weight = 3

    def __init__(self, shared, rows, transactions_a_second):
        super().__init__("drainer", [Goal(f"catch-up beside replication, {rows} row{'s' if rows > 1 else ''} a transaction", "rows/s", 2.0,
                                          "MariaDB's parallel replication, optimistic, 8 threads")])
        self.what = f"a drainer, start to exit: transactions of {rows} insert{'s' if rows > 1 else ''} into MariaDB"
        self.shared, self.rows, self.transactions_a_second = shared, rows, transactions_a_second
        self.arguments = ("--rows", rows, "--inserts-only")

    def prepare(self):
        super().prepare()
        self.total = self.rows * self.transactions
        self.mariadb = self.shared.mariadb()
        self.primary = self.shared.mariadb("primary", ("--log-bin", "--binlog-format=ROW", "--server-id=1", "--sync-binlog=0",
                                                       "--innodb-flush-log-at-trx-commit=0"))
        self.replica = self.shared.mariadb("replica", ("--server-id=2", "--slave-parallel-mode=optimistic", "--slave-parallel-threads=8",
                                                       "--slave-parallel-max-queued=16777216"))
        self.primary.drop_everything_replicated()
        self.primary.query("reset master")
        self.primary.query(pathlib.Path(f"{self.history}.sql").read_text())
        load(self.primary, self.total, connections=4, batch=self.rows, mode="multi")
        ((self.position,),) = self.primary.query("select @@gtid_binlog_pos")

    def ours(self):
        return self.total / self.drain_to_mariadb(self.mariadb, self.total)

    def theirs(self):
        self.replica.query("stop slave; reset slave all; set global gtid_slave_pos = ''")
        self.replica.drop_everything_replicated()
        self.replica.query(f"change master to master_host='127.0.0.1', master_port={self.primary.port}, master_user='root', "
                           "master_password='', master_use_gtid=slave_pos")
        begin = time.monotonic()
        self.replica.query("start slave")
        ((waited,),) = self.replica.query(f"select master_gtid_wait('{self.position}', 120)")
        took = time.monotonic() - begin
        ((count,),) = self.replica.query("select count(*) from sbtest.sbtest1")
        self.replica.query("stop slave")
        if int(waited) != 0 or int(count) != self.total:
            raise Failure(f"the replica has {count} rows instead of {self.total}")
        return self.total / took


class FilesRow(Recorded):
    """Into binlog files, and as many bytes by the least program with the same sync."""
    weight, transactions_a_second = 2, 15_000
    what = "a drainer, start to exit: transactions of loadgen --format tidb --rows 20 into binlog files"
    arguments = ("--rows", 20)

    def __init__(self, shared):
        super().__init__("drainer", [Goal("catch-up into files", "MB/s", 0.85, "file_ceiling: 256 KiB writes, fdatasync every 8 MiB")])
        self.shared = shared

    def ours(self):
        with Folder(self.work / "files") as files:
            took = drain(self.work / "drainer", self.pump, self.history, ("--dest-db-type", "file", "--to-dir", files),
                         self.written["last_commit_ts"])
            self.bytes = sum(f.stat().st_size for f in files.iterdir())
        return self.bytes / 1e6 / took

    def theirs(self):
        with Folder(self.work / "bare") as bare:
            return run_json(BIN / "file_ceiling", "--file", bare / "file", "--bytes", self.bytes)["mb_per_second"]


def rows(shared):
    return [BulkRow(shared), ReplicationRow(shared, 1, 4000), ReplicationRow(shared, 20, 1500), FilesRow(shared)]
