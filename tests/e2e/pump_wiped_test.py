#!/usr/bin/env python3
"""A pump whose log is another one than the drainer knew, or shorter, is noticed: exit 3 that names it, never a silent gap."""
import shutil

from harness import ClusterTest, main, wait_until


class PumpWiped(ClusterTest):
    def drained_in_part(self):
        cluster = self.cluster("mixed")
        cluster.start_pumps()
        cluster.replay().wait()
        drainer = cluster.drainer_to_files()
        drainer.start(cluster.corpus.served(1)[len(cluster.corpus.served(1)) // 2]["commit_ts"])
        drainer.wait(60)
        return cluster, drainer

    def assert_stops(self, cluster, drainer, pump):
        drainer.wait(60, exit_code=3)
        self.assertIn(pump.address, drainer.program.last_line(), drainer.program.tail())
        self.assertRegex(drainer.program.last_line(), r"new|another|rewound|shorter|lost")

    def test_a_drainer_that_starts_again_after_a_pump_was_wiped_stops(self):
        cluster, drainer = self.drained_in_part()
        cluster.pumps[1].wipe()
        cluster.pumps[1].start()
        drainer.start(cluster.corpus.last_commit_ts())
        self.assert_stops(cluster, drainer, cluster.pumps[1])

    def test_a_running_drainer_stops_when_a_pump_comes_back_wiped(self):
        cluster, drainer = self.drained_in_part()
        drainer.start()
        drainer.program.wait_ready(drainer.healthy, 30, "it is healthy")
        wait_until(lambda: drainer.program.text().count("pulling from pump") >= 3, 20, drainer.program.tail)
        cluster.pumps[1].wipe()
        cluster.pumps[1].start()
        self.assert_stops(cluster, drainer, cluster.pumps[1])

    def test_a_pump_whose_log_was_removed_refuses_to_start(self):
        cluster, _ = self.drained_in_part()
        pump = cluster.pumps[1]
        pump.kill()
        shutil.rmtree(pump.data / "log")
        self.assertNotIn(pump.program.start().wait(20), (0, None), pump.program.tail())
        self.assertIn(str(pump.data), pump.program.text())


if __name__ == "__main__":
    main()
