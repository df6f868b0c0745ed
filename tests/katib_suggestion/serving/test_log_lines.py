import logging
import sys

from katib_suggestion.serving.log_lines import LineFormatter

FORGED = "x\n2026-01-01 00:00:00,000 ERROR enas_service: all is lost\r\x1b[2J\u2028\0"


def line_of(message, *arguments, exc_info=None):
    return LineFormatter().format(logging.LogRecord("here", logging.INFO, "f", 1, message, arguments, exc_info))


def test_a_name_forges_no_line():
    line = line_of("%s: starting afresh", FORGED)
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert line.endswith(r"all is lost\r\x1b[2J\u2028\x00: starting afresh")


def test_what_is_long_is_cut():
    assert len(line_of("%s", "x" * 2**20)) < 2_100


def test_a_traceback_is_set_in():
    try:
        raise ValueError(FORGED)
    except ValueError:
        first, *others = line_of("a call failed", exc_info=sys.exc_info()).splitlines()
    assert first.endswith("INFO here: a call failed")
    assert len(others) > 2
    assert all(line.startswith("    ") and line.isprintable() for line in others)
