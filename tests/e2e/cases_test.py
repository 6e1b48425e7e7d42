#!/usr/bin/env python3
"""Small recordings of one question each, through pumps and a drainer into a MariaDB: equal to TiDB's own final state."""
import pathlib
import shutil
import tempfile

from harness import ClusterTest, main

from cluster.mariadb import MariaDb

# What each asks is in tests/data/README.md. `excluded`: tables that differ for a reason that is named there.
CASES = {
    "d2": [],
    "d9": [],
    "d10": [],
    "d12a": [],
    "d12c": [],
    "e8": [],
    "e12d": [],
    "f1": [],
    "f12": [],
    "f19": [],
    "f2b": [],
    "w9": [],
    "x4": [],
}


class Cases(ClusterTest):
    """One server for all: what a case leaves is dropped before the next."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-cases-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.mariadb = MariaDb(cls.folder).start()
        cls.addClassCleanup(cls.mariadb.kill)

    def setUp(self):
        self.mariadb.drop_everything_replicated()

    def replicate(self, name, excluded):
        c = self.cluster(f"cases/{name}")
        c.start_pumps()
        c.mariadb = self.mariadb
        try:
            until = c.replay().wait()["progress_ts"]
            c.drainer_to_mariadb().start(until).wait(60)
            self.assertGreater(self.assert_equals_truth(c, excluded=excluded)["of"], 0)
        finally:
            c.mariadb = None  # it is the class's, and lives on


def add_case(name, excluded):
    setattr(Cases, f"test_{name}", lambda self: self.replicate(name, excluded))


for case, excluded_tables in CASES.items():
    add_case(case, excluded_tables)


if __name__ == "__main__":
    main()
