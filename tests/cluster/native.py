"""A small client of the native protocol (docs/formats/frame.md, docs/formats/record.md), for tests that must say things no
well-behaved client says, or say them at a moment of their choosing. Frames are made by hand, so a test can break any byte."""
import ctypes
import socket
import struct

HELLO, WELCOME, REFUSAL, GOODBYE, PING, PONG = 1, 2, 3, 4, 5, 6
WRITE, ACK, NACK, TSO_REQUEST, TSO_REPLY = 16, 17, 18, 24, 25
PULL, DATA, RESOLVED, CREDIT, END = 32, 33, 34, 35, 38
WRITER, PULLER, ORACLE = 1, 2, 3
FORMAT_TIDB = 1

_XXHASH = ctypes.CDLL("libxxhash.so.0")
_XXHASH.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_XXHASH.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


def xxh3(data, seed=0):
    return _XXHASH.XXH3_64bits_withSeed(bytes(data), len(data), seed)


def frame(kind, body=b"", sequence=0, body_hash=None, body_bytes=None):
    head = bytearray(b"SLC\x01" + struct.pack("<HHIIQQ", kind, 0, len(body) if body_bytes is None else body_bytes, 0, sequence,
                                              xxh3(body) if body_hash is None else body_hash))
    struct.pack_into("<I", head, 12, xxh3(head) & 0xFFFFFFFF)
    return bytes(head) + body


def table(*fields):
    """A FlatBuffer of one table. Each field is an int with its struct letter, ("Q", 7), or ("s", text)."""
    # Inline parts first, widest first, so that each is aligned by construction; then the strings.
    width = {"B": 1, "I": 4, "Q": 8, "s": 4}
    offset, place = 4, [0] * len(fields)
    for index in sorted(range(len(fields)), key=lambda i: -width[fields[i][0]]):
        offset += -offset % width[fields[index][0]]
        place[index] = offset
        offset += width[fields[index][0]]
    vtable = struct.pack(f"<HH{len(fields)}H", 4 + 2 * len(fields), offset, *place)
    start = 4 + len(vtable)
    start += -start % 8  # the table; u64 fields lie at a multiple of 8 from it
    out = bytearray(start + offset)
    struct.pack_into("<I", out, 0, start)
    out[4:4 + len(vtable)] = vtable
    struct.pack_into("<i", out, start, start - 4)
    for (letter, value), at in zip(fields, place):
        if letter == "s":
            out += bytes(-len(out) % 4)
            struct.pack_into("<I", out, start + at, len(out) - (start + at))
            text = value.encode()
            out += struct.pack("<I", len(text)) + text + b"\0"
        else:
            struct.pack_into("<" + letter, out, start + at, value)
    return bytes(out + bytes(-len(out) % 8))


def field(body, index, letter):
    """Field `index` of a table that a pump sent; 0 or "" when it is absent."""
    start = struct.unpack_from("<I", body, 0)[0]
    vtable = start - struct.unpack_from("<i", body, start)[0]
    there = 4 + 2 * index < struct.unpack_from("<H", body, vtable)[0]
    at = struct.unpack_from("<H", body, vtable + 4 + 2 * index)[0] if there else 0
    if letter == "s":
        if not at:
            return ""
        text = start + at + struct.unpack_from("<I", body, start + at)[0]
        size = struct.unpack_from("<I", body, text)[0]
        return body[text + 4:text + 4 + size].decode("utf-8", "replace")
    return struct.unpack_from("<" + letter, body, start + at)[0] if at else 0


def hello(role, cluster_id=0, time_source=0, name="test"):
    return frame(HELLO, table(("B", role), ("Q", cluster_id), ("Q", 0), ("B", time_source), ("s", name), ("B", 0)))


def prewrite(start, payload):
    """(record, the header bytes that the frame's fold covers)"""
    head = struct.pack("<BBHIQQ", 1, FORMAT_TIDB, 0, len(payload), start, xxh3(payload))
    return head + payload + bytes(-len(payload) % 8), head


def prewrite_parts(start, payload):
    """A payload larger than a record's 1 MiB, as the parts it travels in."""
    parts, whole = [], xxh3(payload)
    for offset in range(0, len(payload), 1 << 20):
        piece = payload[offset:offset + (1 << 20)]
        flags = (1 if offset == 0 else 0) | (2 if offset + len(piece) == len(payload) else 0)
        head = struct.pack("<BBHIQQQII", 4, FORMAT_TIDB, flags, len(piece), start, xxh3(piece), whole, offset, len(payload))
        parts.append((head + piece + bytes(-len(piece) % 8), head))
    return parts


def commit(start, commit_ts):
    head = struct.pack("<BBHIQQ", 2, 0, 0, 0, start, commit_ts)
    return head, head


def write(sequence, *records):
    fold = 0
    for _, head in records:
        fold = xxh3(head, fold)
    return frame(WRITE, b"".join(record for record, _ in records), sequence, fold)


class Peer:
    """One connection. Pings are answered while it reads."""

    def __init__(self, port, role=None, seconds=20, **said):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.next_sequence = 1
        if role is not None:
            self.send(hello(role, **said))
            kind, body = self.read()
            if kind != WELCOME:
                raise ConnectionError(f"no welcome but {kind}: {field(body, 1, 's') if kind == REFUSAL else body!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("closed by the pump")
            data += more
        return data

    def read(self):
        """(type, body) of the next frame that is no ping or pong."""
        while True:
            head = self._exactly(32)
            kind, _, size = struct.unpack_from("<HHI", head, 4)
            body = self._exactly(size)
            if kind == PING:
                self.send(frame(PONG))
            elif kind != PONG:
                return kind, body

    def write(self, *records):
        """Sends them as one frame. The outcome of its last record: ("ack",) or ("nack", retryable, text)."""
        self.send(write(self.next_sequence, *records))
        self.next_sequence += len(records)
        while True:
            kind, body = self.read()
            if kind == ACK and field(body, 0, "Q") >= self.next_sequence - 1:
                return ("ack",)
            if kind == NACK and field(body, 1, "Q") >= self.next_sequence - 1:
                return "nack", bool(field(body, 3, "B")), field(body, 4, "s")
            if kind == REFUSAL:
                raise ConnectionError(field(body, 1, "s"))

    def timestamp(self):
        self.send(frame(TSO_REQUEST, table(("Q", 1), ("I", 1))))
        kind, body = self.read()
        if kind != TSO_REPLY:
            raise ConnectionError(f"no timestamp but frame type {kind}")
        return field(body, 1, "Q")

    def pull(self, after=0):
        self.send(frame(PULL, table(("Q", after), ("Q", 1 << 30))))

    def committed_until(self, wanted):
        """Commit ts's that a pull served, in order, until `wanted` is resolved or END or a goodbye comes."""
        found = []
        while True:
            kind, body = self.read()
            if kind == DATA:
                found += commits_of(body)
            elif kind == END or kind == GOODBYE or (kind == RESOLVED and field(body, 0, "Q") >= wanted):
                return found


def commits_of(run):
    """The commit ts's in a run of records."""
    header_bytes = {1: 24, 2: 24, 3: 16, 4: 40, 5: 16, 8: 24, 9: 16, 10: 24, 11: 16}
    found, at = [], 0
    while at < len(run):
        kind, size = run[at], struct.unpack_from("<I", run, at + 4)[0]
        if kind in (2, 8):
            found.append(struct.unpack_from("<Q", run, at + 16)[0])
        whole = header_bytes[kind] + size
        at += whole + -whole % 8
    return found
