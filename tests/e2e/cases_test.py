#!/usr/bin/env python3
"""Small recordings of one question each, through pumps and a drainer into a MariaDB: equal to TiDB's own final state.

What each asks is in tests/data/README.md. `cases_test.py outcomes [CASE…]` prints what becomes of each instead of judging it.
"""
import concurrent.futures
import pathlib
import queue
import shutil
import sys
import tempfile
import threading

from harness import Cluster, ClusterTest, compare_with_truth, main

from cluster.mariadb import MariaDb
from cluster.program import ROOT

NAMES = sorted(p.name for p in (ROOT / "tests" / "data" / "cases").iterdir())
WORKERS = 3

# Those that don't end equal yet: stopped with exit 3, and what the last log line says; or the tables that differ.
STOPS = {
    "d12b": "(error 1064)",
    "d13": "the downstream has no table",
    "d14b": "the downstream has diverged",
    "d21c": "(error 1064)",
    "d21d": "(error 1064)",
    "d24a": "(error 1366)",
    "d25a": "(error 1273)",
    "d26a": "(error 1064)",
    "d26c": "(error 1064)",
    "d32a": "(error 1118)",
    "d35m1": "has engine MyISAM",
    "d35m5": "(error 1064)",
    "d4": "(error 1146)",
    "d8c": "(error 1064)",
    "e1": "(error 1062)",
    "e11_0": "(error 1292)",
    "e19c": "the downstream has diverged",
    "e1c": "(error 1062)",
    "e2": "(error 1146)",
    "e20": "(error 1901)",
    "e21": "(error 1846)",
    "e22": "(error 1075)",
    "e27": "(error 1054)",
    "e38": "(error 1064)",
    "f10": "(error 1062)",
    "f2a": "(error 1054)",
    "f3": "(error 1054)",
    "f5": "(error 1264)",
    "f9": "(error 1064)",
    "g5_17": "(error 1067)",
    "g6_3": "(error 1292)",
    "w4": "(error 1062)",
    "w5": "(error 1062)",
}
DIFFERS = {
    "d3": ["d3.t"],
    "d8a": ["d8a.p"],
    "e11_3": ["e11_3.t"],
    "e12b": ["e12b.k"],
    "e12c": ["e12c.u"],
    "g1": ["g1.c"],
    "g3": ["g3.t"],
    "g5_1": ["g5_1.t"],
    "g6_22": ["g6_22.t"],
}


class Servers:
    """A few servers, each one case's at a time: what the last one left is dropped before the next."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-cases-"))
        self.free = queue.Queue()
        self.all = []
        # Nothing here asks what survives a crash of the machine.
        for i in range(WORKERS):
            server = MariaDb(self.folder / str(i))
            server.program.command += ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"]
            self.all.append(server)

    def start(self):
        self.all[0].start()
        self.all[0].stop()
        for server in self.all[1:]:
            shutil.copytree(self.all[0].folder, server.folder, dirs_exist_ok=True)
        for server in self.all:
            server.start()
            self.free.put(server)

    def close(self):
        for server in self.all:
            server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def replicate(servers, name):
    """(exit code, last log line, what differs by table)."""
    server = servers.free.get()
    try:
        server.drop_everything_replicated()
        with Cluster(f"cases/{name}") as c:
            c.start_pumps()
            c.mariadb = server
            try:
                until = c.replay().wait()["progress_ts"]
                drainer = c.drainer_to_mariadb().start(until)
                code = drainer.program.wait(60)
                tables = compare_with_truth(c)["tables"]
                return code, drainer.program.last_line(), {t["table"]: t["difference"] for t in tables if not t["equal"]}, len(tables)
            finally:
                c.mariadb = None  # it is everybody's, and lives on
    finally:
        servers.free.put(server)


class Cases(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.servers = Servers()
        cls.addClassCleanup(cls.servers.close)
        cls.servers.start()
        pool = concurrent.futures.ThreadPoolExecutor(WORKERS)
        cls.addClassCleanup(pool.shutdown, cancel_futures=True)
        cls.results = {name: pool.submit(replicate, cls.servers, name) for name in NAMES}

    def judge(self, name):
        code, line, different, tables = self.results[name].result()
        self.assertGreater(tables, 0)
        if name in STOPS:
            self.assertEqual(code, 3, line)
            self.assertIn(STOPS[name], line)
            return
        self.assertEqual(code, 0, line)
        self.assertEqual(set(different), set(DIFFERS.get(name, [])), different)


for case in NAMES:
    setattr(Cases, f"test_{case}", lambda self, name=case: self.judge(name))


def outcomes(names):
    servers = Servers()
    servers.start()
    try:
        lock = threading.Lock()

        def show(name):
            code, line, different, tables = replicate(servers, name)
            with lock:
                print(f"{name}: exit {code}, {tables - len(different)} of {tables} equal")
                if code:
                    print(f"    {line}")
                for table, difference in different.items():
                    print(f"    {table}: {difference}")
                sys.stdout.flush()

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(show, names))
    finally:
        servers.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["outcomes"]:
        outcomes(sys.argv[2:] or NAMES)
    else:
        main()
