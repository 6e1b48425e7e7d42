#!/usr/bin/env python3
"""Holds every #include of ours against the DEPS that each room's CMakeLists.txt declares.

A room may include its own headers, those of the rooms in its DEPS, and of the rooms that those pass on (DEPS are public).
storage and net never meet, pump and drainer never meet, nothing includes tools, tests or bench, and there are no cycles.
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
KEYWORDS = {"NAME", "DEPS", "LIBS", "MAINS", "PCH", "SOURCES"}


def parse_room(text):
    """(name, deps) of the sluice_room call in a CMakeLists.txt, or None."""
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
    return fields["NAME"][0], fields.get("DEPS", [])


class House:
    def __init__(self, cmake_texts, sources):
        """cmake_texts: folder -> CMakeLists text; sources: path -> text. Paths are relative to the root, with slashes."""
        self.rooms = {folder: room for folder, text in cmake_texts.items() if (room := parse_room(text))}
        self.folder_of = {name: folder for folder, (name, _) in self.rooms.items()}
        self.sources = sources

    def room_folder(self, path):
        folder = path.rpartition("/")[0]
        while folder and folder not in self.rooms:
            folder = folder.rpartition("/")[0]
        return folder

    def reachable(self, name, seen=None):
        seen = set() if seen is None else seen
        for dep in self.rooms.get(self.folder_of.get(name, ""), (name, []))[1]:
            if dep not in seen:
                seen.add(dep)
                self.reachable(dep, seen)
        return seen

    def violations(self):
        found = []
        for folder, (name, deps) in sorted(self.rooms.items()):
            if name in self.reachable(name):
                found.append(f"{folder}/CMakeLists.txt: {name} depends on itself through its DEPS")
            found += [f"{folder}/CMakeLists.txt: DEPS names {d}, no such room" for d in deps if d not in self.folder_of]
        for path, text in sorted(self.sources.items()):
            for include in INCLUDE.findall(text):
                if problem := self.problem(path, include):
                    found.append(f"{path}: includes \"{include}\": {problem}")
        return found

    def problem(self, path, include):
        if include.endswith((".pb.h", "_generated.h")):
            return None  # generated messages are libraries of their own, named in LIBS
        top = include.split("/")[0]
        if top not in TOP:
            return "write includes from the root of the project"
        here, there = self.room_folder(path), self.room_folder(include)
        if here == there or not there:
            return None
        if there.split("/")[0] in NEVER_INCLUDED:
            return f"{there} may not be included"
        here_top = path.split("/")[0]
        if (here_top, there.split("/")[0]) in NEVER_MEET:
            return f"{here_top} and {there} never meet"
        if here not in self.rooms:
            return None if here_top in NEVER_INCLUDED else f"{here or path} is no room"
        name = self.rooms[here][0]
        if self.rooms[there][0] not in self.reachable(name):
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


if __name__ == "__main__":
    sys.exit(unittest.main())
