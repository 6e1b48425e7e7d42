"""Pump, drainer, replay and pull_probe as the tests and the demo start them."""
import json
import shutil
import urllib.error
import urllib.request

from cluster.program import BIN, Failure, Program, free_port, wait_until


def http_get(port, path, seconds=2):
    """(status, body); (0, "") when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=seconds) as answer:
            return answer.status, answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")
    except OSError:
        return 0, ""


def http_put(port, path, seconds=5):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method="PUT")
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return answer.read().decode("utf-8")


class Node:
    """A program with a port and a data folder that can be killed and started again on both."""

    def __init__(self, name, folder, dies_with_us):
        self.name, self.port, self.data = name, free_port(), folder / name
        self.address = f"127.0.0.1:{self.port}"
        self.log = folder / f"{name}.log"
        self.dies_with_us = dies_with_us
        self.program = None

    def program_of(self, binary, arguments, **options):
        return Program(self.name, [BIN / binary, *arguments], self.log, dies_with_us=self.dies_with_us, **options)

    def healthy(self):
        return http_get(self.port, "/healthz")[0] == 200

    def kill(self):
        self.program.kill()

    def stop(self):
        return self.program.stop()


class Pump(Node):
    # Small segments: kill loops cross their borders, and a test doesn't write gigabytes ahead.
    SEGMENT_MIB = 16

    def __init__(self, index, folder, cluster_id, dies_with_us=True, extra=(), **program_options):
        super().__init__(f"pump-{index + 1}", folder, dies_with_us)
        self.program = self.program_of("pump", [
            "--addr", self.address, "--data-dir", self.data, "--node-id", self.name, "--cluster-id", cluster_id, "--time", "writer",
            "--segment-bytes", self.SEGMENT_MIB << 20, *extra], **program_options)

    def start(self, extra=()):
        """`extra`: flags of this life only; they win over the ones it was made with."""
        self.program.start(extra)
        self.program.wait_ready(self.healthy, 30, "it is healthy")
        return self

    def wipe(self):
        """Loses its data folder, as a replaced disk does."""
        self.kill()
        shutil.rmtree(self.data)


class Drainer(Node):
    def __init__(self, name, folder, pumps, corpus, target, dies_with_us=True):
        """`target`: the flags that name the downstream; mariadb_target() and file_target() make them."""
        super().__init__(name, folder, dies_with_us)
        self.program = self.program_of("drainer", [
            "--addr", self.address, "--data-dir", self.data, "--node-id", name, "--pumps", ",".join(p.address for p in pumps),
            "--schema-history", corpus.ddl_history, *target])

    def start(self, until=None, ddl_skip=()):
        extra = ["--until", until] if until else []
        if ddl_skip:
            extra += ["--ddl-skip", ",".join(map(str, ddl_skip))]
        self.program.start(extra)
        return self

    def wait(self, seconds, exit_code=0):
        code = self.program.wait(seconds)
        if code != exit_code:
            raise Failure(f"{self.name} ended with exit code {code} instead of {exit_code}\n{self.program.tail()}")

    def metrics(self):
        """The plain samples of /metrics, by name with labels; empty when it doesn't answer."""
        samples = {}
        for line in http_get(self.port, "/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples


def mariadb_target(mariadb):
    return ["--dest-db-type", "mysql", "--to-host", "127.0.0.1", "--to-port", mariadb.port, "--to-user", mariadb.user]


def file_target(folder):
    return ["--dest-db-type", "file", "--to-dir", folder]


class Replay:
    def __init__(self, folder, pumps, files, arguments=()):
        self.program = Program("replay", [BIN / "replay", "--json", "--pumps", ",".join(p.address for p in pumps), *arguments, *files],
                               folder / "replay.log")

    def start(self):
        self.program.start()
        return self

    def wait(self, seconds=120):
        """Its result."""
        code = self.program.wait(seconds)
        if code != 0:
            raise Failure(f"replay ended with exit code {code}\n{self.program.tail()}")
        return json.loads(self.program.last_line())


class Probe:
    """pull_probe at one pump; its lines are what the pump served."""

    def __init__(self, folder, pump, cluster_id, until, after=0, name="probe"):
        self.log = folder / f"{name}-{pump.name}-{after}.jsonl"
        self.program = Program(name, [BIN / "pull_probe", "--pump", pump.address, "--cluster-id", cluster_id, "--after", after,
                                      "--until", until], self.log)

    def start(self):
        self.program.start()
        return self

    def wait(self, seconds=60):
        code = self.program.wait(seconds)
        if code != 0:
            raise Failure(f"pull_probe ended with exit code {code}\n{self.program.tail()}")
        return [json.loads(line) for line in self.program.text().splitlines() if line.startswith("{")]


__all__ = ["Drainer", "Failure", "Probe", "Pump", "Replay", "file_target", "http_get", "http_put", "mariadb_target", "wait_until"]
