"""What every end-to-end test imports: the cluster, the comparison with TiDB's state, the seed, and loud skips."""
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from cluster.chaos import Chaos  # noqa: E402
from cluster.cluster import Cluster  # noqa: E402
from cluster.program import BIN, ROOT, Failure, free_port, wait_until  # noqa: E402

SEED = int(os.environ.get("SLUICE_SEED") or random.SystemRandom().randrange(1 << 32))
KILLS = int(os.environ.get("SLUICE_KILLS", "4"))


def compare_with_truth(cluster, tables=(), excluded=()):
    """compare.py's JSON: {"tables": [...], "equal": n, "of": m}."""
    command = [sys.executable, ROOT / "tests" / "truth" / "compare.py", "--truth", cluster.corpus.truth,
               "--port", str(cluster.database.port), "--user", cluster.database.user, "--json"]
    if tables:
        command += ["--tables", ",".join(tables)]
    if excluded:
        command += ["--except", ",".join(excluded)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        raise Failure(f"compare.py: {done.stderr}")
    return json.loads(done.stdout)


class ClusterTest(unittest.TestCase):
    longMessage = True

    def cluster(self, corpus):
        return self.enterContext(Cluster(corpus))

    def assert_equals_truth(self, cluster, tables=(), excluded=()):
        result = compare_with_truth(cluster, tables, excluded)
        different = [f"{t['table']}: {t['difference']}" for t in result["tables"] if not t["equal"]]
        self.assertEqual(different, [])
        return result


def interrupt(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, interrupt)  # a time limit ends as Ctrl-C does: programs ended, folders removed
    print(f"seed {SEED} (SLUICE_SEED={SEED} repeats it)", flush=True)
    unittest.main(verbosity=2)
