#!/usr/bin/env python3
"""Each pump serves exactly what a Go Pump served of the same recording, whatever is killed when and wherever a puller starts."""
import random

from harness import KILLS, SEED, Chaos, ClusterTest, main


class ServedSequence(ClusterTest):
    def assert_served(self, cluster, probes, after=0):
        for index, probe in enumerate(probes):
            expected = [t for t in cluster.corpus.served(index) if t["commit_ts"] > after]
            served = probe.wait()
            self.assertEqual(len(served), len(expected), f"pump {index + 1}, after {after}")
            for got, wanted in zip(served, expected):
                self.assertEqual(got, wanted, f"pump {index + 1}, after {after}")

    def probes(self, cluster, until, after=0):
        return [cluster.probe(pump, until, after) for pump in cluster.pumps]

    def check_undisturbed(self, corpus):
        cluster = self.cluster(corpus)
        cluster.start_pumps()
        live = self.probes(cluster, cluster.corpus.last_commit_ts())
        until = cluster.replay().wait()["progress_ts"]
        self.assert_served(cluster, live)
        self.assert_served(cluster, self.probes(cluster, until))
        every = sorted(t["commit_ts"] for p in range(len(cluster.pumps)) for t in cluster.corpus.served(p))
        picks = random.Random(SEED)
        for after in [every[0] - 1, every[0], every[-1] - 1, *(picks.choice(every) + picks.choice((-1, 0, 1)) for _ in range(5))]:
            self.assert_served(cluster, self.probes(cluster, until, after), after)

    def test_mixed_undisturbed_and_from_any_ts_in_the_middle(self):
        self.check_undisturbed("mixed")

    def test_ddl_undisturbed_and_from_any_ts_in_the_middle(self):
        self.check_undisturbed("ddl")

    def test_mixed_while_pumps_are_killed(self):
        cluster = self.cluster("mixed")
        cluster.start_pumps()
        live = self.probes(cluster, cluster.corpus.last_commit_ts())
        replay = cluster.replay_lasting(KILLS * 0.6)
        chaos = Chaos(SEED)
        kills = chaos.run([[(pump, pump.start)] for pump in cluster.pumps], KILLS, 120)
        self.assertTrue(replay.program.running(), "the replay was done before the last kill")
        until = replay.wait()["progress_ts"]
        print(f"seed {SEED}: killed {kills}")
        self.assert_served(cluster, live)
        self.assert_served(cluster, self.probes(cluster, until))

    def test_what_was_served_survives_a_kill_of_every_pump_when_all_is_quiet(self):
        cluster = self.cluster("ddl")
        cluster.start_pumps()
        until = cluster.replay().wait()["progress_ts"]
        for pump in cluster.pumps:
            pump.kill()
        for pump in cluster.pumps:
            pump.start()
        self.assert_served(cluster, self.probes(cluster, until))


if __name__ == "__main__":
    main()
