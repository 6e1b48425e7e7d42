#!/usr/bin/env python3
"""A MariaDB that loses commits it had confirmed: the drainer pulls again what is missing, and all tables end equal to TiDB's."""
import random
import shutil
import time

from harness import KILLS, SEED, ClusterTest, main, wait_until


class DownstreamLosesCommits(ClusterTest):
    def setUp(self):
        self.random = random.Random(SEED)
        self.c = self.cluster("mixed")
        self.c.start_pumps()
        self.c.start_mariadb()
        self.until = self.c.corpus.last_commit_ts()
        self.drainer = self.c.drainer_to_mariadb()

    def start_mariadb(self, flush):
        self.c.mariadb.start()
        self.c.mariadb.query(f"set global innodb_flush_log_at_trx_commit = {flush}")

    def last_committed(self):
        """The newest commit ts that the downstream itself says it has; 0 before the first."""
        rows = self.c.mariadb.query("select ifnull(max(commit_ts), 0) from tidb_binlog.sluice_progress") if self.has_progress() else [["0"]]
        return int(rows[0][0])

    def has_progress(self):
        return self.c.mariadb.query("select count(*) from information_schema.tables where table_schema = 'tidb_binlog' "
                                    "and table_name = 'sluice_progress'") == [["1"]]

    def finish(self, replay):
        replay.wait()
        self.drainer.wait(180)
        self.assertEqual(self.assert_equals_truth(self.c)["of"], 23)

    def test_commits_that_were_in_no_log_when_it_was_killed(self):
        self.c.mariadb.query("set global innodb_flush_log_at_trx_commit = 0")
        self.drainer.start(self.until)
        replay = self.c.replay_lasting(KILLS * 1.5)
        lost = 0
        for _ in range(KILLS):
            time.sleep(self.random.uniform(0.4, 1.2))
            before = self.last_committed()
            self.c.mariadb.kill()
            self.start_mariadb(0)
            lost += self.last_committed() < before
        print(f"seed {SEED}: {KILLS} kills, at least {lost} of them lost commits")
        self.finish(replay)

    def restore(self, while_stopped):
        backup = self.c.folder / "backup"
        self.drainer.start(self.until)
        replay = self.c.replay_lasting(6)
        wait_until(lambda: self.last_committed() > 0, 30, "the first commits")
        time.sleep(self.random.uniform(0.3, 1))
        self.c.mariadb.stop()
        shutil.copytree(self.c.mariadb.folder, backup, ignore=shutil.ignore_patterns("*.sock", "*.pid"))
        self.c.mariadb.start()
        then = self.last_committed()
        wait_until(lambda: self.last_committed() > then, 30, "more commits than the backup has")
        time.sleep(self.random.uniform(0.3, 1))
        if while_stopped:
            self.drainer.kill()
        self.c.mariadb.kill()
        shutil.rmtree(self.c.mariadb.folder)
        shutil.copytree(backup, self.c.mariadb.folder)
        self.c.mariadb.start()
        if while_stopped:
            self.drainer.start(self.until)
        self.finish(replay)

    def test_an_older_backup_restored_below_a_running_drainer(self):
        self.restore(while_stopped=False)

    def test_an_older_backup_restored_while_the_drainer_was_down(self):
        self.restore(while_stopped=True)


if __name__ == "__main__":
    main()
