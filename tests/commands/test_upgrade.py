"""``cgtune predict --to``: what is said of services that get another Go, in each format, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing

from cgtune.commands.upgrade import UpgradeOptions, read_upgrade
from cgtune.outputs import load_renderer
from tests.support import goprograms, inside, kubernetes
from tests.support.apiserver import ApiServer
from tests.support.command import PROGRAM, ROOT, environment, uncounted

SERVICES = """\
name,cpu_limit,memory_limit,go,language,replicas,env
orders,2,512Mi,1.24,,3,GOMEMLIMIT=460MiB
cart,2,512Mi,1.24,,2,GOMEMLIMIT=460MiB
payments,500m,256Mi,1.23.4,1.21,2,
edge,,,1.25,,2,
ledger,8,2Gi,1.24,,2,GODEBUG=x509sha1=1
"""


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A file of services."""
    path = tmp_path / "services.csv"
    path.write_text(SERVICES)
    return path


def validate(content: object) -> None:
    """Hold the JSON against its schema, which refers to that of the report."""
    schemas = [json.loads(path.read_text()) for path in sorted((ROOT / "cgtune" / "schemas").glob("*.json"))]
    registry: Any = referencing.Registry().with_resources(
        [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas]
    )
    own = next(schema for schema in schemas if schema["$id"] == "urn:cgtune:upgrade:v1")
    jsonschema.Draft202012Validator(own, registry=registry).validate(content)


def upgraded(*arguments: object) -> inside.Done:
    """A run to Go 1.27 on 64 CPUs."""
    return inside.run("predict", "--to", "1.27", "--cpus", "64", *arguments)


def test_the_table(services: Path) -> None:
    """One line a kind of service, the worst first, with both values; below it who they are, what keeps it, what is found."""
    done = upgraded("--input", services)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    said = "1 dies at its start, 2 lose threads, 2 keep their threads"
    assert lines[0] == f"Go to 1.27 on 64 CPUs, cgroup v2: 5 services of 4 kinds; {said}"
    assert [line.split() for line in lines[3:7]] == [
        ["1", "1", "1.24", "8", "2", "GiB", "64", "→", "dies", "off", "→", "dies", "-", "dies"],
        ["2", "2", "1.24", "2", "512", "MiB", "64", "→", "2", "460", "MiB", "52", "MiB", "fewer"],
        ["3", "1", "1.25", "-", "-", "64", "off", "-", "same"],
        ["4", "1", "1.23.4", "(go", "1.21)", "0.5", "256", "MiB", "64", "off", "-", "same"],
    ]
    assert "  who        2: orders, cart" in lines
    assert "  keep       2: GODEBUG=containermaxprocs=0,updatemaxprocs=0 keeps today's" in lines
    assert "  keep       1: no variable keeps today's values: keep its Go, or look at what" in lines
    assert "  pinned     4: containermaxprocs=0 in the build, as of the go line 1.21" in lines
    assert any(line.startswith("  finding    1: critical godebug-removed-setting, new: ") for line in lines)
    assert "  finding    2: no more: go-not-container-aware" in lines
    assert max(map(len, lines[1:])) <= 90


