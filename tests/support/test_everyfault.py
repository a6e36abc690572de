"""A quick share of all faults: ``scripts/faults`` runs the whole."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.support.command import ROOT, uncounted
from tests.support.everyfault import PLAUSIBLE, Fault, Outcome, Scene, Stage, Tally, faults_of, judge, play_share, read_share
from tests.support.needs import require


@pytest.mark.slow
def test_no_failed_call_breaks_a_promise() -> None:
    """A share of the faults of each command: no traceback, nothing half-written, no other answer without a word."""
    require(shutil.which("gcc"), "apt-get install gcc")
    done = subprocess.run(
        [ROOT / "scripts" / "faults", "--quick", "--share", "17/400"],
        capture_output=True,
        text=True,
        timeout=600,
        env=uncounted(),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    *_, last = done.stdout.splitlines()
    assert int(last.split()[1]) > 80, last


@pytest.mark.parametrize("share", ["5/3", "0/0", "x", "-1/2", "1", ""])
def test_what_is_no_share(share: str) -> None:
    """It would try nothing, and find nothing wrong."""
    with pytest.raises(SystemExit, match="is not K/N"):
        read_share(share)
    assert read_share("7/50") == (7, 50)


def test_each_call_fails_with_each_errno_of_its_kind() -> None:
    """By its manual page; sparse scenes take turns, over what is read alone."""
    calls = ["open /a", "open /b", "write /a"]
    whole, sparse = list(faults_of(calls)), list(faults_of(calls, sparse=True))
    opens, writes = (PLAUSIBLE[kind].split() for kind in ("open", "write"))
    assert len(whole) == 2 * len(opens) + len(writes)
    assert [fault.word for fault in sparse] == [opens[1], opens[2], *writes]


def test_a_pipe_of_ones_own_is_interrupted_at_the_most() -> None:
    """Nobody else closes one of its ends, and no disk lies behind it."""
    assert [fault.word for fault in faults_of(["write pipe", "read pipe"])] == ["EINTR", "EINTR"]


def test_a_note_that_metrics_count_is_one() -> None:
    """A page of metrics has no words: it tells how many files could not be read."""
    clean = Outcome(0, 'cgtune_notes{kind="failed"} 0.0\na 1\n', "", {}, "")
    scene, fault = Scene("serve", ("serve",)), Fault("open", 1, "EIO")
    noted = clean._replace(out='cgtune_notes{kind="failed"} 1.0\n', hit="open /proc/stat")
    assert judge(scene, ROOT, clean, fault, noted) == ("noted", "")
    silent = clean._replace(out='cgtune_notes{kind="failed"} 0.0\n', hit="open /proc/stat")
    assert judge(scene, ROOT, clean, fault, silent) == ("noted", "another answer without a note")


@pytest.mark.parametrize(("code", "err", "wrong"), [(0, "2 findings mended", 0), (2, "2 findings mended", 1), (0, "nothing was mended", 1)])
def test_a_scene_in_which_nothing_is_done_is_wrong(capsys: pytest.CaptureFixture[str], code: int, err: str, wrong: int) -> None:
    """A format that is none, or a file with nothing to mend, has no faults worth the name: the run says so, and fails."""

    class Stood(Stage):
        def __init__(self) -> None:
            pass

        def load(self, scene: Scene) -> None:
            pass

        def calls(self, scene: Scene) -> tuple[Outcome, list[str]]:
            return Outcome(code, "", err, {}, ""), [f"write {scene.name}"]

    tally = Tally()
    play_share(Stood(), Scene("lint fix", ("lint", "--fix"), shows="findings mended"), tally, lambda: False, shows=False)
    assert (tally.wrong, tally.calls) == (wrong, 1)
    assert ("lint fix: the undisturbed run ends with" in capsys.readouterr().out) == bool(wrong)
