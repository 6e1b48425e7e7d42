"""Starts and ends the real programs on free ports below one temporary folder; shared by tools/demo, tools/soak and tests/e2e."""
