"""Reads the file sink's files (docs/formats/binlog-file.md) just far enough to compare them: payloads, in order."""
import struct

from cluster.program import Failure

MAGIC = 471532804


def payloads(folder):
    """Each event's payload bytes over all files of a folder, in file order. A torn end is a failure: a finished sink has none."""
    for path in sorted(folder.glob("binlog-*")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            if len(data) - at < 16:
                raise Failure(f"{path.name}: {len(data) - at} bytes after the last event")
            magic, size = struct.unpack_from("<IQ", data, at)
            if magic != MAGIC or at + 16 + size > len(data):
                raise Failure(f"{path.name}: no whole event at byte {at}")
            yield data[at + 12:at + 12 + size]
            at += 16 + size
