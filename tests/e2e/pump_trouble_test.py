#!/usr/bin/env python3
"""What happens to a pump besides kill -9: no descriptors, a slow disk during close, an oracle that
stands still. Each ends with everything acked served once, in order."""
import random
import shutil
import signal
import socket
import subprocess
import time
import unittest

from harness import KILLS, ROOT, SEED, ClusterTest, main, wait_until

from cluster import native
from cluster.nodes import Pump, http_put

MIB = 1 << 20


class PumpTrouble(ClusterTest):
    def setUp(self):
        self.random = random.Random(SEED)

    def pump(self, cluster, *extra, **options):
        pump = Pump(len(cluster.pumps), cluster.folder, 42, extra=["--time", "embedded", *extra], **options)
        cluster.pumps.append(pump)
        return pump

    def transaction(self, peer, oracle, payload=b"x"):
        """Written and acked; its commit ts."""
        start = oracle.timestamp()
        self.assertEqual(peer.write(native.prewrite(start, payload)), ("ack",))
        commit = oracle.timestamp()
        self.assertEqual(peer.write(native.commit(start, commit)), ("ack",))
        return commit

    def assert_serves(self, pump, commits):
        with native.Peer(pump.port, native.PULLER) as puller:
            puller.pull()
            self.assertEqual(puller.committed_until(max(commits)), sorted(commits))


class NoDescriptors(PumpTrouble):
    def test_idle_connections_that_eat_every_descriptor_do_not_end_the_log(self):
        cluster = self.cluster("ddl")
        pump = self.pump(cluster, "--segment-bytes", 8 * MIB, descriptors_max=128).start()
        commits = []
        with native.Peer(pump.port, native.WRITER) as writer, native.Peer(pump.port, native.ORACLE) as oracle:
            commits.append(self.transaction(writer, oracle))
            idle = []
            try:
                for _ in range(200):
                    idle.append(socket.create_connection(("127.0.0.1", pump.port), timeout=5))
                for _ in range(40):  # four segments and more
                    commits.append(self.transaction(writer, oracle, bytes(MIB - 24)))
            finally:
                for each in idle:
                    each.close()
        wait_until(pump.healthy, 10, "the pump to answer again")
        with native.Peer(pump.port, native.WRITER) as writer, native.Peer(pump.port, native.ORACLE) as oracle:
            commits.append(self.transaction(writer, oracle))
        self.assert_serves(pump, commits)
        pump.kill()
        pump.start()
        self.assert_serves(pump, commits)


class SlowDiskDuringClose(PumpTrouble):
    def test_no_acked_transaction_lies_above_the_end(self):
        cluster = self.cluster("ddl")
        shim, slow = cluster.folder / "slow_disk.so", cluster.folder / "slow"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if not compiler:
            raise unittest.SkipTest("SKIP: no C compiler, so no slow disk")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, ROOT / "tests" / "cluster" / "slow_disk.c", "-ldl"], check=True)
        for _ in range(max(1, KILLS // 2)):
            self.close_once(cluster, {"LD_PRELOAD": str(shim), "SLUICE_SLOW_WHILE": str(slow)}, slow)

    def close_once(self, cluster, environment, slow):
        pump = self.pump(cluster, "--storage-backend", "pwritev2", environment=environment).start()
        with native.Peer(pump.port, native.WRITER) as writer, native.Peer(pump.port, native.ORACLE) as oracle, \
                native.Peer(pump.port, native.PULLER) as puller:
            puller.pull()
            commits = [self.transaction(writer, oracle)]
            start = oracle.timestamp()
            slow.touch()
            began = time.monotonic()
            writer.send(native.write(writer.next_sequence, native.prewrite(start, b"the one")))
            writer.next_sequence += 1
            time.sleep(self.random.uniform(0, 0.03))
            http_put(pump.port, f"/state/{pump.name}/close")
            kind, body = writer.read()
            self.assertIn(kind, (native.ACK, native.NACK))
            if kind == native.ACK:
                self.assertGreater(time.monotonic() - began, 0.09, "the disk wasn't slow")
                commit = oracle.timestamp()
                self.assertEqual(writer.write(native.commit(start, commit)), ("ack",))
                commits.append(commit)
            else:
                self.assertTrue(native.field(body, 3, "B"), "a refusal because of the state is retryable elsewhere")
            slow.unlink()
            self.assertEqual(puller.committed_until(1 << 63), commits)
            puller.send(native.frame(native.GOODBYE))
        self.assertEqual(pump.program.wait(20), 0, pump.program.tail())
        self.assertIn("offline", pump.program.text())


class OracleStopped(PumpTrouble):
    def test_a_commit_fresh_from_an_oracle_that_then_stands_still_is_taken_once_it_is_back(self):
        cluster = self.cluster("ddl")
        oracle_pump = self.pump(cluster).start()
        pump = self.pump(cluster, "--oracle", oracle_pump.address).start()
        commits = []
        with native.Peer(pump.port, native.WRITER) as writer:
            for number in range(KILLS):
                commits.append(self.commit_across_a_stop(oracle_pump, writer, killed=number % 2 == 1))
        self.assert_serves(pump, commits)

    def commit_across_a_stop(self, oracle_pump, writer, killed):
        with native.Peer(oracle_pump.port, native.ORACLE) as oracle:
            start = oracle.timestamp()
            self.assertEqual(writer.write(native.prewrite(start, b"x")), ("ack",))
            time.sleep(self.random.uniform(0, 0.05))
            commit = oracle.timestamp()
        if killed:
            oracle_pump.kill()
        else:
            oracle_pump.program.process.send_signal(signal.SIGSTOP)
        back_at = time.monotonic() + self.random.uniform(0.1, 2)
        outcome = None
        while outcome != ("ack",):
            outcome = writer.write(native.commit(start, commit))
            if outcome[0] == "nack":
                self.assertTrue(outcome[1], f"refused for good: {outcome[2]}")
                time.sleep(0.02)
            if oracle_pump is not None and time.monotonic() > back_at:
                oracle_pump = self.back(oracle_pump, killed)
        if oracle_pump is not None:
            self.back(oracle_pump, killed)
        return commit

    def back(self, oracle_pump, killed):
        if killed:
            oracle_pump.start()
        else:
            oracle_pump.program.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    main()
