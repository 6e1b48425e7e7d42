#!/usr/bin/env python3
"""The file sink: a drainer that is killed writes the same events, in the same bytes, as one that isn't."""
from harness import KILLS, SEED, Chaos, ClusterTest, main

from cluster.binlog_file import payloads


class IntoFiles(ClusterTest):
    def check(self, corpus, kills):
        cluster = self.cluster(corpus)
        cluster.start_pumps()
        until = cluster.corpus.last_commit_ts()
        calm, killed = cluster.drainer_to_files("calm"), cluster.drainer_to_files("killed")
        calm.start(until)
        start_killed = lambda: killed.start(until)
        start_killed()
        replay = cluster.replay_lasting(kills * 0.4)
        done = Chaos(SEED, (0.02, 0.4)).run([[(killed, start_killed)]], kills, 120)
        print(f"seed {SEED}: {len(done)} kills")
        self.assertEqual(len(done), kills)
        replay.wait()
        for drainer in (calm, killed):
            drainer.wait(120)
        wanted, got = list(payloads(cluster.files_of(calm))), list(payloads(cluster.files_of(killed)))
        recorded = len(list(payloads_of_recording(cluster.corpus)))
        self.assertEqual(len(wanted), recorded, "events: ours, the Go Drainer's")
        self.assertEqual(len(got), len(wanted))
        for number, (a, b) in enumerate(zip(wanted, got)):
            self.assertTrue(a == b, f"event {number} differs")

    def test_mixed_survives_kills_byte_by_byte(self):
        self.check("mixed", KILLS)

    def test_ddl_survives_kills_byte_by_byte(self):
        self.check("ddl", KILLS)


def payloads_of_recording(corpus):
    import pathlib
    import tempfile

    from cluster.corpus import decompressed
    with tempfile.TemporaryDirectory() as folder:
        for path in corpus.folder.glob("drainer-file.*.zst"):
            (pathlib.Path(folder) / path.name.removeprefix("drainer-file.").removesuffix(".zst")).write_bytes(decompressed(path))
        yield from payloads(pathlib.Path(folder))


if __name__ == "__main__":
    main()
