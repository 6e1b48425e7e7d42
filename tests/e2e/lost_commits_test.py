#!/usr/bin/env python3
"""A MariaDB whose past is lost while nothing new comes, or while the drainer is down: it is filled up again, or named."""
import shutil

from harness import ClusterTest, main, wait_until


class LostPast(ClusterTest):
    def setUp(self):
        self.c = self.cluster("mixed")
        self.c.start_pumps()
        self.c.start_mariadb()

    def position(self):
        rows = self.c.mariadb.query("select commit_ts from tidb_binlog.sluice_progress")
        return int(rows[0][0]) if rows else 0

    def restore_an_older_copy(self, drainer_runs):
        """The data folder as it was half way, put back when all is there."""
        self.c.replay().wait()
        served = sorted(t["commit_ts"] for p in range(len(self.c.pumps)) for t in self.c.corpus.served(p))
        half, end = served[len(served) // 2], served[-1]
        drainer = self.c.drainer_to_mariadb()
        drainer.start(half).wait(120)
        self.c.mariadb.stop()
        older = self.c.folder / "older"
        shutil.copytree(self.c.mariadb.folder, older, ignore=shutil.ignore_patterns("*.sock"))
        self.c.mariadb.start()
        drainer.start(None if drainer_runs else end)
        if drainer_runs:
            wait_until(lambda: self.position() >= end, 120, "all is there")
        else:
            drainer.wait(120)
        self.c.mariadb.stop()
        shutil.rmtree(self.c.mariadb.folder)
        older.rename(self.c.mariadb.folder)
        self.c.mariadb.start()
        return drainer, end

    def test_a_backup_restored_under_a_running_drainer_is_filled_up_again(self):
        drainer, end = self.restore_an_older_copy(drainer_runs=True)
        wait_until(lambda: self.position() >= end, 120, "what the backup lacked is there again")
        self.assertIn("the downstream has lost commits", drainer.program.text())
        self.assert_equals_truth(self.c)
        self.assertEqual(drainer.stop(), 0)

    def test_a_backup_restored_while_the_drainer_was_down_is_said_and_filled_up(self):
        drainer, end = self.restore_an_older_copy(drainer_runs=False)
        drainer.start(end).wait(120)
        self.assertIn("the downstream has lost commits since this drainer's last run", drainer.program.text())
        self.assert_equals_truth(self.c)

    def test_a_dropped_progress_stops_the_next_start_and_names_no_ddl(self):
        until = self.c.replay().wait()["progress_ts"]
        drainer = self.c.drainer_to_mariadb().start(until)
        drainer.wait(120)
        self.c.mariadb.query("drop database tidb_binlog")
        drainer.start(until).wait(60, exit_code=3)
        self.assertIn("the progress is gone", drainer.program.last_line())
        self.assertIn("downstream-position", drainer.program.last_line())
        self.assertNotIn("--ddl-skip", drainer.program.last_line())


if __name__ == "__main__":
    main()
