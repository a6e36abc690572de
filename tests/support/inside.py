"""cgtune's command line run in the test's own process: what ``tests.support.command`` starts as a program, without the price of a start."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from cgtune.commands.options.app import run as run_command_line


class Done(NamedTuple):
    """What a program leaves behind."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: object, **environ: str) -> Done:
    """Run one command line to its end; an exception that it lets through is the caller's, as a traceback would be the user's."""
    written, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(written, "utf-8")
    with environment(environ), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command_line([str(argument) for argument in arguments])
        out.flush()
    return Done(code, written.getvalue().decode(), err.getvalue())


def parse_report(done: Done) -> dict[str, Any]:
    """The report of a run that must have succeeded without a word on stderr."""
    assert (done.returncode, done.stderr) == (0, ""), done
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@contextlib.contextmanager
def environment(environ: dict[str, str]) -> Iterator[None]:
    """Meanwhile, os.environ has of all CGTUNE_* and KUBERNETES_* variables these alone."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(("CGTUNE_", "KUBERNETES_"))]:
        del os.environ[name]
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
