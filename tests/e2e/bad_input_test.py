#!/usr/bin/env python3
"""Wrong usage, foreign data and broken bytes: each a clear error, and nothing lost."""
import errno
import json
import socket
import subprocess

from harness import BIN, Cluster, ClusterTest, main, wait_until

from cluster import native
from cluster.corpus import decompressed
from cluster.nodes import Pump, Replay

WRONG_USAGE = 2


def run(binary, *arguments, seconds=20):
    done = subprocess.run([BIN / binary, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=seconds, check=False)
    return done.returncode, done.stdout


class WrongUsage(ClusterTest):
    def assert_refused(self, outcome, *words, code=WRONG_USAGE):
        self.assertEqual(outcome[0], code, outcome[1])
        for word in words:
            self.assertIn(str(word), outcome[1])

    def test_an_unknown_flag_is_named(self):
        for binary in ("pump", "drainer", "replay"):
            with self.subTest(binary):
                self.assert_refused(run(binary, "--no-such-flag", "1"), "no-such-flag")

    def test_an_unknown_config_key_is_named(self):
        with Cluster("ddl") as cluster:
            config = cluster.folder / "config.toml"
            config.write_text('no-such-key = "x"\n')
            for binary in ("pump", "drainer"):
                with self.subTest(binary):
                    self.assert_refused(run(binary, "--config", config), "no-such-key", config)

    def test_a_value_out_of_range_is_named(self):
        self.assert_refused(run("replay", "--in-flight", "0", "--pumps", "127.0.0.1:1", "x"), "--in-flight is 0")

    def test_help_and_version_are_no_failures(self):
        for binary in ("pump", "drainer", "replay"):
            with self.subTest(binary):
                code, text = run(binary, "--help")
                self.assertEqual(code, 0, text)
                self.assertRegex(text, rf"Usage: {binary} \[OPTIONS\]")
                self.assertIn("--pumps" if binary != "pump" else "--data-dir", text)
                code, text = run(binary, "-V")
                self.assertEqual(code, 0, text)
                self.assertRegex(text, rf"^{binary} \(sluice \d+\.\d+\.\d+\)\n$")

    def test_grpc_replay_says_that_it_is_not_supported(self):
        self.assert_refused(run("replay", "--protocol", "grpc", "--pumps", "127.0.0.1:1", "x"), "not supported yet")


class WrongRecording(ClusterTest):
    def setUp(self):
        self.c = self.cluster("ddl")
        self.c.start_pumps()

    def refused(self, files, *words, arguments=()):
        program = Replay(self.c.folder, self.c.pumps, files, arguments).program.start()
        self.assertEqual(program.wait(30), WRONG_USAGE, program.tail())
        for word in words:
            self.assertIn(str(word), program.text())

    def test_nothing_is_sent_of_recordings_of_which_one_is_truncated(self):
        whole = decompressed(self.c.corpus.recordings[1])
        cut = self.c.folder / "cut"
        cut.write_bytes(whole[:-7])
        self.refused([self.c.corpus.recordings[0], cut], cut, "cut off")
        until = self.c.replay().wait()["progress_ts"]
        for index, probe in enumerate([self.c.probe(pump, until) for pump in self.c.pumps]):
            self.assertEqual(probe.wait(), self.c.corpus.served(index))

    def test_another_file_count_than_pumps_is_refused(self):
        self.refused(self.c.corpus.recordings[:1], "2 pumps and 1 recordings")

    def test_a_recording_of_another_cluster_is_refused_by_the_pump(self):
        self.refused(self.c.corpus.recordings, f"4711 vs {self.c.corpus.cluster_id}", arguments=["--cluster-id", 4711])


class PumpStart(ClusterTest):
    def assert_pump_refuses(self, pump, code, words):
        program = pump.program.start()
        self.assertEqual(program.wait(20), code, program.tail())
        self.assertIn("[error] pump can't start: ", program.last_line())
        self.assertIn(words, program.last_line())

    def setUp(self):
        self.c = self.cluster("ddl")
        self.first = self.owned(Pump(0, self.c.folder, 42)).start()

    def owned(self, pump):
        self.c.pumps.append(pump)
        return pump

    def test_a_port_in_use_is_named(self):
        second = self.owned(Pump(1, self.c.folder, 42, extra=["--addr", self.first.address]))
        self.assert_pump_refuses(second, 1, f"address {self.first.address} in use: ")

    def test_a_folder_in_use_by_another_pump_is_refused(self):
        second = self.owned(Pump(1, self.c.folder, 42, extra=["--data-dir", self.first.data]))
        self.assert_pump_refuses(second, 1, f"data folder {self.first.data} is in use by another pump; ")
        self.assertTrue(self.first.healthy())

    def test_a_folder_of_another_cluster_is_refused_naming_both(self):
        self.assertEqual(self.first.stop(), 0)
        second = self.owned(Pump(1, self.c.folder, 43, extra=["--data-dir", self.first.data]))
        self.assert_pump_refuses(second, 3, f"data folder {self.first.data}: it belongs to cluster 42, not 43; ")

    def test_sigterm_ends_with_exit_code_0_and_it_starts_again(self):
        self.assertEqual(self.first.stop(), 0)
        self.first.start()


def damaged(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class BrokenFrames(ClusterTest):
    """Each case must reach the code that is to refuse it: the pump's log says why it closed that very connection."""
    HELLO = native.hello(native.WRITER)
    RECORD = native.prewrite(5, b"abc")
    # what -> (bytes, the reason in the pump's log)
    BEFORE_HELLO = {
        "random bytes": (bytes(range(7, 107)), r"neither this node's protocol nor HTTP/1 peer=\S+ first_bytes=0708090a"),
        "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), r"nor HTTP/1 peer=\S+ first_bytes=16030102"),
        "nearly our magic": (b"SLIC" + b"\xA5" * 100, r"nor HTTP/1 peer=\S+ first_bytes=534c4943"),
        "our magic, then rubbish": (b"SLC\x01" + b"\xA5" * 100, r"frame header hashes to \w+, it says a5a5a5a5"),
        "another major version": (b"SLC\x09" + HELLO[4:], r"protocol version 9, this program version 1"),
        "a flipped bit in a header": (damaged(HELLO, 9), r"frame header hashes to"),
        "a flipped bit in a body": (damaged(HELLO, 40), r"body of frame type 1 hashes to \w+, its header says"),
        "half a header": (HELLO[:20], r"connection closed peer=\S+ name=\S* reason="),
        "half a body": (HELLO[:-9], r"connection closed peer=\S+ name=\S* reason="),
        "a giant length": (native.frame(native.WRITE, b"", 1, 0, body_bytes=1 << 30), r"announces a body of 1073741824 bytes"),
        "an unknown type": (native.frame(99), r"frame type 99 is unknown"),
        "records before hello": (native.write(1, RECORD), r"before hello"),
        "a hello that is no message": (native.frame(native.HELLO, b"\xA5" * 64), r"hello"),
    }
    AFTER_HELLO = {
        "a flipped bit in a payload": (damaged(native.write(1, RECORD), 32 + 24), r"frame of records"),
        "a flipped bit in a record's start ts": (damaged(native.write(1, RECORD), 32 + 8), r"record headers of a frame fold to"),
        "a gap in the sequence": (native.write(7, RECORD), r"write of sequence 7, 1 is next"),
        "a puller's frame from a writer": (native.frame(native.CREDIT, native.table(("Q", 1))), r"role 1, which is for role 2"),
    }

    def closed_with(self, pump, role, data, reason):
        with native.Peer(pump.port, role) as peer:
            address = "127.0.0.1:%d" % peer.socket.getsockname()[1]
            try:
                peer.send(data)
                peer.socket.shutdown(socket.SHUT_WR)
                while peer.socket.recv(65536):
                    pass
            except ConnectionError:
                pass  # reset: closed as well
            except OSError as error:  # ENOTCONN: closed before the shutdown
                self.assertEqual(error.errno, errno.ENOTCONN)
        lines = lambda: [line for line in pump.program.text().splitlines() if f"peer={address} " in line]
        wait_until(lines, 10, lambda: f"a log line about {address}\n{pump.program.tail()}")
        self.assertEqual(len(lines()), 1, lines())
        self.assertRegex(lines()[0], reason)

    def test_broken_bytes_close_their_connection_with_their_own_reason_and_harm_nothing(self):
        cluster = self.cluster("ddl")
        cluster.start_pumps()
        pump = cluster.pumps[0]
        for role, cases in ((None, self.BEFORE_HELLO), (native.WRITER, self.AFTER_HELLO)):
            for what, (data, reason) in cases.items():
                with self.subTest(what):
                    self.closed_with(pump, role, data, reason)
                    self.assertTrue(pump.healthy())
        until = cluster.replay().wait()["progress_ts"]
        self.assertEqual(cluster.probe(pump, until).wait(), cluster.corpus.served(0))

    def test_http_that_never_ends_its_line_is_answered_and_closed(self):
        cluster = self.cluster("ddl")
        cluster.start_pumps()
        with native.Peer(cluster.pumps[0].port) as peer:
            peer.send(b"GET /" + b"a" * 32_000)
            self.assertRegex(peer.socket.recv(65536), rb"^HTTP/1.1 431 ")
        self.assertTrue(cluster.pumps[0].healthy())

    def test_a_connection_without_a_byte_is_closed_when_its_peer_leaves(self):
        cluster = self.cluster("ddl")
        cluster.start_pumps()
        with native.Peer(cluster.pumps[0].port) as peer:
            peer.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(peer.socket.recv(1), b"")


class SchemaHistory(ClusterTest):
    def test_a_history_that_lacks_a_job_stops_the_drainer_and_nothing_is_lost(self):
        cluster = self.cluster("mixed")
        cluster.start_pumps()
        cluster.start_mariadb()
        until = cluster.replay().wait()["progress_ts"]
        history = json.loads(decompressed(cluster.corpus.ddl_history))
        lacking = [job for job in history if "bank.account" not in job.get("query", "")]
        self.assertLess(len(lacking), len(history), "no job of the table was found")
        whole = cluster.corpus.ddl_history
        cluster.corpus.ddl_history = cluster.folder / "lacking.json"
        cluster.corpus.ddl_history.write_text(json.dumps(lacking))
        drainer = cluster.drainer_to_mariadb()
        code = drainer.start(until).program.wait(120)
        self.assertEqual(code, 3, drainer.program.tail())
        self.assertRegex(drainer.program.last_line(), r"schema.history|ddl/history", drainer.program.tail())
        cluster.corpus.ddl_history = whole
        again = cluster.drainer_to_mariadb()
        again.start(until)
        again.wait(120)
        self.assert_equals_truth(cluster)


if __name__ == "__main__":
    main()
