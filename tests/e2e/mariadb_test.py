#!/usr/bin/env python3
"""The recorded cluster's binlogs, through pumps and a drainer, make a MariaDB equal to TiDB's own final state."""
from harness import KILLS, SEED, Chaos, ClusterTest, compare_with_truth, main

MIB = 1 << 20


class IntoMariaDb(ClusterTest):
    def setUp(self):
        self.c = self.cluster("mixed")
        self.c.start_pumps()
        self.c.start_mariadb()

    def test_mixed_equals_truth_within_512_mib(self):
        until = self.c.replay().wait()["progress_ts"]
        drainer = self.c.drainer_to_mariadb().start(until)
        drainer.wait(120)
        self.assertEqual(self.assert_equals_truth(self.c)["of"], 23)
        self.assertLess(drainer.program.peak_rss_bytes, 512 * MIB)
        self.assertGreater(drainer.program.peak_rss_bytes, MIB, "the memory was never looked at")
        self.assert_a_changed_row_is_found()
        print(f"drainer's peak RSS: {drainer.program.peak_rss_bytes / MIB:.0f} MiB")

    def assert_a_changed_row_is_found(self):
        """The comparison itself can fail: one altered, then one missing row is found."""
        for change in ("update bank.account set balance = balance + 1 limit 1", "delete from bank.account limit 1"):
            self.c.mariadb.query(change)
            different = [t["table"] for t in compare_with_truth(self.c)["tables"] if not t["equal"]]
            self.assertEqual(different, ["bank.account"])

    def test_a_second_drainer_run_changes_nothing(self):
        until = self.c.replay().wait()["progress_ts"]
        drainer = self.c.drainer_to_mariadb()
        for _ in range(2):
            drainer.start(until)
            drainer.wait(120)
        self.assert_equals_truth(self.c)

    def test_mixed_equals_truth_whatever_is_killed_when(self):
        until = self.c.corpus.last_commit_ts()
        drainer = self.c.drainer_to_mariadb()
        start_drainer = lambda: drainer.start(until)
        start_drainer()
        replay = self.c.replay_lasting(KILLS * 0.9)
        groups = [[(drainer, start_drainer)], [(pump, pump.start) for pump in self.c.pumps]]
        kills = Chaos(SEED, (0.1, 0.9)).run(groups, KILLS, 300)
        print(f"seed {SEED}: killed {kills}")
        self.assertEqual(len(kills), KILLS)
        self.assertTrue(replay.program.running(), "the replay was done before the last kill")
        replay.wait()
        drainer.wait(180)
        self.assertEqual(self.assert_equals_truth(self.c)["of"], 23)

    def test_waits_for_a_mariadb_that_starts_late_or_restarts_in_the_middle(self):
        until = self.c.replay().wait()["progress_ts"]
        self.c.mariadb.stop()
        drainer = self.c.drainer_to_mariadb().start(until)
        waits = f"waiting for the downstream at=root@127.0.0.1:{self.c.mariadb.port}"
        drainer.program.wait_ready(lambda: waits in drainer.program.text(), 30, "it says whom it waits for")
        self.c.mariadb.start()
        some = "select count(*) from information_schema.tables where table_schema = 'bank'"
        drainer.program.wait_ready(lambda: self.c.mariadb.query(some) != [["0"]], 60, "it creates tables")
        self.c.mariadb.kill()
        self.assertTrue(drainer.program.running(), "it was done before the middle")
        self.c.mariadb.start()
        drainer.wait(180)
        self.assert_equals_truth(self.c)


if __name__ == "__main__":
    main()
