"""What rows start and run: programs of ours, ceilings, databases, fio."""
import contextlib
import json
import pathlib
import shutil
import subprocess

from cluster.mariadb import MariaDb
from cluster.nodes import http_get
from cluster.program import BIN, Failure, Program, free_port
from measure import Skip


def run_json(*command, timeout=180):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=timeout,
                          check=False)
    if done.returncode != 0:
        raise Failure(f"{pathlib.Path(command[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)


class Folder:
    """Made when entered, gone when left."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __enter__(self):
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


class Shared:
    """What several rows of a section use: started when first asked for, ended with the section."""

    def __init__(self, folder, seconds):
        self.folder, self.seconds = pathlib.Path(folder), seconds
        self.stack = contextlib.ExitStack()
        self.made = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()
        self.made.clear()

    def get(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def ceiling(self, disk="sync"):
        return self.get(f"ceiling-{disk}", lambda: start_ceiling(self.stack, self.folder, disk))

    def mariadb(self, name="mariadb", extra=()):
        def make():
            mariadb = MariaDb(self.stack.enter_context(Folder(self.folder / name)), extra=extra)
            self.stack.callback(mariadb.kill)
            return mariadb.start()
        return self.get(name, make)


def start_pump(stack, folder, name="pump", time=("--time", "embedded")):
    """Its address."""
    data = stack.enter_context(Folder(folder / name))
    port = free_port()
    pump = Program(name, [BIN / "pump", "--addr", f"127.0.0.1:{port}", "--data-dir", data / "data", "--node-id", name, *time], data / "log")
    stack.callback(pump.kill)
    pump.start().wait_ready(lambda: http_get(port, "/healthz")[0] == 200, 60, "it is healthy")
    return f"127.0.0.1:{port}"


def start_pumps(stack, folder, count):
    """Their addresses, comma-separated; all take timestamps from the first."""
    first = start_pump(stack, folder, "pump-1")
    return ",".join([first, *(start_pump(stack, folder, f"pump-{i + 2}", ("--oracle", first)) for i in range(count - 1))])


def start_ceiling(stack, folder, disk="sync"):
    data = stack.enter_context(Folder(folder / f"ceiling-{disk}"))
    ceiling = Program("pump_ceiling", [BIN / "pump_ceiling", "--file", data / "file", "--disk", disk], data / "log")
    stack.callback(ceiling.kill)
    ceiling.start().wait_ready(lambda: "listening" in ceiling.text(), 120, "it listens")
    return "127.0.0.1:" + ceiling.text().split()[1]


def write(address, *arguments):
    return run_json(BIN / "loadgen", "write", "--pumps", address, "--json", *arguments)


def drainer_command(data, pumps, history, target, *arguments):
    return [str(a) for a in (BIN / "drainer", "--addr", f"127.0.0.1:{free_port()}", "--data-dir", data, "--pumps", pumps,
                             "--schema-history", history, *target, *arguments)]


def mariadb_target(mariadb):
    return ("--dest-db-type", "mysql", "--to-host", "127.0.0.1", "--to-port", mariadb.port, "--to-user", mariadb.user)


class Fio:
    """One file that was written through; sequential durable writes to it and reads from it, as fio does them."""

    def __init__(self, folder):
        if not shutil.which("fio"):
            raise Skip("fio isn't installed: run tools/setup")
        self.file = folder / "fio"

    def run(self, seconds, *arguments):
        done = subprocess.run(["fio", "--name=row", f"--filename={self.file}", "--size=1g", "--direct=1", "--ioengine=pvsync2",
                               "--time_based", f"--runtime={max(1, round(seconds))}", "--overwrite=1", "--output-format=json", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180, check=False)
        if done.returncode != 0:
            raise Failure(f"fio ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
        return json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]

    def durable_writes(self, seconds):
        return self.run(seconds, "--rw=write", "--bs=4m", "--sync=dsync")["write"]["bw_bytes"] / 1e6

    def reads(self, seconds):
        return self.run(seconds, "--rw=read", "--bs=1m")["read"]["bw_bytes"] / 1e6
