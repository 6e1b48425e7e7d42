"""One child process: its log, its end, its memory. Everything waits by polling with a deadline that says what it waited for."""
import ctypes
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("SLUICE_BIN_DIR", ROOT / "build" / "bin"))

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """Something of the cluster didn't do what it must; the text says what and shows the log's end."""


def free_port():
    """Below the kernel's ephemeral range, so that no outgoing connection takes it before its server does."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port between 20000 and 32000")


def wait_until(condition, seconds, what):
    """The first true value of condition(); Failure after the deadline. `what` may be a function."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise Failure(f"after {seconds} s still waiting for {what() if callable(what) else what}")
        time.sleep(0.01)


class Program:
    """Start, kill and start again: the log file is one, appended."""

    def __init__(self, name, command, log, environment=None, dies_with_us=True, descriptors_max=None):
        self.name, self.command, self.log = name, [str(c) for c in command], pathlib.Path(log)
        self.environment = {**os.environ, **(environment or {})}
        self.dies_with_us, self.descriptors_max = dies_with_us, descriptors_max
        self.process = None
        self.has_input = False
        self.peak_rss_bytes = 0

    def start_with_input(self):
        """As start(), with a stdin that end_input() closes: how a program without signals is told to end."""
        self.has_input = True
        return self.start()

    def end_input(self):
        self.process.stdin.close()

    def start(self, extra=()):
        # A signal's exception between fork and the assignment would leave a child that nobody knows.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))

        def in_child():
            # Ctrl-C is for the parent, which ends its children in order. Were the parent killed, they would go with it.
            os.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if self.descriptors_max:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors_max, self.descriptors_max))
            if self.dies_with_us:
                _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        try:
            with open(self.log, "ab") as out:
                self.log_start = out.tell()
                self.process = subprocess.Popen([*self.command, *map(str, extra)],
                                                stdin=subprocess.PIPE if self.has_input else subprocess.DEVNULL, stdout=out,
                                                stderr=out, env=self.environment, preexec_fn=in_child)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        if self.process is None:
            return False
        self.note_memory()
        return self.process.poll() is None

    def note_memory(self):
        try:
            for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak_rss_bytes = max(self.peak_rss_bytes, int(line.split()[1]) * 1024)
        except OSError:
            pass  # gone

    def kill(self):
        """kill -9, of the children it has started as well."""
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()

    def stop(self, seconds=15):
        """SIGTERM; the exit code. A program that doesn't end in time is killed and that is a failure."""
        if self.running():
            self.process.terminate()
        return self.wait(seconds)

    def wait(self, seconds):
        try:
            wait_until(lambda: not self.running(), seconds, f"{self.name} to end")
        except Failure as failure:
            self.kill()
            raise Failure(f"{failure}\n{self.tail()}") from None
        return self.process.returncode

    def wait_ready(self, condition, seconds, what):
        def ready_or_dead():
            if not self.running():
                raise Failure(f"{self.name} ended with exit code {self.process.returncode} before {what}\n{self.tail()}")
            return condition()
        try:
            return wait_until(ready_or_dead, seconds, f"{self.name}: {what}")
        except Failure as failure:
            raise Failure(f"{failure}\n{self.tail()}") from None

    def text(self, all_lives=False):
        """What it wrote in this life."""
        data = self.log.read_bytes() if self.log.exists() else b""
        return data[0 if all_lives else self.log_start:].decode("utf-8", "replace")

    def last_line(self):
        lines = [line for line in self.text().splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def tail(self, lines=15):
        end = self.text(all_lives=True).splitlines()[-lines:]
        return f"--- the end of {self.log} (command: {' '.join(self.command)})\n" + "\n".join(end)