def test_the_json(services: Path) -> None:
    """It is valid, has each class once, and is the same twice."""
    done = upgraded("--input", services, "--format", "json")
    content = json.loads(done.stdout)
    validate(content)
    assert [(row["name"], row["count"], row["replicas"], row["change"], row["severity"]) for row in content["rows"]] == [
        ("ledger", 1, 2, "dies", "critical"),
        ("orders", 2, 5, "fewer-threads", "warning"),
        ("edge", 1, 2, "none", None),
        ("payments", 1, 2, "none", None),
    ]
    orders = content["rows"][1]
    assert (content["from"], content["to"], content["cpus"], content["cgroup"]) == (None, "1.27", 64, "v2")
    assert (orders["from"], orders["to"]) == (
        {"go": "1.24", "GOMAXPROCS": 64, "GOMEMLIMIT": 460 << 20, "GOGC": 100, "dies": None},
        {"go": "1.27", "GOMAXPROCS": 2, "GOMEMLIMIT": 460 << 20, "GOGC": 100, "dies": None},
    )
    assert (orders["cpu_limit_cores"], orders["memory_limit_bytes"], orders["memory_margin_bytes"]) == (2.0, 512 << 20, 52 << 20)
    assert orders["keep"] == ["GODEBUG=containermaxprocs=0,updatemaxprocs=0"]
    assert [(one["rule"], one["new"]) for one in content["rows"][0]["findings"]] == [("godebug-removed-setting", True)]
    assert done.stdout == upgraded("--input", services, "--format", "json").stdout
    del content["rows"][0]["change"]
    with pytest.raises(jsonschema.ValidationError):
        validate(content)


def test_the_csv_is_read_by_others(services: Path) -> None:
    """A line for each class, by a reader of RFC 4180; what a spreadsheet would take for a formula is none."""
    hostile = services.with_name("hostile.csv")
    hostile.write_text('name,go,cpu_limit\n"=1+2,""x""\x1b[31m",1.24,2\n')
    rows = list(csv.DictReader(io.StringIO(upgraded("--input", services, "--format", "csv").stdout)))
    assert [(row["name"], row["names"], row["from_gomaxprocs"], row["to_gomaxprocs"], row["change"]) for row in rows] == [
        ("ledger", "ledger", "64", "", "dies"),
        ("orders", "orders cart", "64", "2", "fewer-threads"),
        ("edge", "edge", "64", "64", "none"),
        ("payments", "payments", "64", "64", "none"),
    ]
    (row,) = csv.DictReader(io.StringIO(upgraded("--input", hostile, "--format", "csv").stdout), strict=True)
    assert row["name"] == '\'=1+2,"x"\\x1b[31m'


def test_the_markdown_is_a_table(services: Path) -> None:
    """A line for each class, as many cells in each; what a name has of Markdown or HTML is text."""
    hostile = services.with_name("hostile.csv")
    hostile.write_text("name,go,cpu_limit\na|b<img>`x`,1.24,2\n")
    lines = upgraded("--input", hostile, "--format", "markdown").stdout.splitlines()
    assert lines[4].endswith(r"| `GODEBUG=containermaxprocs=0,updatemaxprocs=0` | a\|b\<img\>\`x\` |")
    assert len({line.replace(r"\|", "").count("|") for line in lines[2:5]}) == 1
    assert lines[0].startswith("**Go to 1.27 on 64 CPUs")


@pytest.mark.parametrize("name", ["table", "json", "csv", "markdown"])
def test_no_format_lets_control_characters_through(name: str) -> None:
    """Whatever a service and its variables are called."""
    from cgtune.advice.comparing import judge_upgrade
    from cgtune.advice.upgrade import Upgrade
    from tests.advice.test_comparing import judge, service

    hostile = 'a\x1b[31m|"<&>\n\udcff\u202e'
    rows = judge_upgrade([service("1.24", "1.27", (f"GODEBUG={hostile}",), name=hostile, cpu_limit="2")], judge)
    text = load_renderer("upgrade", name)(Upgrade(old_go="1.24", new_go="1.27", rows=rows, cpus=64, cgroup=2, skipped=(hostile,)))
    assert all(line.isprintable() for line in text.splitlines())


def test_whose_cpus_are_counted() -> None:
    """If nobody names those of the node, the first line says that they are this machine's."""
    said = inside.run("predict", "--from", "1.24", "--to", "1.25").stdout.splitlines()[0]
    assert " of this machine (--cpus names those of another), cgroup v2: 1 service" in said


