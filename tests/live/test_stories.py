"""The quickest night of scripts/stories: each face says the harm, its cause and what ends it. The others take minutes or quiet CPUs."""

from __future__ import annotations

import platform
import shutil

import pytest

from tests.support import goprograms, nightstories
from tests.support.needs import only_where, require

pytestmark = [pytest.mark.live, pytest.mark.fetched]


@pytest.mark.parametrize("name", ["start"])
def test_each_face_tells_the_night(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In its first line, of a real Go program in real control groups."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    require(shutil.which("promtool"), "apt-get install --no-install-recommends prometheus")
    (story,) = (each for each in nightstories.STORIES if each.name == name)
    assert nightstories.play(story, goprograms.build(nightstories.GO)) == []
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")] == [
        *("inspect", "ps", "check", "page", "alert")
    ]


def test_a_story_that_nobody_told_is_one_line_for_each_face(capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is named, and the words of a face that says all are not complained of."""
    (story,) = (each for each in nightstories.STORIES if each.name == "throttled")
    line = "critical hurts now: throttled in 99 % of the periods (cpu-throttled) > raise the CPU limit"
    assert nightstories.missing(story, "inspect", line) == []
    assert nightstories.missing(story, "inspect", "critical throttled (cpu-throttled)") == ["the harm", "the cause", "the end"]
    with pytest.raises(SystemExit) as ended:
        nightstories.main(["no-such-night"])
    assert ended.value.code == 2
    assert "no story 'no-such-night'; there are throttled, " in capsys.readouterr().err
