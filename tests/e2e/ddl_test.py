#!/usr/bin/env python3
"""Nearly every DDL that TiDB has, into MariaDB: what it can't hold stops the drainer with exit 3, and --ddl-skip goes on.

The test is the operator: where the last log line asks for it, it makes the downstream as the DDL leaves it, by hand.
"""
from harness import ClusterTest, Failure, main


class DdlIntoMariaDb(ClusterTest):
    # What MariaDB 10.11 can't do, and what the operator does instead. Everything else must pass without help.
    BY_HAND = {
        # The rows are nowhere but in TiDB; the operator kept a copy before the DROP.
        "RECOVER TABLE `x2`;": ["create table ddl1.x2 like kept.x2", "insert into ddl1.x2 select * from kept.x2"],
        "FLASHBACK TABLE `x2` TO `x3`;": ["create table ddl1.x3 like kept.x2", "insert into ddl1.x3 select * from kept.x2"],
        # ENFORCED isn't in MariaDB's grammar; indexes on expressions neither.
        "CREATE TABLE `cx` (`id` INT PRIMARY KEY,`v` INT,CHECK(`v`>0) ENFORCED);": [
            "create table ddl1.cx (id int primary key, v int, check (v > 0))"],
        "CREATE TABLE `ei` (`id` INT PRIMARY KEY,`v` VARCHAR(20),INDEX `e`((UPPER(`v`))));": [
            "create table ddl1.ei (id int primary key, v varchar(20))"],
    }
    KEPT_BEFORE = ["DROP TABLE `x2`;", "DROP TABLE IF EXISTS `x2`, `nope`;"]

    def drain(self, until):
        """Starts the drainer, and again past each DDL that it stopped at."""
        while (code := self.drainer.start(until, self.skipped).program.wait(60)) != 0:
            if code != 3:
                raise Failure(f"exit code {code}\n{self.drainer.program.tail()}")
            ts = self.asked_to_skip(self.drainer.program.last_line())
            for sql in self.BY_HAND.get(self.ddl_of[ts], ()):
                self.c.mariadb.query(sql)
            self.skipped.append(ts)

    def asked_to_skip(self, line):
        """The commit ts that the last log line names; it must name the SQL and what to do as well."""
        before, _, after = line.partition("--ddl-skip ")
        self.assertTrue(after, f"doesn't say what to do: {line}\n{self.drainer.program.tail()}")
        ts = int(after.split()[0])
        self.assertIn(f"commit_ts={ts}", before)
        self.assertIn(self.ddl_of[ts].split(";")[0], before, "the SQL is named")
        self.assertNotIn(ts, self.skipped, "stopped at a DDL that was to be skipped")
        return ts

    def test_every_table_whose_ddl_mariadb_accepts_equals_truth(self):
        self.c = self.cluster("ddl")
        self.c.start_pumps()
        self.c.start_mariadb()
        self.drainer, self.skipped = self.c.drainer_to_mariadb(), []
        self.ddl_of = {t["commit_ts"]: t["ddl"] for p in range(len(self.c.pumps)) for t in self.c.corpus.served(p) if t["ddl"]}
        until = self.c.replay().wait()["progress_ts"]

        for ts in sorted(ts for ts, ddl in self.ddl_of.items() if ddl in self.KEPT_BEFORE):
            self.drain(ts - 1)
            self.c.mariadb.query("create or replace database kept; create table kept.x2 select * from ddl1.x2")
        self.drain(until)

        self.assertEqual([self.ddl_of[ts] for ts in self.skipped], list(self.BY_HAND))
        result = self.assert_equals_truth(self.c)
        print(f"{result['equal']} of {result['of']} tables equal; by hand: {list(self.BY_HAND)}")


if __name__ == "__main__":
    main()
