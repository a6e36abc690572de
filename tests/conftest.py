from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from itertools import groupby

import pytest
from hypothesis import HealthCheck, settings

from tests.support import toolchains
from tests.support.needs import require
from tests.support.toolchains import ToolchainUnavailable

# No deadline: on a machine with two busy cores a slow example says nothing about the code. In CI the examples are the same in every run,
# so that a red build is the fault of the change it tests; at a desk they are new each time.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.register_profile("fast", settings.get_profile("desk"), max_examples=25)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# The marks of tests that --fast leaves out, with the words of the line that says so; a test counts for the first that it bears.
_LEFT_OUT = {
    "kernel": "in the bench",
    "live": "on real cgroups and containers",
    "fetched": "with Go toolchains and other fetched tools",
    "slow": "slow",
}
_left_out: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``scripts/test --fast``: what a contributor runs before each commit."""
    parser.addoption("--fast", action="store_true", help="leave out the tests that are slow, live, in the bench, or need fetched tools")
    parser.addoption("--share", metavar="K/N", help="only each N-th test file, from the K-th on")
    parser.addoption("--queue", metavar="FILE", help="only test files that no other run with this FILE, empty at first, has taken")


def pytest_configure(config: pytest.Config) -> None:
    """With --fast: a quarter of the drawn examples. Before test files are imported, which is when they ask for the profile."""
    if config.option.fast:
        settings.load_profile("fast")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --fast: leave out, and count for the line at the end; with --share likewise, by files."""
    if config.option.share:
        number, of = map(int, config.option.share.split("/"))
        chosen = sorted({item.path for item in items})[number - 1 :: of]
        config.hook.pytest_deselected(items=[item for item in items if item.path not in chosen])
        items[:] = [item for item in items if item.path in chosen]
    if not config.option.fast:
        return
    marks = [next(filter(item.get_closest_marker, _LEFT_OUT), None) for item in items]
    _left_out.update(mark for mark in marks if mark)
    config.hook.pytest_deselected(items=[item for item, mark in zip(items, marks, strict=True) if mark])
    items[:] = [item for item, mark in zip(items, marks, strict=True) if not mark]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> object:
    """With --queue: as pytest does it, but each file's tests are asked for when those before are done. So who is done first takes more."""
    if not session.config.option.queue or session.config.option.collectonly or session.testsfailed:
        return None
    tests = _take(session.config.option.queue, session.items)
    item = next(tests, None)
    while item is not None:
        following = next(tests, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def _take(queue: str, items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """The tests of one file after the other. All runs have the same files in the same order; the queue is as long as many are taken."""
    files = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
    place = os.open(queue, os.O_WRONLY | os.O_APPEND)
    try:
        # What is appended is nobody else's place, however many write at once: O_APPEND, open(2)
        while os.write(place, b".") and (taken := os.lseek(place, 0, os.SEEK_CUR)) <= len(files):
            yield from files[taken - 1]
    finally:
        os.close(place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """With --fast: one line of what was left out."""
    if _left_out:
        parts = ", ".join(f"{_left_out[mark]} {words}" for mark, words in _LEFT_OUT.items() if _left_out[mark])
        terminalreporter.write_line(f"--fast left out: {parts} (scripts/test has them all but the bench's: scripts/test --kernel)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that needs something fetched has to bear the mark: else --fast would take it, and wait for a network. And who handles signals
    is as before: what a command does here that waits for one is not the next test's.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if not any(map(item.get_closest_marker, ("fetched", "live"))):
        toolchains.unmarked = "needs what is fetched (toolchains.cache): give the test the mark `fetched`"
    try:
        return (yield)
    finally:
        toolchains.unmarked = None
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A test whose Go toolchain is not here is like any other that cannot run here."""
    return (yield from _skip_without_toolchain())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """So is one whose fixtures build a Go program."""
    return (yield from _skip_without_toolchain())


def _skip_without_toolchain() -> Generator[None, object, object]:
    try:
        return (yield)
    except ToolchainUnavailable as error:
        require(False, str(error))
        raise
