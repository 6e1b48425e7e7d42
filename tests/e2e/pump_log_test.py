#!/usr/bin/env python3
"""A pump whose log was wiped or set back is noticed by the drainer that knows it: never a silent gap. Positions that can't be true are too."""
import shutil

from harness import ClusterTest, main, wait_until

from cluster.binlog_file import payloads

WRONG_USAGE, NEEDS_HUMAN = 2, 3


class PumpLog(ClusterTest):
    def setUp(self):
        self.c = self.cluster("ddl")
        self.c.start_pumps()
        self.drainer = self.c.drainer_to_files()
        self.until = self.c.corpus.last_commit_ts()

    def drain_all(self):
        self.c.replay().wait()
        self.drainer.start(self.until).wait(60)

    def refused(self, *words, code=NEEDS_HUMAN):
        self.drainer.wait(30, code)
        for word in words:
            self.assertIn(str(word), self.drainer.program.last_line())

    def test_a_wiped_pump_is_refused(self):
        self.drain_all()
        pump = self.c.pumps[0]
        pump.kill()
        shutil.rmtree(pump.data)
        pump.start()
        self.drainer.start(self.until + 1)
        self.refused(pump.name, "has a new or rewound log", "birth id", "--initial-commit-ts")

    def test_an_older_copy_of_a_pumps_folder_is_refused(self):
        pump = self.c.pumps[0]
        pump.stop()
        copy = self.c.folder / "older"
        shutil.copytree(pump.data, copy)
        pump.start()
        self.drain_all()
        pump.kill()
        shutil.rmtree(pump.data)
        copy.rename(pump.data)
        pump.start()
        self.drainer.start(self.until + 1)
        self.refused(pump.name, "has a new or rewound log")

    def test_a_pump_wiped_under_a_live_drainer_is_refused(self):
        self.c.replay().wait()
        self.drainer.start()
        wait_until(lambda: len(list(payloads(self.c.files_of(self.drainer)))) > 0, 30, "the first event")
        pump = self.c.pumps[0]
        pump.kill()
        shutil.rmtree(pump.data)
        pump.start()
        self.refused(pump.name, "has a new or rewound log")

    def test_a_wiped_pump_that_keeps_its_folder_again_is_taken_back(self):
        self.drain_all()
        pump = self.c.pumps[0]
        pump.kill()
        kept = self.c.folder / "kept"
        pump.data.rename(kept)
        pump.start()
        self.drainer.start(self.until + 1)
        self.refused("has a new or rewound log")
        pump.kill()
        shutil.rmtree(pump.data)
        kept.rename(pump.data)
        pump.start()
        self.drainer.start(self.until).wait(30)

    def test_an_initial_commit_ts_above_everything_is_refused(self):
        self.c.replay().wait()
        self.drainer.program.start(["--initial-commit-ts", self.until + (1 << 40), "--until", self.until + (1 << 41)])
        self.refused("--initial-commit-ts", self.until + (1 << 40), code=WRONG_USAGE)
        self.assertFalse(self.c.files_of(self.drainer).exists())

    def test_a_checkpoint_in_the_future_is_refused_and_left_alone(self):
        self.drain_all()
        savepoint = self.drainer.data / "savepoint"
        future = f"consistent = true\ncommitTS = {self.until + (1 << 40)}\n"
        savepoint.write_text(future)
        self.drainer.start(self.until + (1 << 41))
        self.refused("position", self.until + (1 << 40), savepoint)
        self.assertEqual(savepoint.read_text(), future)


class FileTail(ClusterTest):
    def test_the_tail_is_in_the_file_though_no_resolved_ts_advances(self):
        c = self.cluster("ddl")
        c.start_pumps()
        drainer = c.drainer_to_files().start()
        replay = c.replay_lasting(600)  # it won't end: nothing says that it is complete
        wait_until(lambda: len(list(payloads(c.files_of(drainer)))) > 0, 30, "the first event")
        drainer.kill()
        replay.program.kill()
        self.assertGreater(len(list(payloads(c.files_of(drainer)))), 0)


if __name__ == "__main__":
    main()