def test_named_limits() -> None:
    """Without a list the limits are those of the options."""
    done = inside.run("predict", "--from", "1.24", "--to", "1.25", "--cpus", "14", "--cpu-limit", "2")
    assert done.stdout.splitlines()[0] == "Go 1.24 to 1.25 on 14 CPUs, cgroup v2: 1 service of 1 kind; 1 loses threads"
    assert done.stdout.splitlines()[3].split() == ["1", "1", "1.24", "2", "-", "14", "→", "2", "off", "-", "fewer"]


@pytest.mark.parametrize(
    ("fail_on", "language", "code"), [("critical", None, 0), ("warning", None, 1), ("warning", "1.24", 0), (None, None, 0)]
)
def test_the_exit_code_follows_fail_on(fail_on: str | None, language: str | None, code: int) -> None:
    """Fewer threads are a warning; a go line that stays changes nothing."""
    options = (*(("--fail-on", fail_on) if fail_on else ()), *(("--language", language) if language else ()))
    done = inside.run("predict", "--from", "1.24", "--to", "1.27", "--cpus", "64", "--cpu-limit", "2", *options)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "1.24"), "--from asks what changes with another Go: name that with --to, as in --from 1.24 --to 1.27"),
        (("--input", "x.csv"), "--input asks what changes"),
        (("--root", "/"), "--root asks what changes"),
        (("--to", "1.27"), "--to needs the Go of today: name it with --from"),
        (("--from", "1.24", "--to", "latest"), "--to 'latest' is no version of Go; example: --to 1.24"),
        (("--from", "1.24,1.25", "--to", "1.27"), "--from '1.24,1.25' is no version of Go"),
        (("--from", "1.24", "--to", "1.27", "--go", "1.25"), "leave it out beside --to"),
        (("--from", "1.24", "--to", "1.27", "--format", "sarif"), "--format sarif is not of --to, which has table, json, csv and markdown"),
        (("--format", "csv"), "--format csv needs --to"),
        (("--from", "1.24", "--to", "1.27", "--cpu-limit", "2x"), "--cpu-limit '2x' is no number of CPUs"),
        (("--from", "1.24", "--to", "1.27", "--binary", "x"), "--from does not go with --binary, which tells its own version"),
        (("--to", "1.27", "--input", "x.csv", "--cpu-limit", "2"), "--cpu-limit does not go with --input"),
        (("--to", "1.27", "--input", "x.csv", "--root", "/"), "--root does not go with --input"),
        (("--to", "1.27", "--root", "/", "--cpus", "4"), "--cpus does not go with --root"),
        (("--to", "1.27", "--root", "/", "--from", "1.24"), "--from does not go with --root"),
        (("--to", "1.27", "--root", "/nowhere"), "/nowhere"),
        (("--to", "1.27", "--input", "/nowhere.csv"), "--input '/nowhere.csv': No such file or directory; example: --input services.csv"),
        (("--to", "1.27", "--input", "/dev/null"), "--input '/dev/null' is not a regular file; example: --input services.csv"),
        (("--to", "1.27", "--binary", "/dev/null"), "--binary '/dev/null' is not a regular file; example: --binary ./server"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...], says: str) -> None:
    """One line that names the option and shows a right value; nothing is printed."""
    done = inside.run("predict", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bad_line_leaves_nothing_half_written(services: Path) -> None:
    """The file and the line are named, and none of what came before is printed."""
    services.write_text(SERVICES + "late,2x,,1.24,,,\n")
    done = upgraded("--input", services)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"cgtune: --input {services}:7: cpu_limit '2x' is no number of CPUs")


