"""``cgtune fleet`` below its options: what is refused before anything is asked, and what its exit code says of a stand-in for a server."""

from __future__ import annotations

import http.server
import json
import math
import os
import pty
import re
import select
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cgtune.commands import fleet as fleet_command
from cgtune.errors import Unwritable
from cgtune.outputs import names_of
from cgtune.outputs.fleet.json import render_fleet_json
from tests.support import inside
from tests.support.command import PROGRAM, environment
from tests.support.fleetreports import WHOLE
from tests.support.foreigntext import NASTY, SHAPES, assert_steers_nothing

NOWHERE = "http://127.0.0.1:1"
PODS = ("orders-5d4f8c7b9d-bcdfx", "orders-5d4f8c7b9d-bcdgx")
_SERIES: dict[str, tuple[dict[str, str], float]] = {
    "go_info": ({"version": "go1.24.11"}, 1),
    "go_sched_gomaxprocs_threads": ({}, 64),
    "go_gc_gomemlimit_bytes": ({}, 9.223372036854775807e18),
    "kube_pod_container_resource_limits": ({"resource": "memory", "unit": "byte"}, 512 << 20),
    "container_cpu_usage_seconds_total": ({}, 12),
}


def _as_prometheus(value: float) -> str:
    return repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class Server(http.server.BaseHTTPRequestHandler):
    """Answers the probe and instant questions of two pods as Prometheus does, refuses those with ``refused`` in them."""

    series: dict[str, tuple[dict[str, str], float]] = _SERIES
    refused: str | None = None
    warnings: tuple[str, ...] = ()
    gate: threading.Event | None = None
    asked: list[str] = []  # noqa: RUF012  # a new one for each server

    def do_POST(self) -> None:
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        promql = form["query"][0]
        self.asked.append(promql)
        if self.gate is not None:
            self.gate.wait(60)
        if self.refused is not None and self.refused in promql and (not promql.startswith("count by") or self.refused == "count by"):
            return self._say(422, {"status": "error", "errorType": "execution", "error": "expanding series: no"})
        found = list(self._result(promql))
        data = {"resultType": "vector", "result": found}
        if promql.endswith(":60s]"):
            pairs = [{"metric": each["metric"], "values": [each["value"], [60, each["value"][1] + "1"]]} for each in found]
            data = {"resultType": "matrix", "result": pairs}
        elif promql.endswith("s]"):
            data = {"resultType": "matrix", "result": [*self._tracks(form["time"][0])]}
        return self._say(200, {"status": "success", "data": data, "warnings": self.warnings})

    def do_GET(self) -> None:
        self._say(200, {"status": "success", "data": {"version": "2.42.0", "application": "Prometheus"}})

    def _result(self, promql: str) -> Iterator[dict[str, Any]]:
        if promql.startswith("count by"):
            for name in self.series:
                labels = {"__name__": name, "job": "app", "has_pod": "1", "has_container": "1"}
                yield {"metric": labels, "value": [0, "2"]}
            return
        for name, (labels, value) in self.series.items():
            if re.search(rf"\b{name}\b", promql) and ":" not in promql:
                for pod in PODS:
                    names = {"__name__": name, "namespace": "shop", "pod": pod, "container": "server"}
                    yield {"metric": {**names, **labels}, "value": [0, _as_prometheus(value)]}

    def _tracks(self, now: str) -> Iterator[dict[str, Any]]:
        for pod in PODS:
            names = {"namespace": "shop", "pod": pod, "container": "server", "of": "container_cpu_usage_seconds_total"}
            yield {"metric": names, "values": [[float(now) - 10260 * ago, "0.5"] for ago in (2, 1, 0)]}

    def _say(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def serving(**fields: Any) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the questions it was asked."""
    asked: list[str] = []
    handler = type("Own", (Server,), {**fields, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("words", [("--format", name) for name in names_of("fleet")] + [("--doctor",), ("--patch", "helm")], ids=" ".join)
def test_no_label_steers_what_is_said_of_it(words: tuple[str, str]) -> None:
    """Names of pods, containers and namespaces, versions, warnings and refusals of a server that says anything."""
    nasty = "".join(text for name, text in NASTY.items() if name not in ("long", "no UTF-8"))
    names = {"namespace": nasty, "pod": f"{nasty}-5d4f8c7b9d-bcdfx", "container": nasty}
    series = {
        name: ({**labels, **names, **({"version": nasty} if name == "go_info" else {})}, value) for name, (labels, value) in _SERIES.items()
    }
    with serving(series=series, warnings=(nasty,)) as (address, _):
        done = inside.run("fleet", "--prometheus", address, *words)
    assert done.returncode in (0, 1), done.stderr
    assert_steers_nothing(done.stdout)
    assert_steers_nothing(done.stderr)
    if words[0] == "--format":
        SHAPES[words[1]](done.stdout)


@pytest.mark.parametrize("value", [0, -1, 2.0**53 + 2, 2.0**63, 2.0**64, 1e308, 5e-324, math.inf, -math.inf, math.nan])
def test_every_number_of_a_series(value: float) -> None:
    """A server that says anything is answered with a report, or one line: strict JSON, and no limit or variable that is no number."""
    for one in ("kube_pod_container_resource_limits", "go_gc_gomemlimit_bytes", "go_sched_gomaxprocs_threads"):
        series = {name: (labels, value if name == one else usual) for name, (labels, usual) in _SERIES.items()}
        with serving(series=series) as (address, _):
            done = inside.run("fleet", "--prometheus", address, "--format", "json")
        assert done.returncode in (0, 1, 3), done
        assert_steers_nothing(done.stdout + done.stderr)
        for row in json.loads(done.stdout, parse_constant=pytest.fail)["workloads"] if done.stdout else ():
            advised = row["recommended"]
            for each in (*advised["now"], *advised["sized"], *advised["with_sized"]):
                assert each["value"] is None or 0 < each["value"] < 2**63, (one, row)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which server? name it with --prometheus"),
        (("--prometheus", "prometheus:9090"), "is no http URL"),
        (("--prometheus", "http://me:secret@host"), "put user:password into a file for --basic-file"),
        (("--prometheus", NOWHERE, "--last", "7"), "is no duration with a unit; examples: --last 7d, --last 36h"),
        (("--prometheus", NOWHERE, "--last", "1m"), "is outside of 600 to"),
        (("--prometheus", NOWHERE, "--doctor", "--patch", "helm"), "--doctor and --patch are different answers"),
        (
            ("--prometheus", NOWHERE, "--doctor", "--format", "html"),
            "--format html is not of --doctor, which has table, json, csv and markdown",
        ),
        (("--prometheus", NOWHERE, "--doctor", "--format", "sarif"), "--format sarif is not of --doctor"),
        (("--prometheus", NOWHERE, "--doctor", "--namespace", "shop"), "--doctor is about all namespaces"),
        (("--prometheus", NOWHERE, "--doctor", "--fail-on", "info"), "--fail-on is about findings"),
        (("--prometheus", NOWHERE, "--patch", "helm", "--format", "json"), "leave --format json out"),
        (("--prometheus", NOWHERE, "--output", "."), "--output is the folder of --patch"),
        (("--prometheus", NOWHERE, "--patch", "helm", "--output", "/nowhere"), "is no folder that is there; make it with mkdir -p"),
        (("--prometheus", NOWHERE, "--top", "3", "--format", "csv"), "--top is for the table"),
        (("--prometheus", NOWHERE, "--diff", "/nowhere"), "No such file or directory"),
        *(
            (("--prometheus", NOWHERE, f"--namespace={name}"), "is no name; give each one whole")
            for name in ("", "shop-*", 'a"b', "a|b", "a b")
        ),
        (("--prometheus", NOWHERE, "--max-load", "0"), "--max-load 0 is no number"),
        (("--prometheus", NOWHERE, "--max-load", "nan"), "--max-load nan is no number"),
        (("--prometheus", NOWHERE, "--selector", "a=b"), "is none; write matchers as PromQL does"),
        (("--prometheus", NOWHERE, "--ignore", "oom-kiled"), "did you mean oom-killed?"),
        (("--prometheus", NOWHERE, "--token-file", "/nowhere"), "--token-file '/nowhere': No such file or directory"),
    ],
)
def test_what_cannot_be_asked_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    """It ends with 2, names what to write instead, and repeats no secret."""
    done = inside.run("fleet", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr.replace("--basic-file", "")


def test_a_server_that_is_not_there() -> None:
    """One line, 3, and nothing on standard output."""
    done = inside.run("fleet", "--prometheus", NOWHERE, "--format", "json")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"cgtune: {NOWHERE}: Connection refused; is it the right address, and is it listening?\n"


def _old(**changes: Any) -> str:
    """A report with one container, one field of either changed."""
    content = json.loads(render_fleet_json(WHOLE))
    (content if changes.keys() <= content.keys() else content["workloads"][0]).update(changes)
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"schema": "cgtune/report/v1"}', '{"schema": "cgtune/fleet/v1", "workloads": [{}]}', "\xff", "[" * 100_000),
        *(
            _old(window_seconds="a week"),
            _old(window_seconds=10**400),
            _old(window_seconds=float("nan")),
            _old(asked=[]),
            _old(asked={"namespaces": "shop", "selector": "", "ignored": []}),
            _old(workloads=7),
        ),
        *(_old(used=[1]), _old(used={"throttled_share": 5}), _old(used={"throttled_share": {"p95": "much"}}), _old(used={"oom_kills": {}})),
        *(_old(used={"oom_kills": float("inf")}), _old(findings=[{"rule": "oom-killed", "severity": "bad"}]), _old(findings=None)),
    ],
    ids=range(20),
)
def test_a_file_that_is_no_older_report(tmp_path: Path, text: str) -> None:
    """It is refused before the server is asked."""
    old = tmp_path / "old.json"
    old.write_text(text)
    done = inside.run("fleet", "--prometheus", NOWHERE, "--diff", old)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name what cgtune fleet --format json printed" in done.stderr


def test_a_file_that_is_too_large_for_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end."""
    monkeypatch.setattr(fleet_command, "_MOST_OLD_BYTES", 1 << 20)
    old = tmp_path / "old.json"
    with old.open("wb") as file:
        file.truncate((1 << 20) + 1)
    done = inside.run("fleet", "--prometheus", NOWHERE, "--diff", old)
    assert (done.returncode, done.stderr) == (2, f"cgtune: --diff {old} has more than 1 MiB, which is no such report\n")


def test_findings_and_the_exit_code() -> None:
    """0 without --fail-on; 1 with one that is reached; the report is the same. A rule that is ignored does not count."""
    with serving() as (url, asked):
        done = inside.run("fleet", "--prometheus", url)
        assert (done.returncode, done.stderr) == (0, "")
        assert "orders" in done.stdout
        assert "gomemlimit-unset" in done.stdout
        assert len(asked) <= 24
        assert inside.run("fleet", "--prometheus", url, "--fail-on", "warning").returncode == 1
        assert inside.run("fleet", "--prometheus", url, "--fail-on", "harm").returncode == 0
        done = inside.run("fleet", "--prometheus", url, "--fail-on", "warning", "--ignore", "gomemlimit-unset", CGTUNE_FORMAT="json")
        assert "gomemlimit-unset" not in [each["rule"] for row in json.loads(done.stdout)["workloads"] for each in row["findings"]]


def test_what_is_as_before_does_not_fail(tmp_path: Path) -> None:
    """With --diff only what is new or worse counts."""
    old = tmp_path / "old.json"
    with serving() as (url, _):
        old.write_text(inside.run("fleet", "--prometheus", url, "--format", "json").stdout)
        done = inside.run("fleet", "--prometheus", url, "--diff", old, "--fail-on", "info")
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 as before" in done.stdout
        old.write_text(render_fleet_json(WHOLE.replace(rows=())))
        done = inside.run("fleet", "--prometheus", url, "--diff", old, "--fail-on", "warning")
        assert done.returncode == 1
        assert "note: the older report names no container" in done.stdout


def test_a_refused_question_is_no_clean_report() -> None:
    """The report stands, says what is missing, and the exit code is 3; a finding that fails is told all the same."""
    with serving(refused="container_cpu_usage") as (url, _):
        done = inside.run("fleet", "--prometheus", url)
        assert done.returncode == 3
        assert "not answered: " in done.stdout
        assert "expanding series: no" in done.stderr
        assert inside.run("fleet", "--prometheus", url, "--fail-on", "warning").returncode == 1


@pytest.mark.parametrize("arguments", [("--format", "csv"), ("--format", "sarif"), ("--patch", "kustomize"), ("--patch", "helm")])
def test_a_partial_answer_is_told_beside_what_has_no_room_for_it(arguments: tuple[str, ...]) -> None:
    """The server's warnings stand on standard error if the format has no place for them: what was not told may be why a value is wrong."""
    with serving(warnings=("store eu-2 did not answer",)) as (url, _):
        done = inside.run("fleet", "--prometheus", url, *arguments)
        assert (done.returncode, done.stderr) == (0, "cgtune: warning of the server: store eu-2 did not answer\n")
        done = inside.run("fleet", "--prometheus", url, "--format", "markdown")
        assert (done.returncode, done.stderr) == (0, "")


def test_what_is_drawn_over_time_is_asked_for_the_page_alone() -> None:
    """One question more than any other format needs, and 24 at the most; it stands in the page."""
    counts = {}
    for name in ("html", "json", "markdown"):
        with serving() as (url, asked):
            done = inside.run("fleet", "--prometheus", url, "--format", name)
            assert (done.returncode, done.stderr) == (0, "")
            counts[name] = len(asked)
            assert ("CPUs used, the mean of each 2.9 h: at most 0.5, last 0.5" in done.stdout) == (name == "html")
            assert sum(promql.endswith("[604800s:10260s]") for promql in asked) == (name == "html")
    assert counts["html"] == counts["json"] + 1 == counts["markdown"] + 1 <= 24


def test_a_probe_that_is_refused_is_no_report() -> None:
    """Which series there are is not known: nothing on standard output, and what was asked."""
    with serving(refused="count by") as (url, asked):
        for more in ((), ("--doctor",), ("--format", "html")):
            done = inside.run("fleet", "--prometheus", url, *more)
            assert (done.returncode, done.stdout, len(asked)) == (3, "", 2)
            assert done.stderr.endswith("(expanding series: no); it was asked which series there are\n")
            asked.clear()


def test_no_patch_is_made_of_half_a_report(tmp_path: Path) -> None:
    """What a refused question would have told may be why a value is wrong: nothing is written."""
    with serving(refused="container_cpu_usage") as (url, _):
        done = inside.run("fleet", "--prometheus", url, "--patch", "helm", "--output", tmp_path)
    assert (done.returncode, done.stdout, [*tmp_path.iterdir()]) == (3, "", [])
    assert done.stderr.startswith("cgtune: no patch is written: ")


def test_no_go_is_no_clean_report() -> None:
    """A namespace that is misspelt, or a server without Go series: 3, and where to look."""
    with serving(series={}) as (url, _):
        done = inside.run("fleet", "--prometheus", url, "--namespace", "shpo", "--fail-on", "info")
    assert done.returncode == 3
    assert done.stderr == (
        "cgtune: the server has no Go container in namespace shpo that can be told from samples of the last 5 minutes;"
        " the same with --doctor says what is missing\n"
    )


def test_the_doctor_asks_two_questions() -> None:
    """And names each gap with the line that mends it, in all formats."""
    with serving() as (url, asked):
        done = inside.run("fleet", "--prometheus", url, "--doctor")
        assert (done.returncode, done.stderr, len(asked)) == (0, "", 2)
        assert "to mend it: " in done.stdout
        content = json.loads(inside.run("fleet", "--prometheus", url, "--doctor", "--format", "json").stdout)
        assert content["workloads"] == []
        assert all(gap["mend"] for gap in content["not_joined"])
        for name in ("csv", "markdown"):
            text = inside.run("fleet", "--prometheus", url, "--doctor", "--format", name).stdout.replace("\\", "")
            assert all(gap["why"] in text and gap["mend"].partition('"')[0] in text for gap in content["not_joined"])


def test_patches_become_files(tmp_path: Path) -> None:
    """Each workload's into the folder; a second run writes the same; on standard output they are one text."""
    with serving() as (url, _):
        done = inside.run("fleet", "--prometheus", url, "--patch", "helm", "--output", tmp_path)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"cgtune: 2 files are in {tmp_path}\n"
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["README.txt", "shop-orders-server.yaml"]
        text = inside.run("fleet", "--prometheus", url, "--patch", "helm").stdout
    assert "GOMEMLIMIT" in (tmp_path / names[1]).read_text()
    assert (tmp_path / names[1]).read_text() in text


def test_questions_are_about_what_was_asked() -> None:
    """Namespaces, the window and the selector stand in each question but the probe's namespaces; what rules keep has no other labels."""
    with serving() as (url, asked):
        inside.run(
            "fleet", "--prometheus", url, "--namespace", "shop", "--namespace", "pay", "--last", "36h", "--selector", '{cluster="eu"}'
        )
    (begin,) = (promql for promql in asked if "offset 129600s" in promql)
    assert "cgtune_fleet:" in begin
    asked.remove(begin)
    assert all('cluster="eu"' in promql for promql in asked)
    assert all('namespace=~"shop|pay"' in promql for promql in asked if not promql.startswith("count by"))
    assert any("129600s" in promql for promql in asked)


@pytest.mark.slow
def test_who_waits_is_told_how_far_it_is() -> None:
    """On a terminal, after two seconds, a line follows the questions, and is gone at the end; stdout has the report alone."""
    gate = threading.Event()
    ours, theirs = pty.openpty()
    with serving(gate=gate) as (url, _):
        argv = [*PROGRAM, "fleet", "--prometheus", url, "--format", "json"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, env=environment()) as child:
            os.close(theirs)
            told = b""
            while not told.endswith(b" ..."):
                assert select.select([ours], [], [], 60)[0], told
                told += os.read(ours, 4096)
            assert told == b"cgtune: asking which series there are ..."
            gate.set()
            said, _ = child.communicate(timeout=60)
    while select.select([ours], [], [], 0)[0]:
        try:
            told += os.read(ours, 4096)
        except OSError:  # nobody has the other end any more
            break
    os.close(ours)
    assert child.returncode == 0
    assert json.loads(said)["workloads"]
    questions = re.findall(rb"cgtune: (\d+) of (\d+) questions answered, 2 at a time \.\.\.", told)
    assert [int(done) for done, _ in questions] == [*range(1, int(questions[0][1]) + 1)]
    assert told.endswith(b"\r\x1b[K")


def test_a_patch_set_that_stops_half_way_has_no_new_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that names the others is written last, and the line tells how many are there."""
    from cgtune.system import outputfile

    real = outputfile.replace_file

    def replace(path: str, content: bytes, mode: int, option: str) -> bool:
        if path.endswith("README.txt"):
            raise Unwritable(f"{option} {path!r}: Input/output error; nothing was written, what stood there stands")
        return real(path, content, mode, option)

    (tmp_path / "README.txt").write_text("old")
    monkeypatch.setattr(outputfile, "replace_file", replace)
    with serving() as (url, _):
        done = inside.run("fleet", "--prometheus", url, "--patch", "helm", "--output", tmp_path)
    assert (done.returncode, (tmp_path / "README.txt").read_text()) == (3, "old")
    assert done.stderr.startswith("cgtune: 1 of 2 files are written, README.txt comes last; --output "), done.stderr
    assert len(list(tmp_path.iterdir())) == 2
