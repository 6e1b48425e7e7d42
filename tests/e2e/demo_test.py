#!/usr/bin/env python3
"""tools/demo ended by Ctrl-C at a random moment leaves nothing behind: no process, no folder."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile

from harness import ROOT, SEED, ClusterTest, main, wait_until


def processes_below(folder):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if folder.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def bootstraps_below(folder):
    """mariadb-install-db's own server: a grandchild of the demo."""
    def command(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""
    return [pid for pid in processes_below(folder) if b"--bootstrap" in command(pid)]


class Demo(ClusterTest):
    STAGES = ["up after", "what a real TiDB sent", "made durable", "committed transactions"]  # each said once

    def interrupt(self, stage, number, also=lambda folder: True):
        """Sends `number` once the demo has printed `stage` and also(folder) holds."""
        with tempfile.TemporaryDirectory(prefix="sluice-demo-test-") as folder:
            demo = subprocess.Popen([sys.executable, ROOT / "tools" / "demo"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, env={**os.environ, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"})
            for line in demo.stdout:
                if stage in line:
                    break
            else:
                self.fail(f"the demo ended before {stage!r}")
            wait_until(lambda: also(folder), 30, "the moment to interrupt at")
            self.assertTrue(processes_below(folder), "nothing runs yet, so nothing could be left behind")
            demo.send_signal(number)
            rest = demo.stdout.read()
            self.assertEqual(demo.wait(timeout=60), 130, rest)
            self.assertIn("nothing is left behind", rest)
            wait_until(lambda: not processes_below(folder), 10, lambda: f"processes {processes_below(folder)} to end")
            self.assertEqual(os.listdir(folder), [])

    def test_ctrl_c_leaves_nothing_behind(self):
        self.interrupt(random.Random(SEED).choice(self.STAGES), signal.SIGINT)

    def test_ctrl_c_while_mariadb_prepares_its_folder_leaves_nothing_behind(self):
        self.interrupt("a private MariaDB", signal.SIGINT, lambda folder: bootstraps_below(folder))

    def test_sigterm_leaves_nothing_behind(self):
        self.interrupt("what a real TiDB sent", signal.SIGTERM)


if __name__ == "__main__":
    main()
