"""How a program that keeps looking ends at a signal, whatever hangs. Services that really run are in tests/service/test_serve.py."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.command import ROOT, environment


def test_a_signal_leaves_behind_what_hangs() -> None:
    """Whatever the main thread is at, the process is gone with exit code 0 as soon as the time for an orderly end is over."""
    hangs = "import os, time; from cgtune.system import stopping; stopping._GONE_SECONDS = 0; stop = stopping.stop_on_signals()"
    hangs += f"; os.kill(os.getpid(), {signal.SIGTERM:d}); time.sleep(600)"
    done = subprocess.run([sys.executable, "-c", hangs], cwd=ROOT, env=environment(), capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
