"""The loser tree, beside the figures aimed at and beside std::priority_queue."""
from cluster.program import BIN, Failure
from fixtures import run_json
from measure import Goal, Row


class MergeRow(Row):
    def __init__(self, shared, name, run, goal_of_figure, figure, goal_of_heap):
        super().__init__("merge", [Goal(name, "M keys/s", goal_of_figure, "the figure aimed at"),
                                   Goal(f"{name}, heap", "M keys/s", goal_of_heap, "std::priority_queue")])
        self.what = "merge_benchmark: the loser tree"
        self.seconds, self.run, self.figure = min(shared.seconds, 1.0) / 2, run, figure

    def once(self, benchmark):
        result = run_json(BIN / "merge_benchmark", f"--benchmark_filter=^{benchmark}<3>/run:{self.run}$",
                          f"--benchmark_min_time={self.seconds}", "--benchmark_format=json")
        if not result["benchmarks"]:
            raise Failure(f"merge_benchmark has no {benchmark} of runs of {self.run}")
        return result["benchmarks"][0]["items_per_second"] / 1e6

    def ours(self):
        return [self.once("merge")] * 2

    def theirs(self):
        return [self.figure, self.once("heap")]


def rows(shared):
    return [MergeRow(shared, "8 sources, random keys", 0, 1.0, 40, 1.15),
            MergeRow(shared, "8 sources, runs of 64", 64, 1.0, 200, 2.4)]
