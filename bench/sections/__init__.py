"""The fixed list of what tools/bench measures. A section's module has rows(shared): its rows, in order; and may have charts(shared)."""
from sections import drainer, end_to_end, merge, pump, storage

SECTIONS = {"storage": storage, "pump": pump, "merge": merge, "drainer": drainer, "end-to-end": end_to_end}
