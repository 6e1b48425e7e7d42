"""A pump's proxy that tampers with what it serves: between a puller and a pump it takes whole transactions out of the stream and
hands on what a test makes of them, with frames and hashes that are right. What a puller must notice, no hash can tell it."""
import socket
import struct
import threading

from cluster.native import DATA, frame, xxh3

PREWRITE, COMMIT, PART = 1, 2, 4
HEADER_BYTES = {1: 24, 2: 24, 3: 16, 4: 40, 5: 16, 8: 24, 9: 16, 10: 24, 11: 16}
PART_LAST = 2


def split_run(run):
    """The records of a run, each with header, body and padding."""
    records, at = [], 0
    while at < len(run):
        body_bytes = struct.unpack_from("<I", run, at + 4)[0]
        size = HEADER_BYTES[run[at]] + body_bytes
        size += -size % 8
        records.append(run[at:at + size])
        at += size
    return records


def data_frame(records):
    fold = 0
    for record in records:
        fold = xxh3(record[:HEADER_BYTES[record[0]]], fold)
    return frame(DATA, b"".join(records), body_hash=fold)


class Transaction:
    """A commit record and the records of its payload."""

    def __init__(self, records):
        self.commit, self.payload = records[0], records[1:]

    @property
    def records(self):
        return [self.commit, *self.payload]

    def with_commit_of(self, other):
        """This payload under the other's commit ts."""
        commit = self.commit[:16] + other.commit[16:24]
        return Transaction([commit, *self.payload])

    def with_byte_flipped(self, at):
        """In its payload, whose hash then is right again: as if the pump had taken other bytes."""
        record = bytearray(self.payload[0])
        record[24 + at] ^= 1
        body_bytes = struct.unpack_from("<I", record, 4)[0]
        struct.pack_into("<Q", record, 16, xxh3(record[24:24 + body_bytes]))
        return Transaction([self.commit, bytes(record), *self.payload[1:]])

    def is_whole(self):
        if not self.payload:
            return False
        last = self.payload[-1]
        return last[0] == PREWRITE or (last[0] == PART and struct.unpack_from("<H", last, 2)[0] & PART_LAST)


class AlteringProxy:
    """Listens on a port of its own. `alter(transactions so far, transaction)` returns the transactions to hand on for it."""

    def __init__(self, pump_port, alter):
        self.pump_port, self.alter, self.passed = pump_port, alter, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = [self.listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it never was connected
            one.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            pump = socket.create_connection(("127.0.0.1", self.pump_port))
            self.sockets += [client, pump]
            threading.Thread(target=self._copy, args=(client, pump), daemon=True).start()
            threading.Thread(target=self._serve, args=(pump, client), daemon=True).start()

    @staticmethod
    def _copy(source, target):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side is gone

    def _serve(self, pump, client):
        stream, begun = pump.makefile("rb"), []
        try:
            while head := stream.read(32):
                kind, _, size = struct.unpack_from("<HHI", head, 4)
                body = stream.read(size)
                if kind != DATA:
                    client.sendall(head + body)
                    continue
                for record in split_run(body):
                    begun.append(record)
                    transaction = Transaction(begun)
                    if not transaction.is_whole():
                        continue
                    begun, altered = [], self.alter(self.passed, transaction)
                    self.passed += 1
                    for one in altered:
                        client.sendall(data_frame(one.records))
        except OSError:
            pass
        finally:
            client.close()
