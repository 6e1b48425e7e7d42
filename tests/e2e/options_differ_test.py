#!/usr/bin/env python3
"""Pumps that are killed and start again with other options, some of them killed while they start: the recorded sequence is served."""
import random
import time

from harness import KILLS, SEED, ClusterTest, main

MIB = 1 << 20


class OptionsDiffer(ClusterTest):
    def setUp(self):
        self.random = random.Random(SEED)

    def options(self):
        return ["--segment-bytes", self.random.choice((8, 12, 16, 32)) * MIB,
                "--storage-backend", self.random.choice(("io_uring", "pwritev2", "automatic"))]

    def test_options_that_differ_between_the_lives_of_a_pump(self):
        cluster = self.cluster("mixed")
        cluster.start_pumps()
        live = [cluster.probe(pump, cluster.corpus.last_commit_ts()) for pump in cluster.pumps]
        replay = cluster.replay_lasting(KILLS * 0.6)
        for number in range(KILLS):
            pump, options = cluster.pumps[number % len(cluster.pumps)], self.options()
            time.sleep(self.random.uniform(0.02, 0.3))
            pump.kill()
            if self.random.random() < 0.5:  # once more while it starts: files are being made
                pump.program.start(self.options())
                time.sleep(self.random.uniform(0, 0.06))
                pump.kill()
            pump.start(options)
        self.assertTrue(replay.program.running(), "the replay was done before the last kill")
        replay.wait()
        for index, probe in enumerate(live):
            self.assertEqual(probe.wait(), cluster.corpus.served(index), f"pump {index + 1}, seed {SEED}")


if __name__ == "__main__":
    main()
