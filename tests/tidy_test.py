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


def is_test(path):
    return path.endswith(("_test.cc", "_test.h", "_e2e.cc", "_fixture.h")) or path.startswith("tests/") or "/testing/" in path


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


def files_stay_readable(path, text):
    if (lines := text.count("\n")) > FILE_LINES_MAX:
        yield f"{lines} lines; above {FILE_LINES_MAX} a file wants splitting"


def functions_stay_readable(path, text):
    """A function's body opens at a line's end in column 0 or 2 and closes at the same indentation (clang-format's layout)."""
    if is_test(path) or path.endswith("_options.cc"):  # a table of options is as long as its rows
        return
    lines = text.splitlines()
    for indent in ("", "  "):
        opened = None
        for number, line in enumerate(lines, 1):
            if line.startswith(indent) and not line.startswith(indent + " ") and line.endswith("{") and "(" in line:
                if not re.match(r"\s*(namespace|class|struct|enum|extern|union)\b", line):
                    opened = number
            elif line.rstrip(";") == indent + "}" and opened is not None:
                if number - opened - 1 > FUNCTION_LINES_MAX:
                    yield f"line {opened}: a function of {number - opened - 1} lines; above {FUNCTION_LINES_MAX} it wants leaves"
                opened = None


def nothing_outside_is_cited(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\bdesign §|\bdesign\.md\b|\bcontract\.md\b|\bstyle\.md\b|\bshared/", line):
            yield f"line {number}: cites what isn't in this repository; say it here, or in docs/"


RULES = (header_opens_with_its_card, card_lines_stay_lines, one_pragma_once, suites_are_named_in_pascal_case, no_sleep_in_unit_tests,
         files_stay_readable, functions_stay_readable, nothing_outside_is_cited)


def dead_headers(sources):
    """Headers that nothing includes, not even their own .cc."""
    included = {include for text in sources.values() for include in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.M)}
    return sorted(path for path in sources if path.endswith(".h") and path not in included)


def read_sources():
    tracked = subprocess.run(["git", "ls-files", "*.h", "*.cc"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.split()
    paths = tracked or [p.relative_to(ROOT).as_posix() for top in TOP for p in (ROOT / top).rglob("*") if p.suffix in (".h", ".cc")]
    return {path: (ROOT / path).read_text() for path in paths if (ROOT / path).exists()}


class Tidy(unittest.TestCase):
    maxDiff = None

    def test_the_whole_tree(self):
        sources = read_sources()
        self.assertGreater(len(sources), 100, "the sources were not found")
        found = [f"{path}: {what}" for path, text in sorted(sources.items()) for rule in RULES for what in rule(path, text)]
        found += [f"{path}: nothing includes it" for path in dead_headers(sources)]
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
        self.assertEqual(dead_headers({"a/x.h": "", "a/y.h": "", "a/x.cc": '#include "a/x.h"\n'}), ["a/y.h"])


if __name__ == "__main__":
    sys.exit(unittest.main())
