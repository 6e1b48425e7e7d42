#!/usr/bin/env python3
"""replay says which pump it waits for and why, goes on by itself, and what the pumps then serve is what was recorded."""
import subprocess
import unittest

from harness import ClusterTest, main


class ReplayWaits(ClusterTest):
    def assert_served_as_recorded(self, cluster, until):
        for index, pump in enumerate(cluster.pumps):
            self.assertEqual(cluster.probe(pump, until).wait(), cluster.corpus.served(index))

    def standstill_lines(self, replay, pump):
        return [line for line in replay.program.text().splitlines() if line.startswith(f"replay: pump {pump.address} ")]

    def test_for_a_pump_that_cannot_be_reached(self):
        cluster = self.cluster("ddl")
        cluster.start_pumps()
        cluster.pumps[1].kill()
        replay = cluster.replay()
        replay.program.wait_ready(lambda: len(self.standstill_lines(replay, cluster.pumps[1])) >= 2, 20, "it says whom it waits for")
        self.assertIn("can't be reached", self.standstill_lines(replay, cluster.pumps[1])[0])
        self.assertEqual(self.standstill_lines(replay, cluster.pumps[0]), [])
        ticks = replay.program.text().count("binlogs acked")
        self.assertLessEqual(len(self.standstill_lines(replay, cluster.pumps[1])), ticks + 1, "more than one line a second")
        cluster.pumps[1].start()
        self.assert_served_as_recorded(cluster, replay.wait()["progress_ts"])

    def test_for_a_pump_whose_disk_is_full(self):
        cluster = self.cluster("mixed")
        folders = [cluster.folder / f"pump-{i + 1}" for i in range(len(cluster.corpus.recordings))]
        for data in folders:
            data.mkdir()
            # Room for one segment and a half; one pump's share of the recording is larger.
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", data], stderr=subprocess.DEVNULL, check=False).returncode:
                raise unittest.SkipTest("SKIP: a small file system can't be mounted here (needs root)")
            self.addCleanup(subprocess.run, ["umount", "-l", data], check=False)
        cluster.start_pumps()
        replay = cluster.replay()
        waiting = lambda: [line for pump in cluster.pumps for line in self.standstill_lines(replay, pump)]
        replay.program.wait_ready(waiting, 30, "it says whom it waits for")
        self.assertIn("takes nothing", waiting()[0])
        for data in folders:
            subprocess.run(["mount", "-o", "remount,size=1g", data], check=True)
        self.assert_served_as_recorded(cluster, replay.wait()["progress_ts"])


if __name__ == "__main__":
    main()
