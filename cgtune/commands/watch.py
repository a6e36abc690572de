"""``cgtune env --watch``: the file follows the limits. A sidecar runs it, and a container that starts again finds the values of the day.

A container takes its variables once, at its start: what runs already keeps what it has.
"""

from __future__ import annotations

import os
import sys
import time

from cgtune import exits
from cgtune.commands.env import plan_env, run_env
from cgtune.commands.terminal import fail
from cgtune.errors import CgtuneError, NoSuchProcess, Unreadable, UsageError
from cgtune.outputs.envfile import render_env
from cgtune.system.outputfile import replace_file
from cgtune.system.stopping import stop_on_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

    from cgtune.commands.env import EnvOptions, Plan

#: How long it waits between two looks at least; and in times of what a look took, so that it takes a twentieth of a CPU at most.
_PAUSE_SECONDS = 1.0
_PAUSE_TIMES = 19

#: Memory that Go does not manage is measured anew at each look: a value of a running program that differs by less is the same.
_SAME_PERCENT = 3


def run_watch(options: EnvOptions) -> int:
    """Write, and write again at each change, until SIGTERM or SIGINT end the process with 0; where the first look fails, as run_env."""
    output = options.output
    if output is None:
        raise UsageError("--watch writes a file again and again: name it with --output, as in --watch --output /env/go.env")
    if options.limits is None and not options.is_looked_up:
        raise UsageError(
            "--watch with limits that are named once would never see a change: name a folder with --limits, or --self, --pid, --container"
        )
    stop = stop_on_signals()
    return run_env(options, lambda planned, mode: _Watch(options, output, mode, planned).run(stop))


class _Watch:
    """What the file says, and whether the last look failed."""

    def __init__(self, options: EnvOptions, output: str, mode: int, planned: Plan) -> None:
        self._options, self._output, self._mode = options, output, mode
        self._planned, self._text = planned, render_env(planned.variables, options.dialect)
        self._trouble: str | None = None

    def run(self, stop: threading.Event) -> int:
        """Until it is told to stop; 3 if the process that was named ends before."""
        took = 0.0
        fail(f"watching the limits behind {self._output}", exits.CLEAN)
        while not stop.wait(max(_PAUSE_SECONDS, took * _PAUSE_TIMES)):
            began = time.monotonic()
            try:
                self._look()
            except CgtuneError as error:
                if isinstance(error, NoSuchProcess) and self._options.pid is not None:  # it does not come back
                    return fail(f"{error}; {self._output} stays as it is", exits.COULD_NOT_INSPECT)
                self._tell(str(error))
            took = time.monotonic() - began
        sys.stderr.flush()
        os._exit(exits.CLEAN)  # a second signal while the interpreter winds up would be its exit status

    def _look(self) -> None:
        planned = plan_env(self._options)
        if planned.start_ticks != self._planned.start_ticks and self._options.pid is not None:
            raise NoSuchProcess(f"process {self._options.pid} has ended, and another one has its pid")
        if gone := next((name for name in self._planned.files if name not in planned.files), None):
            raise Unreadable(f"{self._options.limits}/{gone} is no longer there")
        is_same = _is_same(self._planned, planned, slack=self._options.is_of_process)
        text = self._text if is_same else render_env(planned.variables, self._options.dialect)
        is_new = replace_file(self._output, text.encode(), self._mode, "--output")
        if self._trouble is not None:
            fail(f"{self._output} follows its limits again", exits.CLEAN)
            self._trouble = None
        if not is_same:
            fail(f"{self._output} {'is written' if is_new else 'says so already'}: {_say_change(self._planned, planned)}", exits.CLEAN)
            self._planned, self._text = planned, text
        elif is_new:
            fail(f"{self._output} is written again: somebody had changed it or taken it away", exits.CLEAN)

    def _tell(self, trouble: str) -> None:
        """Once, until it is over or another."""
        if trouble != self._trouble:
            fail(f"{trouble}; {self._output} stays as it is", exits.CLEAN)
        self._trouble = trouble


def _is_same(before: Plan, now: Plan, *, slack: bool) -> bool:
    """Whether both give the same values. ``slack``: one of memory may differ by what measuring makes it differ."""
    from cgtune.runtimes.go.derived.grammar import parse_gomemlimit
    from cgtune.runtimes.go.derived.versions import NEWEST

    for old, new in zip(before.variables, now.variables, strict=True):
        if old.value == new.value:
            continue
        if not (slack and old.name == "GOMEMLIMIT" and old.value and new.value):
            return False
        first, second = (parse_gomemlimit(value, NEWEST) for value in (old.value, new.value))  # one that is kept has any unit
        if not (isinstance(first, int) and isinstance(second, int)) or abs(first - second) * 100 > first * _SAME_PERCENT:
            return False
    return True


def _say_change(before: Plan, now: Plan) -> str:
    pairs = [(old, new) for old, new in zip(before.variables, now.variables, strict=True) if old.value != new.value]
    words = [f"{new.name} {'unset' if new.value is None else new.value}, was {old.value or 'unset'}" for old, new in pairs]
    return "; ".join(words)
