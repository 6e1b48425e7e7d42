"""The recorded input below tests/data/."""
import json
import subprocess

from cluster.program import ROOT

CASES_CLUSTER_ID = 7700000000000000001


class Corpus:
    def __init__(self, name):
        self.name, self.folder = name, ROOT / "tests" / "data" / name
        self.recordings = sorted(self.folder.glob("pump-*.writebinlog.zst"))
        self.truth = self.folder / "truth.tar.zst"
        self.ddl_history = self.folder / "ddl_history.json.zst"
        self.cluster_id = {"mixed": 7711588227002558183, "ddl": 7711594189174298413}.get(name, CASES_CLUSTER_ID)
        self.transactions = {"mixed": 10823, "ddl": 371}.get(name)

    def served(self, pump):
        """What Go Pump `pump` (from 0) served of its recording, oldest first."""
        text = decompressed(self.folder / f"pump-{pump + 1}.pulled.jsonl.zst").decode("utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def last_commit_ts(self):
        return max(self.served(p)[-1]["commit_ts"] for p in range(len(self.recordings)))


def decompressed(path):
    return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
