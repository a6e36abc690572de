"""What spoils a window is seen, and no window but a fair one is judged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count

import pytest

from tests.support.fairness import Rhythm, Watch, grows, look_fairly
from tests.support.needs import require

#: Rests ten times a second, and runs hardly at all.
_RESTS = "import time\nwhile True: time.sleep(0.1)"


def _watch(reasons: Iterator[str]) -> Watch:
    return lambda: lambda: next(reasons)


def test_the_first_fair_window_is_judged() -> None:
    """One that any watch calls spoiled is looked at again, five times at the most; then the test fails, and says what spoiled them."""
    assert look_fairly(count().__next__, _watch(iter(["late", "", ""])), _watch(iter(["", "stolen", ""]))) == 2
    with pytest.raises(pytest.fail.Exception, match=r"^none of 5 windows was fair: late; late; late; late; late$"):
        look_fairly(count().__next__, _watch(iter(["late"] * 5)))


def test_a_counter_that_does_not_grow_as_it_should() -> None:
    """Both bounds are of a second."""
    began = time.monotonic()
    for least, most, spoiled in ((0.9, 1.1, False), (0.0, 0.5, True), (1.5, 9.0, True)):
        end = grows("the clock", lambda: time.monotonic() - began, least, most)()
        time.sleep(0.01)
        assert ("the clock grew by" in end()) == spoiled


@pytest.mark.slow
def test_time_that_was_lost() -> None:
    """A load that keeps its rhythm, and the same one while it is stopped: it neither runs nor waits nor rests as it meant to."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", _RESTS]) as load:
        try:
            require(os.access(f"/proc/{load.pid}/schedstat", os.R_OK), "needs a kernel with CONFIG_SCHED_INFO")
            time.sleep(0.5)  # its start
            assert 0 < _look(load, Rhythm(load.pid, 0.1)).demand < 0.5
            load.send_signal(signal.SIGSTOP)
            end = Rhythm(load.pid, 0.1).watch()
            time.sleep(0.6)
            load.send_signal(signal.SIGCONT)
            time.sleep(0.3)
            assert "of its time was lost" in end()
        finally:
            load.kill()


def _look(load: subprocess.Popen[bytes], rhythm: Rhythm) -> Rhythm:
    """Over two seconds: one rest more or less is a twentieth."""
    look_fairly(lambda: time.sleep(2.05), rhythm.watch)
    assert load.poll() is None
    return rhythm
