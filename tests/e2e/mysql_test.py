#!/usr/bin/env python3
"""The recorded cluster's binlogs, through pumps and a drainer, make a MySQL equal to TiDB's own final state."""
import sys

from harness import KILLS, SEED, Chaos, ClusterTest, main

from cluster.mysql import Unavailable, unpacked


class IntoMySql(ClusterTest):
    def setUp(self):
        self.c = self.cluster("mixed")
        self.c.start_pumps()
        self.c.start_mysql()

    def test_mixed_equals_truth(self):
        until = self.c.replay().wait()["progress_ts"]
        self.c.drainer_to_mysql().start(until).wait(240)
        self.assertEqual(self.assert_equals_truth(self.c)["of"], 23)

    def test_mixed_equals_truth_whatever_of_drainer_and_server_is_killed_when(self):
        until = self.c.corpus.last_commit_ts()
        drainer = self.c.drainer_to_mysql()
        start_drainer = lambda: drainer.start(until)
        start_drainer()
        server = self.c.mysql
        server.name = "mysql"
        replay = self.c.replay_lasting(KILLS * 2.5)
        groups = [[(drainer, start_drainer)], [(server, server.start)]]
        kills = Chaos(SEED, (0.1, 0.9)).run(groups, KILLS, 600)
        print(f"seed {SEED}: killed {kills}")
        self.assertEqual(len(kills), KILLS)
        replay.wait(300)
        drainer.wait(240)
        self.assertEqual(self.assert_equals_truth(self.c)["of"], 23)


if __name__ == "__main__":
    try:
        unpacked()
    except Unavailable as reason:
        print(f"SKIPPED: {reason}", flush=True)
        sys.exit(77)
    main()
