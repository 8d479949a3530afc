"""No thread dies unnoticed."""

from __future__ import annotations

import logging

import pytest

from forecaster.runtime.threads import start_thread


def test_a_thread_that_ends_is_not_reported() -> None:
    """It did what it was for."""
    died: list[str] = []
    start_thread("good", lambda: None, died.append).join(10)
    assert died == []


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), SystemExit(0)])
def test_a_thread_that_dies_is_reported_by_name(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever killed it, the process hears of it, and the log has the traceback."""
    died: list[str] = []

    def run() -> None:
        raise error

    with caplog.at_level(logging.ERROR):
        start_thread("bad", run, died.append).join(10)
    assert died == ["bad"]
    assert [record.getMessage() for record in caplog.records] == ["thread died thread=bad"]
