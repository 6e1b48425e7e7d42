#!/usr/bin/env python3
"""Holds every #include of ours against the DEPS that each room's CMakeLists.txt declares.

A room may include its own headers, those of the rooms in its DEPS, and of the rooms that those pass on (DEPS are public).
storage and net never meet, pump and drainer never meet, nothing includes tools, tests or bench. Neither rooms nor files
depend on each other in a circle (a .h and its .cc count as one). Every library or program of a production folder is a room.
A third-party library whose types could spread stays in its adapters.
"""
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOP = ("base", "host", "storage", "net", "pump", "drainer", "ctl", "tools", "tests", "bench")
NEVER_INCLUDED = ("tools", "tests", "bench")
NEVER_MEET = (("storage", "net"), ("net", "storage"), ("pump", "drainer"), ("drainer", "pump"))

ROOM = re.compile(r"sluice_room\s*\(([^)]*)\)", re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>", re.M)
BARE_TARGET = re.compile(r"^\s*add_(?:library|executable)\s*\(\s*(\S+)", re.M)
# Third-party header -> the files, or folders, that may name it.
ADAPTERS = {
    "mysql.h": ("drainer/sinks/mysql/mysql_connection.cc", "bench/"),
    "mysqld_error.h": ("drainer/sinks/mysql/",),
    "errmsg.h": ("drainer/sinks/mysql/",),
    "liburing.h": ("storage/disk/", "bench/ceilings/"),
    "librdkafka/": ("drainer/sinks/kafka/",),
    "isa-l.h": ("drainer/sinks/file/binlog_file_format.cc",),
    "zstd.h": ("drainer/schema/compression.cc", "net/tidb/byte_source", "_test.cc"),
    "xxhash.h": ("base/checksum.cc",),
    "CLI/": ("base/options.cc",),
    "toml++/": ("base/options.cc",),
    "boost/beast/": ("net/http/",),
    "boost/asio/": ("net/", "tools/", "tests/", "_test.cc", "testing/"),
    "openssl/": ("net/", "tests/"),
    "gtest/": ("_test.cc", "_fixture.h", "_e2e.cc", "testing/"),
    "gmock/": ("_test.cc", "_fixture.h", "_e2e.cc", "testing/"),
    "benchmark/": ("bench/",),
}
KEYWORDS = {"NAME", "DEPS", "TEST_DEPS", "LIBS", "MAINS", "PCH", "SOURCES"}


def parse_room(text):
    """(name, deps, deps of its tests) of the sluice_room call in a CMakeLists.txt, or None."""
    match = ROOM.search(re.sub(r"#.*", "", text))
    if not match:
        return None
    fields, current = {}, None
    for word in match.group(1).split():
        if word in KEYWORDS:
            current = word
            fields[current] = []
        elif current:
            fields[current].append(word)
    return fields["NAME"][0], fields.get("DEPS", []), fields.get("TEST_DEPS", [])


class House:
    def __init__(self, cmake_texts, sources):
        """cmake_texts: folder -> CMakeLists text; sources: path -> text. Paths are relative to the root, with slashes."""
        self.rooms = {folder: room for folder, text in cmake_texts.items() if (room := parse_room(text))}
        self.folder_of = {name: folder for folder, (name, _, _) in self.rooms.items()}
        self.cmake_texts = cmake_texts
        self.sources = sources

    def room_folder(self, path):
        folder = path.rpartition("/")[0]
        while folder and folder not in self.rooms:
            folder = folder.rpartition("/")[0]
        return folder

    def reachable(self, name, seen=None):
        seen = set() if seen is None else seen
        for dep in self.rooms.get(self.folder_of.get(name, ""), (name, [], []))[1]:
            if dep not in seen:
                seen.add(dep)
                self.reachable(dep, seen)
        return seen

    def violations(self):
        found = []
        for folder, (name, deps, test_deps) in sorted(self.rooms.items()):
            if name in self.reachable(name):
                found.append(f"{folder}/CMakeLists.txt: {name} depends on itself through its DEPS")
            found += [f"{folder}/CMakeLists.txt: DEPS names {d}, no such room" for d in [*deps, *test_deps] if d not in self.folder_of]
            if not folder.endswith("testing"):
                found += [f"{folder}/CMakeLists.txt: DEPS names {d}, which is for tests: TEST_DEPS"
                          for d in deps if self.folder_of.get(d, "").endswith("testing")]
        for folder, text in sorted(self.cmake_texts.items()):
            if folder.split("/")[0] not in NEVER_INCLUDED:
                found += [f"{folder}/CMakeLists.txt: {target} belongs to no room; declare it with sluice_room"
                          for target in BARE_TARGET.findall(text)]
        for path, text in sorted(self.sources.items()):
            for include in INCLUDE.findall(text):
                if problem := self.problem(path, include):
                    found.append(f"{path}: includes \"{include}\": {problem}")
            for include in ANGLED.findall(text):
                if problem := self.third_party_problem(path, include):
                    found.append(f"{path}: includes <{include}>: {problem}")
        found += [f"{' -> '.join(cycle)}: these files include each other in a circle" for cycle in self.file_cycles()]
        return found

    @staticmethod
    def third_party_problem(path, include):
        if "/" in include and include.split("/")[0] in TOP and not include.startswith("benchmark/"):
            return "our own headers are written in quotes"
        for header, adapters in ADAPTERS.items():
            if include.startswith(header) and not any(path.startswith(a) or path.endswith(a) or f"/{a}" in path for a in adapters):
                return f"{header} stays in {', '.join(adapters)}"
        return None

    def file_cycles(self):
        """Each circle once, as the list of its units; a unit is a .h with its .cc. Programs and tests are ends, not parts."""
        graph = {}
        for path, text in self.sources.items():
            unit = path.rpartition(".")[0]
            if not unit.endswith(("_test", "_main")):
                graph.setdefault(unit, set()).update(i.rpartition(".")[0] for i in INCLUDE.findall(text))
        cycles, done = [], set()

        def visit(unit, trail):
            if unit in trail:
                cycle = trail[trail.index(unit):]
                if not any(set(cycle) == set(c) for c in cycles):
                    cycles.append(cycle)
            elif unit not in done:
                for other in sorted(graph.get(unit, set()) - {unit}):
                    visit(other, [*trail, unit])
                done.add(unit)

        for unit in sorted(graph):
            visit(unit, [])
        return cycles

    def problem(self, path, include):
        if include.endswith((".pb.h", "_generated.h")):
            return None  # generated messages are libraries of their own, named in LIBS
        top = include.split("/")[0]
        if top not in TOP:
            return "write includes from the root of the project"
        here, there, here_top = self.room_folder(path), self.room_folder(include), path.split("/")[0]
        if top in NEVER_INCLUDED:
            return None if here_top == top else f"{top} may not be included"
        if not there:
            return f"{include.rpartition('/')[0]} is no room"
        if "/testing/" in include and "/testing/" not in path and not path.endswith("_test.cc"):
            return "what lies in testing/ is for tests"
        if here == there:
            return None
        if (here_top, top) in NEVER_MEET:
            return f"{here_top} and {top} never meet"
        if here not in self.rooms:
            return None if here_top in NEVER_INCLUDED else f"{here or path} is no room"
        name, _, test_deps = self.rooms[here]
        allowed = self.reachable(name)
        if path.endswith("_test.cc"):
            allowed = allowed.union(test_deps, *(self.reachable(d) for d in test_deps))
        if self.rooms[there][0] not in allowed:
            return f"{self.rooms[there][0]} is not in the DEPS of {name}"
        return None


def read_house():
    paths = [p for top in TOP for p in (ROOT / top).rglob("*")]
    relative = lambda p: p.relative_to(ROOT).as_posix()
    cmake = {relative(p.parent): p.read_text() for p in paths if p.name == "CMakeLists.txt"}
    sources = {relative(p): p.read_text() for p in paths if p.suffix in (".h", ".cc")}
    return House(cmake, sources)


class Floors(unittest.TestCase):
    def test_every_include_keeps_to_the_declared_floors(self):
        house = read_house()
        self.assertGreater(len(house.sources), 50, "the sources were not found")
        self.assertEqual(house.violations(), [])

    def small(self, cmake=None, **sources):
        rooms = {"base": "sluice_room(NAME base)", "net": "sluice_room(NAME net DEPS base)",
                 "storage": "sluice_room(NAME storage DEPS base)", "pump": "sluice_room(NAME pump DEPS storage net)"}
        return House({**rooms, **(cmake or {})}, {path.replace("__", "/") + ".cc": text for path, text in sources.items()})

    def test_an_include_through_a_dependency_is_allowed(self):
        self.assertEqual(self.small(pump__a='#include "base/x.h"\n#include "net/y.h"\n').violations(), [])

    def test_an_upward_include_is_found(self):
        self.assertIn("not in the DEPS", self.small(base__a='#include "net/y.h"\n').violations()[0])

    def test_storage_and_net_never_meet(self):
        self.assertIn("never meet", self.small(storage__a='#include "net/y.h"\n').violations()[0])

    def test_a_relative_include_is_found(self):
        self.assertIn("from the root", self.small(net__a='#include "y.h"\n').violations()[0])

    def test_a_cycle_is_found(self):
        house = self.small({"base": "sluice_room(NAME base DEPS pump)"})
        self.assertTrue(any("itself" in v for v in house.violations()))

    def test_tests_and_benchmarks_are_never_included(self):
        for include in ("tests/x.h", "bench/y.h", "tools/z.h"):
            self.assertIn("may not be included", self.small(base__a=f'#include "{include}"\n').violations()[0])

    def test_a_folder_that_is_no_room_is_found(self):
        self.assertIn("ctl is no room", self.small(base__a='#include "ctl/x.h"\n').violations()[0])

    def test_an_own_header_in_angle_brackets_is_found(self):
        self.assertIn("in quotes", self.small(base__a="#include <net/y.h>\n").violations()[0])

    def test_a_target_without_a_room_is_found(self):
        self.assertIn("belongs to no room", self.small({"pump/x": "add_library(extra STATIC a.cc)"}).violations()[0])

    def test_a_third_party_header_outside_its_adapter_is_found(self):
        self.assertIn("stays in", self.small(pump__a="#include <mysql.h>\n").violations()[0])

    def test_files_that_include_each_other_in_a_circle_are_found(self):
        house = House({"net": "sluice_room(NAME net)"},
                      {"net/a.h": '#include "net/b.h"', "net/b.h": "", "net/b.cc": '#include "net/a.h"'})
        self.assertIn("in a circle", house.violations()[0])

    def test_what_tests_need_is_for_tests(self):
        rooms = {"storage": "sluice_room(NAME storage DEPS base TEST_DEPS fakes)", "storage/testing": "sluice_room(NAME fakes DEPS storage)"}
        include = '#include "storage/testing/x.h"\n'
        self.assertEqual(self.small(rooms, storage__a_test=include).violations(), [])
        self.assertIn("is for tests", self.small(rooms, storage__a=include).violations()[0])
        self.assertIn("is for tests", self.small({**rooms, "pump": "sluice_room(NAME pump DEPS storage fakes)"}).violations()[0])


if __name__ == "__main__":
    sys.exit(unittest.main())
