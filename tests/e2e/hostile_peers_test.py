#!/usr/bin/env python3
"""A thousand hostile connections against a pump under load: its memory stays inside the budget, HTTP answers, and the load
goes on. Throughput is printed, never judged."""
import json
import pathlib
import random
import socket
import threading
import time

from harness import SEED, ClusterTest, main, wait_until

from cluster import native
from cluster.nodes import Pump, http_get

HOSTILE = 1000
BUDGET_MIB = 256
BASE_MIB = 64  # the program's own: code, the log's batches, one 64 KiB buffer a connection
SECONDS = 6
LARGE_MIB = 192
PULLER_BYTES_MAX = 8 << 20  # a job's data on both sides of a connection's queue


def resident_mib(pump, line="VmRSS"):
    for text in pathlib.Path(f"/proc/{pump.program.pid}/status").read_text(encoding="ascii").splitlines():
        if text.startswith(line + ":"):
            return int(text.split()[1]) // 1024
    raise AssertionError(f"no {line}")


def status(pump):
    return json.loads(http_get(pump.port, "/api/v1/status", seconds=20)[1])


class Load(threading.Thread):
    """One writer that sends transactions, window 1, until it is told to stop."""

    def __init__(self, pump, base):
        super().__init__(daemon=True)
        self.peer = native.Peer(pump.port, native.WRITER, seconds=60, name="load", time_source=3)
        self.base, self.acked, self.failure, self.ending = base, 0, None, False

    def run(self):
        try:
            payload = b"x" * 1024
            ts = self.base
            while not self.ending:
                records = []
                for _ in range(64):
                    records += [native.prewrite(ts + 1, payload), native.commit(ts + 1, ts + 2)]
                    ts += 2
                outcome = self.peer.write(*records)
                if outcome[0] != "ack":
                    raise ConnectionError(str(outcome))
                self.acked += len(records)
        except (OSError, ConnectionError) as error:
            self.failure = error

    def rate(self, seconds):
        before, start = self.acked, time.monotonic()
        time.sleep(seconds)
        return (self.acked - before) / (time.monotonic() - start)


class HostilePeers(ClusterTest):
    def hostile(self, pump, index, rng):
        giant = native.frame(native.WRITE, sequence=1, body_hash=0, body_bytes=16 << 20)
        said = native.hello(native.WRITER, name="hostile\n[INFO] forged")
        kind = index % 6
        peer = socket.create_connection(("127.0.0.1", pump.port), timeout=20)
        try:
            if kind == 0:
                peer.sendall(said + giant)
            elif kind == 1:
                peer.sendall(said + giant + rng.randbytes(100_000))
            elif kind == 2:
                peer.sendall(said[:rng.randrange(4, len(said))])
            elif kind == 3:
                peer.sendall(rng.randbytes(rng.randrange(1, 200)))
            elif kind == 4:
                peer.sendall(said + giant[:17])
        except OSError:
            pass  # closed on us, which is its right
        return peer  # kind 5: silence

    def test_a_thousand_hostile_peers_cost_no_memory_and_no_health(self):
        cluster = self.cluster("ddl")
        pump = Pump(0, cluster.folder, 42, extra=["--memory-budget", BUDGET_MIB << 20])
        cluster.pumps.append(pump)
        pump.start()
        load = Load(pump, 1000)
        load.start()
        wait_until(lambda: load.acked > 0 or load.failure, 20, lambda: "the load runs")
        alone = load.rate(SECONDS / 2)
        rng = random.Random(SEED)
        peers = [self.hostile(pump, index, rng) for index in range(HOSTILE)]
        top, end = 0, time.monotonic() + SECONDS
        before, start = load.acked, time.monotonic()
        while time.monotonic() < end:
            top = max(top, resident_mib(pump))
            self.assertEqual(http_get(pump.port, "/healthz", seconds=20)[0], 200)
            time.sleep(0.1)
        disturbed = (load.acked - before) / (time.monotonic() - start)
        wait_until(lambda: load.acked > before or load.failure, 30, lambda: "the load goes on")
        for peer in peers:
            peer.close()
        load.ending = True
        load.join(60)
        load.peer.socket.close()
        self.assertIsNone(load.failure, pump.program.tail())
        print(f"records/s alone {alone:.0f}, with {HOSTILE} hostile {disturbed:.0f} ({disturbed / max(alone, 1):.2f}); "
              f"resident at most {top} MiB, peak {resident_mib(pump, 'VmHWM')} MiB of {BUDGET_MIB} + {BASE_MIB}", flush=True)
        self.assertLessEqual(resident_mib(pump, "VmHWM"), BUDGET_MIB + BASE_MIB)
        self.assertNotIn("\n[INFO] forged", pump.program.text())

    def test_pullers_that_do_not_read_a_large_transaction_cost_pieces_of_it(self):
        """192 MiB, four pullers that ask for it and don't read: counted bytes and resident memory stay inside the budget. Then all
        four get it, whole."""
        cluster = self.cluster("ddl")
        pump = Pump(0, cluster.folder, 42, extra=["--memory-budget", BUDGET_MIB << 20])
        cluster.pumps.append(pump)
        pump.start()
        payload = random.Random(SEED).randbytes(1 << 20) * LARGE_MIB
        with native.Peer(pump.port, native.WRITER, seconds=60, name="large", time_source=3) as writer:
            parts = native.prewrite_parts(10, payload)
            for at in range(0, len(parts), 4):
                self.assertEqual(writer.write(*parts[at:at + 4]), ("ack",))
            self.assertEqual(writer.write(native.commit(10, 20)), ("ack",))
        alone = resident_mib(pump, "VmHWM")
        pullers = [native.Peer(pump.port, native.PULLER, seconds=60, name=f"puller-{i}") for i in range(4)]
        for puller in pullers:
            puller.pull()
        # Each holds the front of the transaction, and goes on only as its socket is read.
        wait_until(lambda: len([p for p in status(pump)["pullers"] if p["credit_bytes"] < 1 << 30]) == 4, 30,
                   lambda: "each puller was sent something")
        for puller in pullers:
            got = 0
            while got < len(payload):
                kind, body = puller.read()
                got += len(body) if kind == native.DATA else 0
            puller.socket.close()
        memory = status(pump)["memory"]
        print(f"resident at most {resident_mib(pump, 'VmHWM')} MiB ({alone} before pulling) of {BUDGET_MIB} + {BASE_MIB}; counted: "
              + ", ".join(f"{use} {value['bytes_top'] >> 20}" for use, value in memory.items() if isinstance(value, dict)), flush=True)
        self.assertLessEqual(memory["bytes_top"], BUDGET_MIB << 20)
        self.assertLessEqual(memory["pulls"]["bytes_top"], len(pullers) * PULLER_BYTES_MAX)
        self.assertLessEqual(resident_mib(pump, "VmHWM"), BUDGET_MIB + BASE_MIB)


if __name__ == "__main__":
    main()
