"""The page in a real browser: what it shows, that it opens by keyboard, follows the service, and lets nothing foreign run."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.support import stories
from tests.support.browser import ENTER, TAB, browser
from tests.support.command import run
from tests.support.serving import Service

pytestmark = pytest.mark.slow  # a browser takes a second and more to start

STORY = stories.STORIES / "k8s-burstable-systemd"
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>\x1b[31m'


def test_a_file_opens_by_keyboard_and_runs_nothing_but_its_own_script(tmp_path: Path) -> None:
    """The whole report in one file: no complaint of the browser, all findings in it, each process a click or a key away."""
    done = run("inspect", "--root", STORY, "--pid", 4242, "--format", "html")
    file = tmp_path / "report.html"
    file.write_text(done.stdout)
    with browser() as page:
        page.open(file.as_uri())
        assert page.run("return document.title") == "cgtune: 1 hurt earlier, of 1 process"
        assert page.run("return document.querySelectorAll('details.process[open]').length") == 1
        page.type(TAB)
        assert page.run("return document.activeElement.tagName") == "SUMMARY"
        page.type(ENTER)
        assert page.run("return document.querySelectorAll('details.process[open]').length") == 0
        page.type(ENTER)
        assert "throttled in 30.0 %" in page.run("return document.querySelector('.finding').innerText")
        assert page.run("return getComputedStyle(document.querySelector('.bar')).height") != "auto"
        assert page.complaints() == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_light_and_dark(tmp_path: Path, dark: bool) -> None:
    """The page follows what its reader's system prefers, and text stands out from what is behind it."""
    file = tmp_path / "report.html"
    file.write_text(run("inspect", "--root", STORY, "--pid", 4242, "--format", "html").stdout)
    with browser(dark=dark) as page:
        page.open(file.as_uri())
        colours = [page.run(f"return getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")]
        text, behind = (sum(int(part) for part in colour[4:-1].split(",")) / 3 for colour in colours)
        assert (text > behind) == dark
        assert abs(text - behind) > 128


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Markup in a command or in a path is shown, not run; so is it with the policy taken out of the file."""
    root = tmp_path / "root"
    shutil.copytree(STORY, root, symlinks=True)
    stat = root / "proc/4242/stat"
    stat.write_text(stat.read_text().replace("(server)", f"({HOSTILE[:40]})"))
    text = run("inspect", "--root", root, "--pid", 4242, "--format", "html").stdout
    assert "&lt;img src=x" in text
    file = tmp_path / "report.html"
    file.write_text(text.replace("Content-Security-Policy", "x-none"))
    with browser() as page:
        page.open(file.as_uri())
        assert page.run("return document.title").startswith("cgtune: ")
        assert page.run("return document.querySelectorAll('img').length") == 0
        assert "<img src=x" in page.run("return document.querySelector('.name').innerText")


def test_the_page_of_the_service_follows_it_and_keeps_what_is_open() -> None:
    """It fetches itself anew, keeps what its reader has opened or shut, has the focus where it was, and says when the service is gone."""
    with Service("--pid", os.getpid(), "--interval", "300ms") as service, browser() as page:
        service.wait_for_report()
        page.open(f"http://{service.address}/")
        first = page.run("document.querySelector('summary').focus();return document.querySelector('time').innerText")
        page.type(ENTER)
        opened = page.run("return document.querySelectorAll('details.process[open]').length")
        page.wait_for(f"return document.querySelector('time').innerText != {first!r}")
        assert page.run("return document.querySelectorAll('details.process[open]').length") == opened
        assert page.run("return document.activeElement.tagName") == "SUMMARY"
        assert page.run("return document.getElementById('lost').hidden")
        assert page.complaints() == []
        service.stop()
        page.wait_for("return !document.getElementById('lost').hidden")
        assert str(os.getpid()) in page.run("return document.querySelector('summary').innerText")


def test_a_service_that_hangs_is_told_as_one_that_is_gone() -> None:
    """It takes connections and answers none: what stands on the page is old, and the page says so; it is well again when it answers."""
    with Service("--pid", os.getpid(), "--interval", "300ms") as service, browser() as page:
        service.wait_for_report()
        page.open(f"http://{service.address}/")
        os.kill(service.pid, signal.SIGSTOP)
        try:
            page.wait_for("return !document.getElementById('lost').hidden")
        finally:
            os.kill(service.pid, signal.SIGCONT)
        page.wait_for("return document.getElementById('lost').hidden")
