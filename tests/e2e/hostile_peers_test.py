#!/usr/bin/env python3
"""A thousand hostile connections against a pump under load: its memory stays inside the budget, HTTP answers, and the load
goes on. Throughput is printed, never judged."""
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


def resident_mib(pump, line="VmRSS"):
    for text in pathlib.Path(f"/proc/{pump.program.pid}/status").read_text(encoding="ascii").splitlines():
        if text.startswith(line + ":"):
            return int(text.split()[1]) // 1024
    raise AssertionError(f"no {line}")


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


if __name__ == "__main__":
    main()
