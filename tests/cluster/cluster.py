"""A whole cluster below one temporary folder; leaving its `with` block ends every program and removes the folder."""
import atexit
import pathlib
import shutil
import tempfile

from cluster.corpus import Corpus
from cluster.mariadb import MariaDb
from cluster.mysql import MySql
from cluster.nodes import Drainer, Probe, Pump, Replay, file_target, mariadb_target
from cluster.program import wait_until


class Cluster:
    def __init__(self, corpus, dies_with_us=True):
        self.corpus = Corpus(corpus)
        self.dies_with_us = dies_with_us
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-"))
        self.pumps, self.others = [], []
        self.mariadb = self.mysql = None
        if dies_with_us:
            atexit.register(self.close)  # an interrupted unittest runs no clean-up of its own

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for program in [n.program for n in [*self.others, *self.pumps]]:
            program.kill()
        if self.database:
            self.database.kill()
        wait_until(self._remove_folder, 10, f"{self.folder} to be removed")

    def _remove_folder(self):
        shutil.rmtree(self.folder, ignore_errors=True)  # fails while a killed program's last write is under way
        return not self.folder.exists()

    def start_pumps(self):
        self.pumps = [Pump(i, self.folder, self.corpus.cluster_id, self.dies_with_us)
                      for i in range(len(self.corpus.recordings))]
        for pump in self.pumps:
            pump.program.start()
        for pump in self.pumps:
            pump.program.wait_ready(pump.healthy, 30, "it is healthy")

    def start_mariadb(self):
        self.mariadb = MariaDb(self.folder, self.dies_with_us)
        return self.mariadb.start()

    def start_mysql(self):
        """cluster.mysql.Unavailable where there can be none."""
        self.mysql = MySql(self.folder, self.dies_with_us)
        return self.mysql.start()

    @property
    def database(self):
        """The one that was started."""
        return self.mysql or self.mariadb

    def replay(self, *arguments):
        return self._own(Replay(self.folder, self.pumps, self.corpus.recordings, arguments)).start()

    def replay_lasting(self, seconds):
        """A replay slow enough that what happens meanwhile happens in its middle: nothing is complete before its end."""
        return self.replay("--rate", round(self.corpus.transactions / seconds, 3))

    def probe(self, pump, until, after=0):
        return self._own(Probe(self.folder, pump, self.corpus.cluster_id, until, after)).start()

    def drainer_to_mariadb(self, name="drainer-mariadb"):
        return self._own(Drainer(name, self.folder, self.pumps, self.corpus, mariadb_target(self.mariadb), self.dies_with_us))

    def drainer_to_mysql(self, name="drainer-mysql"):
        return self._own(Drainer(name, self.folder, self.pumps, self.corpus, mariadb_target(self.mysql), self.dies_with_us))

    def drainer_to_files(self, name="drainer-files"):
        return self._own(Drainer(name, self.folder, self.pumps, self.corpus, file_target(self.folder / f"{name}.out"),
                                 self.dies_with_us))

    def files_of(self, drainer):
        return self.folder / f"{drainer.name}.out"

    def _own(self, node):
        self.others.append(node)
        return node
