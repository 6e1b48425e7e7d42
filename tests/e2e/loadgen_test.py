#!/usr/bin/env python3
"""loadgen against real pumps: what it writes is there, once, in order, whatever is killed; and when it isn't, verify says so."""
import json
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import tempfile

from harness import BIN, KILLS, SEED, free_port, main, wait_until

import unittest

from cluster.altering_proxy import AlteringProxy
from cluster.mariadb import MariaDb
from cluster.native import WRITER, Peer
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

    def begin_drain(self, history, until):
        mariadb = MariaDb(self.folder)
        self.writes += [mariadb.program]
        mariadb.start()
        mariadb.query(pathlib.Path(f"{history}.sql").read_text())
        drainer = Program("drainer", [
            BIN / "drainer", "--addr", f"127.0.0.1:{free_port()}", "--data-dir", self.folder / "drainer", "--pumps",
            ",".join(pump.address for pump in self.pumps), "--schema-history", history, "--dest-db-type", "mysql", "--to-host",
            "127.0.0.1", "--to-port", mariadb.port, "--to-user", mariadb.user, "--until", until], self.folder / "drainer.log")
        self.writes.append(drainer.start())
        return mariadb, drainer

    def assert_equals_model(self, mariadb, model, tables):
        """Row by row; their number."""
        expected = [line.split("\t") for line in model.read_text().splitlines()]
        expected.sort(key=lambda row: (row[0], int(row[1])))
        got = [row for table in range(1, tables + 1)
               for row in mariadb.query(f"select 'sbtest{table}', id, k, c, pad from sbtest.sbtest{table} order by id")]
        self.assertEqual(len(got), len(expected))
        for one, wanted in zip(got, expected):
            self.assertEqual(one, wanted)
        return len(got)

    def test_tidb_payloads_drained_into_mariadb_end_as_the_model_says(self):
        self.start_pumps(2)
        history, model = self.folder / "history.json", self.folder / "model.tsv"
        written, _ = self.loadgen("write", "--seed", SEED, "--transactions", 600, "--connections", 3, "--rows", 5, "--rollback-share", 0.1,
                                  "--format", "tidb", "--schema-history", history, "--model", model)
        self.assertGreater(written["rollbacks"], 0)
        mariadb, drainer = self.begin_drain(history, written["last_commit_ts"])
        self.assertEqual(drainer.wait(120), 0, drainer.tail())
        self.assertGreater(self.assert_equals_model(mariadb, model, tables=3), 1000)

    def test_what_a_pull_lost_repeated_reordered_or_altered_is_found(self):
        self.start_pumps(1)
        self.loadgen("write", "--seed", SEED, "--transactions", 200, "--payload-bytes", 200, "--connections", 1, "--in-flight", 1)
        victim = random.Random(SEED).randrange(20, 180)
        held = []

        def swap_payloads(at, transaction):
            # The next one's payload first, each under the other's commit ts: these ascend all the same.
            if at == victim:
                held.append(transaction)
                return []
            return [transaction.with_commit_of(held[0]), held.pop().with_commit_of(transaction)] if held else [transaction]

        def swap_transactions(at, transaction):
            if at == victim:
                held.append(transaction)
                return []
            return [transaction, held.pop()] if held else [transaction]

        planted = {
            "nothing": (lambda at, one: [one], set()),
            "lost": (lambda at, one: [] if at == victim else [one], {"lost"}),
            "repeated": (lambda at, one: [one, one] if at == victim else [one], {"repeated"}),
            "reordered": (swap_transactions, {"reordered"}),
            "payloads reordered": (swap_payloads, {"reordered"}),
            "altered": (lambda at, one: [one.with_byte_flipped(150)] if at == victim else [one], {"altered"}),
            "own header altered": (lambda at, one: [one.with_byte_flipped(30)] if at == victim else [one], {"altered"}),
        }
        for name, (alter, found) in planted.items():
            with self.subTest(name):
                proxy = AlteringProxy(self.pumps[0].port, alter)
                self.addCleanup(proxy.close)
                done = subprocess.run([str(a) for a in (BIN / "loadgen", "verify", "--pumps", proxy.address, "--seed", SEED, "--json",
                                                        "--give-up-after", 10)],
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                self.assertGreater(proxy.passed, 200, done.stderr)
                verified = json.loads(done.stdout)
                self.assertEqual((done.returncode, verified["ok"]), (1, False) if found else (0, True), done.stdout + done.stderr)
                self.assertLessEqual(found, set(verified["fault_counts"]), verified)

    def test_sizes_hot_rows_and_open_transactions_end_as_the_model_says(self):
        self.start_pumps(2)
        history, model, journal = self.folder / "history.json", self.folder / "model.tsv", self.folder / "journal.tsv"
        day = self.folder / "day.txt"
        day.write_text("quiet 0.5 50\npeak 1 100..600\nbatch once 1000 3000\nnothing 0.3 0\nquiet 0.5 100\n")
        written, _ = self.loadgen("write", "--seed", SEED, "--workload", day, "--connections", 2, "--rows", 40, "--rows-spread", "log",
                                  "--hot-rows", 3, "--hot-share", 0.3, "--rollback-share", 0.1, "--open-share", 0.02, "--format", "tidb",
                                  "--schema-history", history, "--model", model, "--journal", journal)
        entries = [line.split("\t") for line in journal.read_text().splitlines()]
        still_open = [(int(worker), int(start)) for worker, kind, _, start, _, _ in entries if kind == "open"]
        self.assertEqual(len(still_open), written["open"])
        self.assertGreater(len(still_open), 0, "no open transactions: take a larger share")
        self.assertEqual(len(entries), written["transactions"])

        mariadb, drainer = self.begin_drain(history, written["last_commit_ts"])
        first_open = min(start for _, start in still_open)
        before = [int(commit) for _, kind, _, _, commit, _ in entries if kind == "transaction" and int(commit) < first_open]
        if before:  # what lies below the first open one goes downstream all the same
            wait_until(lambda: int(mariadb.query("select count(*) from sbtest.sbtest1")[0][0]) +
                       int(mariadb.query("select count(*) from sbtest.sbtest2")[0][0]) > 0, 60, "what was before the first open one")
        self.assertTrue(drainer.running(), drainer.tail())  # it waits: nobody knows whether they will commit
        for worker, start in still_open:
            self.roll_back(self.pumps[(worker - 1) % 2], start)
        self.assertEqual(drainer.wait(120), 0, drainer.tail())
        rows = self.assert_equals_model(mariadb, model, tables=2)
        self.assertGreater(rows, 3000, "the huge one is there")

    def roll_back(self, pump, start):
        with Peer(pump.port, WRITER) as peer:
            head = struct.pack("<BBHIQ", 3, 0, 0, 0, start)
            self.assertEqual(peer.write((head, head)), ("ack",))

    def test_a_transaction_above_32_mib_is_no_limit_of_ours(self):
        self.start_pumps(1)
        day = self.folder / "day.txt"
        day.write_text("few 0.2 20\nhuge once 70000000 1\nfew 0.2 20\n")
        written, _ = self.loadgen("write", "--seed", SEED, "--workload", day, "--payload-bytes", 100)
        self.assertGreater(written["payload_bytes"], 70_000_000)
        verified, _ = self.loadgen("verify", "--seed", SEED)
        self.assertGreater(verified["payload_bytes"], 70_000_000)

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
                                (["write", "--pumps", "127.0.0.1:1", "--payload-bytes", 1 << 31], "2147483647"),
                                (["write", "--pumps", "127.0.0.1:1", "--hot-rows", 3], "of --format tidb only"),
                                (["write", "--pumps", "127.0.0.1:1", "--workload", "/nowhere"], "cannot read /nowhere"),
                                (["write", "--pumps", "127.0.0.1:1", "--workload", __file__], "line 2 isn't understood"),
                                (["write", "--pumps", "127.0.0.1:1", "--workload", "/nowhere", "--rate", 5], "leave out --rate"),
                                (["write", "--pumps", "127.0.0.1:1,127.0.0.1:2", "--connections", "1"], "give at least 2"),
                                ([], "a command is missing")]:
            done = subprocess.run([str(a) for a in (BIN / "loadgen", *arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(told, done.stderr)


if __name__ == "__main__":
    main()
