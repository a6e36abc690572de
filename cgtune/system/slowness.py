"""How slow this machine is: an emulated CPU takes thirty times as long for the same, and nobody is to be cut short for that."""

from __future__ import annotations

import time

_ROUNDS = 20_000
_SECONDS = 0.001  # what they take on a server of 2024
_MOST = 100.0


def measure_slowness() -> float:
    """How many times the CPU time of a server this thread takes for the same work: 1 to 100. It costs a millisecond of such a server."""
    began = time.thread_time()
    for number in range(_ROUNDS):
        str(number)
    return min(max(1.0, (time.thread_time() - began) / _SECONDS), _MOST)
