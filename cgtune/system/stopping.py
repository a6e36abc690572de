"""How a command that runs until it is told to stop hears of it."""

from __future__ import annotations

import os
import signal
import threading
import time

#: Less than the 2 s in which a service has to be gone.
_GONE_SECONDS = 1.6


def stop_on_signals() -> threading.Event:
    """What SIGTERM and SIGINT set. Whatever then hangs (a read, a log that nobody takes) is left behind: the process is gone in time.

    A handler in Python runs when the main thread comes to it: not while it is about to block, and in the middle of anything else. So the
    number goes through a pipe (signal(7): written where the signal arrives) to a thread of its own.
    """
    stop = threading.Event()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def end() -> None:
        os.read(reading, 1)
        stop.set()
        time.sleep(_GONE_SECONDS)
        os._exit(0)

    threading.Thread(target=end, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return stop
