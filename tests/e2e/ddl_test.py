#!/usr/bin/env python3
"""Nearly every DDL that TiDB has, into MariaDB: what it can't hold stops the drainer with exit 3, and --ddl-skip goes on."""
import re

from harness import ClusterTest, Failure, main

COMMIT_TS = re.compile(r"\b(\d{18})\b")


class DdlIntoMariaDb(ClusterTest):
    # Rejected by MariaDB 10.11 as written, and what of the final state therefore can't be there.
    UNEQUAL = {}

    def walk(self, cluster, until):
        """Starts the drainer, and again with each DDL skipped that it stopped at. The skipped, as {commit ts: last log line}."""
        drainer, skipped = cluster.drainer_to_mariadb(), {}
        while True:
            code = drainer.start(until, skipped).program.wait(60)
            if code == 0:
                return skipped
            line = drainer.program.last_line()
            if code != 3:
                raise Failure(f"exit code {code}\n{drainer.program.tail()}")
            self.assertIn("--ddl-skip", line, "the last line says what to do")
            found = [int(ts) for ts in COMMIT_TS.findall(line) if int(ts) in self.ddl_of]
            self.assertTrue(found, f"the last line names no commit ts of a DDL: {line}")
            self.assertNotIn(found[0], skipped, "stopped at a DDL that was to be skipped")
            start_of_text = " ".join(self.ddl_of[found[0]].split())[:20]
            self.assertIn(start_of_text, " ".join(line.split()), "the last line names the SQL")
            skipped[found[0]] = line

    def test_every_table_whose_ddl_mariadb_accepts_equals_truth(self):
        cluster = self.cluster("ddl")
        cluster.start_pumps()
        cluster.start_mariadb()
        pumps = range(len(cluster.pumps))
        self.ddl_of = {t["commit_ts"]: t["ddl"] for p in pumps for t in cluster.corpus.served(p) if t["ddl"]}
        until = cluster.replay().wait()["progress_ts"]
        skipped = self.walk(cluster, until)
        for ts in sorted(skipped):
            print(f"skipped {ts}: {self.ddl_of[ts]}")
        self.assertGreater(len(skipped), 0, "MariaDB accepted what it can't know")
        self.assert_equals_truth(cluster, excluded=self.UNEQUAL)


if __name__ == "__main__":
    main()