@pytest.mark.parametrize(
    ("raw", "says"), [(b"name,go\na,1.24\n\xff,1.24\n", ":3: this is no UTF-8"), (b"", " has no service"), (b"\0\n", ":1: ")]
)
def test_a_file_that_is_no_table(tmp_path: Path, raw: bytes, says: str) -> None:
    """It is refused with its line, without a traceback."""
    (tmp_path / "s.csv").write_bytes(raw)
    done = upgraded("--input", tmp_path / "s.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    """A file of holes without an end is refused before it is taken apart."""
    path = tmp_path / "s.csv"
    path.write_text("name\n")
    os.truncate(path, (64 << 20) + 1)
    assert "more than 64 MiB; give fewer services at once" in upgraded("--input", path).stderr


def test_standard_input() -> None:
    """A list may come through a pipe."""
    argv = [*PROGRAM, "predict", "--to", "1.27", "--cpus", "64", "--input", "-", "--format", "csv"]
    done = subprocess.run(argv, input=SERVICES.encode(), capture_output=True, timeout=60, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\r\n") == 5


def test_every_option_has_a_twin(services: Path) -> None:
    """A pipeline can give all of it in the environment."""
    twins = {"CGTUNE_TO": "1.27", "CGTUNE_INPUT": str(services), "CGTUNE_CPUS": "64", "CGTUNE_FORMAT": "json", "CGTUNE_FAIL_ON": "warning"}
    by_environment, by_options = inside.run("predict", **twins), upgraded("--input", services, "--format", "json", "--fail-on", "warning")
    assert by_environment == by_options
    assert by_options.returncode == 1
    assert inside.run("predict", CGTUNE_FROM="1.24", CGTUNE_TO="1.27", CGTUNE_CPUS="2").returncode == 0


def test_a_list_of_300_costs_no_two_seconds(tmp_path: Path) -> None:
    """300 services that are all of another kind, in one command; CPU time of the whole program."""
    lines = [f"s{number},{500 + 10 * number}m,512Mi,1.24" for number in range(300)]
    (tmp_path / "s.csv").write_text("\n".join(("name,cpu_limit,memory_limit,go", *lines)))
    argv = [*PROGRAM, "predict", "--to", "1.27", "--cpus", "64", "--input", str(tmp_path / "s.csv"), "--format", "json"]
    before = os.times()
    done = subprocess.run(argv, capture_output=True, timeout=120, env=uncounted(), check=True)
    after = os.times()
    assert len(json.loads(done.stdout)["rows"]) == 300
    assert after.children_user + after.children_system - before.children_user - before.children_system < 2


MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, annotations: {cgtune.dev/go: "1.24"}}
spec:
  template:
    spec:
      containers:
        - name: app
          image: shop/orders:1
          resources: {limits: {cpu: "2", memory: 512Mi}}
          env: [{name: GOMEMLIMIT, value: 460MiB}]
"""


def test_manifests(tmp_path: Path) -> None:
    """A manifest by its name, on standard input by what stands in it, and a folder of them; what is left out is said."""
    (tmp_path / "orders.yaml").write_text(MANIFEST)
    (tmp_path / "map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    by_name, by_folder = (upgraded("--input", path, "--format", "json") for path in (tmp_path / "orders.yaml", tmp_path))
    (row,) = json.loads(by_name.stdout)["rows"]
    assert (row["name"], row["change"], row["from"]["GOMAXPROCS"]) == ("Deployment/orders app", "fewer-threads", 64)
    content = json.loads(by_folder.stdout)
    validate(content)
    assert content["rows"] == [row]
    (left_out,) = content["left_out"]
    assert left_out.startswith(f"{tmp_path}/map.yaml:2: ConfigMap")
    argv = [*PROGRAM, "predict", "--to", "1.27", "--cpus", "64", "--input", "-", "--format", "json"]
    piped = subprocess.run(argv, input=MANIFEST, capture_output=True, text=True, timeout=60, env=environment(), check=True)
    assert piped.stdout == by_name.stdout


@pytest.mark.parametrize(
    ("name", "text", "code", "says"),
    [
        ("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", 3, "there is no service in it that could be judged, "),
        ("a.yaml", MANIFEST.replace('annotations: {cgtune.dev/go: "1.24"}', ""), 3, "which Go it runs is not said"),
        ("a.json", "{", 3, "there is no service in it that could be judged"),
        ("a.csv", MANIFEST, 2, "a.csv:1: column 'apiversion: apps/v1' is none of"),
    ],
)
def test_a_file_without_a_service(tmp_path: Path, name: str, text: str, code: int, says: str) -> None:
    """One line says why, and with which exit code."""
    (tmp_path / name).write_text(text)
    done = upgraded("--input", tmp_path / name)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.fetched
def test_what_kubectl_prints(tmp_path: Path) -> None:
    """`kubectl get pods -o json` of a real kubectl, through a pipe."""
    limits = {"limits": {"cpu": "2", "memory": "1Gi"}}
    with ApiServer({"containers": [{"name": "app", "image": "shop/app:1", "resources": limits}]}) as server:
        said = kubernetes.run("kubectl", "--server", server.url, "--kubeconfig", "/dev/null", "get", "pods", "-o", "json").stdout
    assert json.loads(said)["kind"] == "List"
    argv = [*PROGRAM, "predict", "--from", "1.24", "--to", "1.27", "--cpus", "64", "--input", "-", "--format", "json"]
    done = subprocess.run(argv, input=said, capture_output=True, text=True, timeout=60, env=environment(), check=True)
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["name"], row["cpu_limit_cores"], row["change"]) == ("Pod/default/shop app", 2.0, "fewer-threads")


def test_a_recorded_process() -> None:
    """A recording tells its own Go, CPUs and limits; what was counted while it ran with its present Go is no finding of another one."""
    done = inside.run("predict", "--to", "1.24", "--root", ROOT / "fixtures/cgroupfs/v2-bench-swapped-out", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    validate(content)
    (row,) = content["rows"]
    assert (content["from"], content["cpus"], row["name"], row["usable_cpus"]) == (None, None, "server (182)", 8)
    assert (row["from"]["go"], row["to"]["go"], row["change"]) == ("1.27.3", "1.24", "none")
    assert row["from"]["GOMEMLIMIT"] == row["to"]["GOMEMLIMIT"] == 200 << 20
    assert {one["harm"] for one in row["findings"]} == {"possible"}
    assert [one["rule"] for one in row["findings"] if one["new"]] == row["ended"] == []


def test_a_root_without_a_go_process() -> None:
    """One line names the option, and the exit code is that of what could not be inspected."""
    done = inside.run("predict", "--to", "1.27", "--root", ROOT / "fixtures/cgroupfs/v2-plain")
    assert (done.returncode, done.stdout) == (3, "")
    assert "there is no process in it that could be judged; name / or a recording" in done.stderr


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("version", "language", "to", "told", "procs"),
    [
        ("1.24.11", "1.21", "1.27", (), (64, 2)),
        ("1.24.11", "1.21", "1.27", ("--language", "1.21"), (64, 64)),
        ("1.27.3", "1.21", "1.27", (), (64, 64)),  # its build has containermaxprocs=0, and keeps it
        ("1.27.3", "1.21", "1.27", ("--language", "1.25"), (64, 2)),
        ("1.27.3", "1.25", "1.24", (), (2, 64)),
    ],
)
def test_a_program_on_disk(version: str, language: str, to: str, told: tuple[str, ...], procs: tuple[int, int]) -> None:
    """It tells its version and what its build says of GODEBUG; that stays as long as the go line does."""
    program = goprograms.build(version, language=language)
    options = ("--cpus", "64", "--cpu-limit", "2", "--format", "json", *told)
    (row,) = json.loads(inside.run("predict", "--to", to, "--binary", program, *options).stdout)["rows"]
    assert (row["from"]["go"], row["from"]["GOMAXPROCS"], row["to"]["GOMAXPROCS"]) == (version, *procs)
    assert any("containermaxprocs=0 in the build" in text for text in row["pinned"]) == (procs == (64, 64))


def test_options_make_the_record() -> None:
    """Without a list the services are one, named for what it is."""
    upgrade = read_upgrade(UpgradeOptions(new_go="1.27", old_go="1.24", cpus=8, cpu_limit="2"))
    assert [row.names for row in upgrade.rows] == [("these limits",)]
