"""A real browser without a window: Debian's Chromium, steered by its chromedriver over WebDriver (W3C, https://www.w3.org/TR/webdriver2/)."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.needs import require

# It makes connections of its own without these; --no-sandbox: root has no other way
_ARGUMENTS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
)
_PATIENCE_SECONDS = 60.0
ENTER, TAB = "\ue007", "\ue004"


class Browser:
    """One window."""

    def __init__(self, base: str, session: str) -> None:
        self._base, self._session = base, session

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        return _ask(method, f"{self._base}/session/{self._session}{path}", content)

    def open(self, url: str) -> None:
        """Load a page, to its end."""
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script of the test returns in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def type(self, keys: str) -> None:
        """Press and release each of these keys, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def complaints(self) -> list[str]:
        """What the browser has written into its console since it was asked last: refused styles and scripts, errors."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"}) if "favicon" not in entry["message"]]

    def wait_for(self, script: str) -> Any:
        """The first value of the script that is true."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while not (value := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.05)
        return value


def _ask(method: str, url: str, content: dict[str, Any] | None = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode(errors="replace")[:500]) from error


@contextmanager
def browser(*, dark: bool = False) -> Iterator[Browser]:
    """A browser with an empty profile; the test is skipped without one, and fails in CI."""
    require(shutil.which("chromium") and shutil.which("chromedriver"), "Chromium is missing: apt-get install chromium chromium-driver")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver,
    ):
        assert driver.stdout is not None
        try:
            port = next(line.split()[-1].rstrip(".") for line in driver.stdout if "successfully on port" in line)
            arguments = [*_ARGUMENTS, f"--user-data-dir={folder}", *(["--blink-settings=preferredColorScheme=0"] if dark else [])]
            options = {"args": arguments, "binary": shutil.which("chromium")}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            base = f"http://127.0.0.1:{port}"
            session = _ask("POST", f"{base}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
            yield Browser(base, session)
            _ask("DELETE", f"{base}/session/{session}")
        finally:
            driver.terminate()
            driver.stdout.close()
