#!/usr/bin/env python3
"""What a script can check of the style of the code, so that no reader has to (docs/architecture.md, CONTRIBUTING.md).

Each rule is a function of (path, text) that yields what it found; each has a text that must be found and one that must pass.
"""
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOP = ("base", "host", "storage", "net", "pump", "drainer", "ctl", "tools", "tests", "bench")
LABELS = "Contract|Threads|Owns|Borrows|Errors|Limits|Format"
FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70
# Shells that read the clock themselves, still: no other file may, and a name whose file no longer does goes from here.
RAW_CLOCKS = ("cluster_probe.cc", "connection.cc", "data_folder.cc", "mysql_connection.cc", "mysql_sink.cc", "mysql_sink.h",
              "oracle_client.cc", "pipeline.cc", "posix_disk.cc", "progress.cc", "pull_source.cc", "server.cc", "server_peer.cc",
              "writer_client.cc")


def is_test(path):
    return path.endswith(("_test.cc", "_e2e.cc", "_fixture.h")) or path.startswith("tests/") or "/testing/" in path


def header_opens_with_its_card(path, text):
    if path.endswith(".h") and not text.startswith("// "):
        yield "a header opens with what its reader can rely on, before #pragma once"


def card_lines_stay_lines(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*// .*\S\s+({LABELS}):\s+\S", line) and not re.match(r"\s*// {5,}", line):
            yield f"line {number}: a label of the header card inside a line; each label opens a line of its own"


def one_pragma_once(path, text):
    if path.endswith(".h") and text.count("#pragma once") != 1:
        yield "a header has one #pragma once"


def suites_are_named_in_pascal_case(path, text):
    for suite, name in re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", text, re.M):
        for word in (suite, name):
            if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", word):
                yield f"test {suite}.{name}: suite and requirement are PascalCase, without underscores"


def no_sleep_in_unit_tests(path, text):
    if path.endswith("_test.cc"):
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(", line):
                yield f"line {number}: a unit test doesn't sleep; take time as an argument or wait for the thing itself"


def time_is_an_argument(path, text):
    if is_test(path) or path.split("/")[0] in ("tools", "bench") or path == "base/clock.h":
        return
    lines = [number for number, line in enumerate(text.splitlines(), 1) if re.search(r"\b(steady_clock|system_clock)::now\(", line)]
    excepted = path.rpartition("/")[2] in RAW_CLOCKS
    if lines and not excepted:
        yield f"lines {lines}: the clock is read directly; take `now` as an argument or a Clock& (base/clock.h)"
    if excepted and not lines:
        yield "the clock is no longer read directly: take the file out of RAW_CLOCKS (tests/tidy_test.py)"


def no_call_keeps_its_answer_where_threads_share_it(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"(?<![\w:.])(?:::|std::)?(localtime|gmtime|ctime|asctime|strtok|rand|srand|readdir|strsignal)\(", line):
            yield f"line {number}: threads share what this call answers with; there is a reentrant one"


def files_stay_readable(path, text):
    if (lines := text.count("\n")) > FILE_LINES_MAX:
        yield f"{lines} lines; above {FILE_LINES_MAX} a file wants splitting"


def functions_stay_readable(path, text):
    """A function's body opens at a line's end in column 0 or 2 and closes at the same indentation (clang-format's layout)."""
    if is_test(path) or path.endswith("_options.cc"):
        return
    lines = text.splitlines()
    for indent in ("", "  "):
        opened = None
        for number, line in enumerate(lines, 1):
            if line.startswith(indent) and not line.startswith(indent + " ") and line.endswith("{") and "(" in line:
                if re.search(r"\badd_\w*options\(", line):  # a table of options is as long as its rows
                    opened = None
                elif not re.match(r"\s*(namespace|class|struct|enum|extern|union)\b", line):
                    opened = number
            elif line.rstrip(";") == indent + "}" and opened is not None:
                if number - opened - 1 > FUNCTION_LINES_MAX:
                    yield f"line {opened}: a function of {number - opened - 1} lines; above {FUNCTION_LINES_MAX} it wants leaves"
                opened = None


def nothing_outside_is_cited(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\bdesign §|\bdesign\.md\b|\bcontract\.md\b|\bstyle\.md\b|\bshared/", line):
            yield f"line {number}: cites what isn't in this repository; say it here, or in docs/"


RULES = (header_opens_with_its_card, card_lines_stay_lines, one_pragma_once,
         suites_are_named_in_pascal_case, no_sleep_in_unit_tests, time_is_an_argument, no_call_keeps_its_answer_where_threads_share_it,
         files_stay_readable, functions_stay_readable, nothing_outside_is_cited)


def dead_headers(sources):
    """Headers that nothing includes, not even their own .cc."""
    included = {include for text in sources.values() for include in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.M)}
    return sorted(path for path in sources if path.endswith(".h") and path not in included)


def words_of(cmake):
    """Words of a CMakeLists.txt, without comments; a list that foreach walks counts word by word."""
    return set(re.split(r"[\s()\"]+", re.sub(r"#.*", "", cmake)))


def sources_that_no_target_builds(sources, cmakes):
    """A room builds every .cc of its folder but *_main.cc, which MAINS names; any other folder names each of its sources."""
    for path in sorted(p for p in sources if p.endswith(".cc")):
        folder, _, name = path.rpartition("/")
        cmake = cmakes.get(folder, "")
        main = name.removesuffix("_main.cc") if name.endswith("_main.cc") else None
        named = {name, name.removesuffix(".cc")} & words_of(cmake) or any(f"{f[len(above) + 1:]}/{name}" in words_of(cmakes[above]) for f in [folder]
                                               for above in cmakes if folder.startswith(above + "/"))
        room = "sluice_room" in cmake
        if not named and not (room and (main is None or main in words_of(cmake))):
            yield path


def tests_that_ctest_does_not_know(paths, cmake):
    """Python tests of tests/, held against tests/CMakeLists.txt: named whole, or by their stem in the list of tests/e2e."""
    words = words_of(cmake)
    for path in sorted(p for p in paths if p.startswith("tests/") and p.endswith("_test.py")):
        name = path.removeprefix("tests/")
        if name not in words and not (name.startswith("e2e/") and name.removeprefix("e2e/").removesuffix("_test.py") in words):
            yield path


def read_tree(*suffixes):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    paths = tracked or [p.relative_to(ROOT).as_posix() for top in TOP for p in (ROOT / top).rglob("*")]
    return {path: (ROOT / path).read_text() for path in paths if path.endswith(suffixes) and (ROOT / path).exists()}


def read_sources():
    return read_tree(".h", ".cc")


class Tidy(unittest.TestCase):
    maxDiff = None

    def test_the_whole_tree(self):
        sources = read_sources()
        self.assertGreater(len(sources), 100, "the sources were not found")
        found = [f"{path}: {what}" for path, text in sorted(sources.items()) for rule in RULES for what in rule(path, text)]
        found += [f"{path}: nothing includes it" for path in dead_headers(sources)]
        cmakes = {path.rpartition("/")[0]: text for path, text in read_tree("CMakeLists.txt").items()}
        found += [f"{path}: no target builds it" for path in sources_that_no_target_builds(sources, cmakes)]
        found += [f"{path}: ctest doesn't know it" for path in tests_that_ctest_does_not_know(read_tree(".py"), cmakes["tests"])]
        self.assertEqual(found, [])

    def assert_found(self, rule, path, bad, good):
        self.assertNotEqual(list(rule(path, bad)), [])
        self.assertEqual(list(rule(path, good)), [])

    def test_each_rule_finds_what_it_is_for(self):
        card = "// Joins parts.\n// Threads:  one.\n#pragma once\n"
        self.assert_found(header_opens_with_its_card, "net/a.h", "#pragma once\n", card)
        self.assert_found(card_lines_stay_lines, "net/a.h", "// Joins parts. Threads:  one.\n", card)
        self.assert_found(one_pragma_once, "net/a.h", "// Joins.\n", card)
        self.assert_found(suites_are_named_in_pascal_case, "net/a_test.cc", "TEST(frame, bad_one) {\n", "TEST(Frame, IsWhole) {\n")
        self.assert_found(no_sleep_in_unit_tests, "net/a_test.cc", "  std::this_thread::sleep_for(1s);\n", "  wait();\n")
        self.assert_found(files_stay_readable, "net/a.cc", "\n" * (FILE_LINES_MAX + 1), "\n" * FILE_LINES_MAX)
        long, short = ("void f() {\n" + "  g();\n" * lines + "}\n" for lines in (FUNCTION_LINES_MAX + 1, FUNCTION_LINES_MAX))
        self.assert_found(functions_stay_readable, "net/a.cc", long, short)
        self.assert_found(nothing_outside_is_cited, "net/a.cc", "// see contract.md\n", "// see docs/architecture.md\n")
        self.assert_found(time_is_an_argument, "net/a.cc", "  x = std::chrono::steady_clock::now();\n", "  x = clock.now();\n")
        self.assert_found(no_call_keeps_its_answer_where_threads_share_it, "net/a.cc", "  std::localtime(&t);\n", "  localtime_r(&t, &out);\n")
        self.assertEqual(dead_headers({"a/x.h": "", "a/y.h": "", "a/x.cc": '#include "a/x.h"\n'}), ["a/y.h"])

    def test_a_source_that_no_target_builds_is_found(self):
        cmakes = {"net": "sluice_room(NAME net MAINS one)", "bench": "add_executable(b b.cc ceilings/c.cc)"}
        sources = dict.fromkeys(("net/a.cc", "net/one_main.cc", "net/two_main.cc", "net/lost/a.cc", "bench/b.cc", "bench/d.cc",
                                 "bench/ceilings/c.cc"), "")
        self.assertEqual(list(sources_that_no_target_builds(sources, cmakes)), ["bench/d.cc", "net/lost/a.cc", "net/two_main.cc"])

    def test_a_test_that_ctest_does_not_know_is_found(self):
        cmake = "t(FILE floors_test.py) # lost_test.py\nforeach(_name cases)"
        paths = ("tests/floors_test.py", "tests/lost_test.py", "tests/e2e/cases_test.py", "tests/e2e/gone_test.py", "tests/e2e/harness.py")
        self.assertEqual(list(tests_that_ctest_does_not_know(paths, cmake)), ["tests/e2e/gone_test.py", "tests/lost_test.py"])


if __name__ == "__main__":
    sys.exit(unittest.main())
