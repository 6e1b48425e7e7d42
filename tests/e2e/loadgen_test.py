#!/usr/bin/env python3
"""loadgen against real pumps: what it writes is there, once, in order, whatever is killed; and when it isn't, verify says so."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile

from harness import BIN, KILLS, SEED, free_port, main, wait_until

import unittest

from cluster.mariadb import MariaDb
from cluster.nodes import Node
from cluster.program import Program

CLUSTER_ID = "4242"


class OraclePump(Node):
    """A pump in embedded time; all but the first take timestamps from it."""

    def __init__(self, name, folder, oracle=None):
        super().__init__(name, folder, dies_with_us=True)
        source = ["--oracle", oracle.address] if oracle else ["--time", "embedded"]
        self.program = self.program_of("pump", ["--addr", self.address, "--data-dir", self.data, "--node-id", name,
                                                "--cluster-id", CLUSTER_ID, "--segment-bytes", 16 << 20, *source])

    def start(self):
        self.program.start()
        self.program.wait_ready(self.healthy, 30, "it is healthy")
        return self


class LoadgenTest(unittest.TestCase):
    longMessage = True

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-loadgen-"))
        self.pumps, self.writes = [], []
        self.addCleanup(self.clean_up)

    def clean_up(self):
        for program in [*self.writes, *[pump.program for pump in self.pumps]]:
            program.kill()
        wait_until(lambda: shutil.rmtree(self.folder, ignore_errors=True) or not self.folder.exists(), 10, "the folder's removal")

    def start_pumps(self, count):
        for i in range(count):
            self.pumps.append(OraclePump(f"pump-{i + 1}", self.folder, self.pumps[0] if self.pumps else None).start())

    def command(self, name, *arguments, json_output=True):
        addresses = ",".join(pump.address for pump in self.pumps)
        return [str(a) for a in (BIN / "loadgen", name, "--pumps", addresses, *arguments, *(["--json"] if json_output else []))]

    def loadgen(self, name, *arguments, expect=0):
        """Its JSON (None without) and what it said on stderr."""
        done = subprocess.run(self.command(name, *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                              check=False)
        self.assertEqual(done.returncode, expect, f"loadgen {name} {arguments}\n{done.stdout}\n{done.stderr}")
        return (json.loads(done.stdout) if done.stdout.strip() else None), done.stderr

    def begin_write(self, *arguments):
        write = Program("loadgen", self.command("write", *arguments), self.folder / f"write-{len(self.writes)}.log").start()
        self.writes.append(write)
        return write

    def acked(self, write):
        """By its last progress line."""
        counts = [line.split(" acked")[0].rsplit(" ", 1)[1] for line in write.text().splitlines() if " acked" in line]
        return int(counts[-1]) if counts else 0

    def result_of(self, write, expect=0):
        self.assertEqual(write.wait(90), expect, write.tail())
        return json.loads(next(line for line in write.text().splitlines() if line.startswith("{")))

    def test_what_was_written_to_two_pumps_is_served_once_and_in_order(self):
        self.start_pumps(2)
        for seed in (SEED, SEED + 1):
            written, _ = self.loadgen("write", "--seed", seed, "--transactions", 3000, "--connections", 5, "--payload-bytes", 300,
                                      "--rollback-share", 0.2)
            self.assertEqual(written["transactions"], 3000)
            self.assertGreater(written["rollbacks"], 300)
            self.assertEqual(written["latency_us"]["transaction"]["count"], 3000)
            verified, _ = self.loadgen("verify", "--seed", seed)
            self.assertEqual([r["transactions"] for r in verified["runs"]], [written["commits"]])
            self.assertEqual([r["rolled_back"] for r in verified["runs"]], [written["rollbacks"]])
        pulled, _ = self.loadgen("pull")
        self.assertEqual(pulled["transactions"], verified["transactions"] + verified["others"])

    def test_a_mixed_load_is_verified_and_timed_while_it_runs(self):
        self.start_pumps(2)
        mixed, _ = self.loadgen("mixed", "--seed", SEED, "--rate", 500, "--seconds", 2, "--connections", 3, "--payload-bytes", 100)
        self.assertEqual(mixed["served"], mixed["commits"] + 3)  # and a summary a worker
        self.assertEqual(mixed["visible_us"]["count"], mixed["commits"])
        self.loadgen("verify", "--seed", SEED)

    def drain_to_mariadb(self, history, until):
        mariadb = MariaDb(self.folder)
        self.writes += [mariadb.program]
        mariadb.start()
        mariadb.query(pathlib.Path(f"{history}.sql").read_text())
        drainer = Program("drainer", [
            BIN / "drainer", "--addr", f"127.0.0.1:{free_port()}", "--data-dir", self.folder / "drainer", "--pumps",
            ",".join(pump.address for pump in self.pumps), "--schema-history", history, "--dest-db-type", "mysql", "--to-host",
            "127.0.0.1", "--to-port", mariadb.port, "--to-user", mariadb.user, "--until", until], self.folder / "drainer.log")
        self.writes.append(drainer.start())
        self.assertEqual(drainer.wait(120), 0, drainer.tail())
        return mariadb

    def test_tidb_payloads_drained_into_mariadb_end_as_the_model_says(self):
        self.start_pumps(2)
        history, model = self.folder / "history.json", self.folder / "model.tsv"
        written, _ = self.loadgen("write", "--seed", SEED, "--transactions", 600, "--connections", 3, "--rows", 5, "--rollback-share", 0.1,
                                  "--format", "tidb", "--schema-history", history, "--model", model)
        self.assertGreater(written["rollbacks"], 0)
        mariadb = self.drain_to_mariadb(history, written["last_commit_ts"])
        expected = [line.split("\t") for line in model.read_text().splitlines()]
        self.assertGreater(len(expected), 1000)
        got = [row for table in (1, 2, 3)
               for row in mariadb.query(f"select 'sbtest{table}', id, k, c, pad from sbtest.sbtest{table} order by id")]
        self.assertEqual(len(got), len(expected))
        for one, wanted in zip(got, expected):
            self.assertEqual(one, wanted)

    def test_large_transactions_travel_in_parts(self):
        self.start_pumps(1)
        self.loadgen("write", "--seed", SEED, "--transactions", 6, "--in-flight", 3, "--payload-bytes", 5_000_001)
        verified, _ = self.loadgen("verify", "--seed", SEED)
        self.assertGreater(verified["payload_bytes"], 30_000_000)

    def test_pumps_killed_in_the_middle_of_a_write_lose_and_repeat_nothing(self):
        self.start_pumps(2)
        write = self.begin_write("--seed", SEED, "--rate", 2000, "--seconds", KILLS * 2 + 1, "--connections", 4, "--payload-bytes", 200)
        chance = random.Random(SEED)
        for _ in range(KILLS):
            before = self.acked(write)
            wait_until(lambda: self.acked(write) > before, 60, "the write to go on")
            victim = chance.choice(self.pumps)
            victim.kill()
            victim.start()
        written = self.result_of(write)
        self.assertGreaterEqual(written["reconnects"], KILLS, "every kill must have met the write")
        verified, _ = self.loadgen("verify", "--seed", SEED)
        self.assertEqual([r["transactions"] for r in verified["runs"]], [written["commits"]])

    def test_a_write_that_failed_makes_verify_fail(self):
        self.start_pumps(1)
        write = self.begin_write("--seed", SEED, "--seconds", 60, "--in-flight", 4, "--give-up-after", 2)
        wait_until(lambda: self.acked(write) > 0, 60, "the first progress")
        self.pumps[0].kill()
        self.assertFalse(self.result_of(write, expect=1)["ok"])
        self.assertIn("nothing acked for 2000 ms", write.text())
        self.pumps[0].start()
        verified, said = self.loadgen("verify", "--seed", SEED, "--give-up-after", 3, expect=1)
        self.assertFalse(verified["ok"])
        if "error" not in verified:
            self.assertEqual(verified["fault_counts"], {"unfinished": 1})
        else:  # a prewrite was durable when its writer gave up: it is open for ever and holds the pump's resolved ts
            self.assertIn("was begun and never ended", said)

    def test_a_pump_that_lost_its_disk_is_found_out(self):
        self.start_pumps(2)
        self.loadgen("write", "--seed", SEED, "--transactions", 500, "--connections", 2)
        self.pumps[1].kill()
        shutil.rmtree(self.pumps[1].data)
        self.pumps[1].start()
        verified, said = self.loadgen("verify", "--seed", SEED, expect=1)
        self.assertEqual(verified["fault_counts"], {"lost": 1})
        self.assertIn("worker 1: nothing of it is served", verified["faults"][0]["text"])
        self.assertIn(f"1 faults in what seed {SEED} wrote", said)
        self.loadgen("verify", "--seed", SEED + 1, expect=1)

    def test_an_interrupted_write_ends_well(self):
        self.start_pumps(1)
        write = self.begin_write("--seed", SEED, "--seconds", 60)
        wait_until(lambda: self.acked(write) > 0, 60, "the first progress")
        write.process.send_signal(signal.SIGINT)
        written = self.result_of(write)
        verified, _ = self.loadgen("verify", "--seed", SEED)
        self.assertEqual([r["transactions"] for r in verified["runs"]], [written["commits"]])

    def test_wrong_usage_says_what_is_wanted(self):
        for arguments, told in [(["write"], "--pumps is missing"),
                                (["wirte"], "there is no command"),
                                (["write", "--pumps", "127.0.0.1:1", "--payload-bytes", "12"], "48"),
                                (["write", "--pumps", "127.0.0.1:1", "--format", "avro"], "native"),
                                (["write", "--pumps", "127.0.0.1:1,127.0.0.1:2", "--connections", "1"], "give at least 2"),
                                ([], "a command is missing")]:
            done = subprocess.run([BIN / "loadgen", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(told, done.stderr)


if __name__ == "__main__":
    main()
