"""What a service remembers, there and back: as JSON, as metrics, put to the processes that it is about; and what no service says."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.model import Container, Kill, Kills, Owner
from cgtune.outputs.kills import render_kills_json
from cgtune.outputs.packed import Packed
from cgtune.outputs.prometheus import ServiceFacts, join_metrics, render_kills, render_service
from cgtune.remembered import RECENT_SECONDS, parse_kill_metrics, parse_kills, with_kills
from tests.outputs.test_prometheus import machine_report, read, value
from tests.rules.reports import memory_level, report
from tests.test_fixtures import VALIDATOR

ID, UID = "c0ffee" * 10 + "c0de", "0b8e2b7e-1c7c-4f3b-9d0a-7a3f5b1c2d3e"
KILL = Kill(
    time_seconds=1795935364.25,
    pid=42,
    command="se\x1brver",
    certainty="certain",
    limit_bytes=64 << 20,
    current_bytes=63 << 20,
    gomemlimit="off",
    heap_live_bytes=50 << 20,
    uptime_seconds=8.5,
)
KILLS = (
    Kills(
        owner=Owner(of="container", name=ID, runtime="containerd", uid=UID, namespace="shop", pod="web-0", container="app"),
        oom_kills=3,
        processes=2,
        last_seconds=1795935364.25,
        last=KILL,
    ),
    Kills(owner=Owner(of="pod", name=UID, namespace="shop", pod="web-0"), oom_kills=4, processes=2, last_seconds=1795935365.0, last=KILL),
    Kills(owner=Owner(of="workload", name='a "b"\\\nc', namespace=None), oom_kills=1, processes=0, last_seconds=1795935366.0),
)


def rendered(kills: tuple[Kills, ...] = KILLS) -> str:
    """The answer of /kills."""
    return render_kills_json(kills, version="0.1.0", since_seconds=1.5, forgotten=7)


def entry(**changes: object) -> dict[str, Any]:
    """An answer with one kill that has these values."""
    return {"kills": [{**json.loads(rendered())["kills"][0], **changes}]}


def page(*, openmetrics: bool) -> Packed:
    """A page of metrics that has these kills, and a workload without any."""
    parts = (
        render_service(ServiceFacts(version="0.1.0", scans=1, scan_errors=0), openmetrics=openmetrics),
        render_kills(KILLS, (Owner(of="workload", name="calm"), KILLS[2].owner), 7, openmetrics=openmetrics),
    )
    return join_metrics(parts, openmetrics=openmetrics)


def test_json_is_read_as_it_was_written() -> None:
    """The newest first; a name that could steer a terminal is shown as its code."""
    content = json.loads(rendered())
    assert (content["schema"], content["since_seconds"], content["forgotten"]) == ("cgtune/kills/v1", 1.5, 7)
    escaped = KILL.replace(command="se\\x1brver")
    first, second, third = reversed(parse_kills(rendered()))
    assert first == KILLS[0].replace(last=escaped)
    assert second == KILLS[1].replace(last=escaped)
    assert third == KILLS[2].replace(owner=KILLS[2].owner.replace(name='a "b"\\\\x0ac'))


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
def test_metrics_are_read_as_they_were_written(openmetrics: bool) -> None:
    """Counts and times of each owner; a workload without a kill has a series of 0, and is none that is remembered."""
    samples = read(page(openmetrics=openmetrics), openmetrics=openmetrics)
    container = {"container_id": "", "uid": UID, "namespace": "shop", "pod": "web-0", "container": "app"}
    assert value(samples, "cgtune_container_oom_kills_total", **container) == 3
    assert value(samples, "cgtune_container_last_oom_kill_timestamp_seconds", **container) == 1795935364.25
    assert value(samples, "cgtune_pod_oom_kills_total", uid=UID, namespace="shop", pod="web-0") == 4
    assert value(samples, "cgtune_workload_oom_kills_total", workload="calm") == 0
    assert value(samples, "cgtune_workload_last_oom_kill_timestamp_seconds", workload="calm") is None
    assert value(samples, "cgtune_kills_forgotten_total") == 7
    found = parse_kill_metrics(bytes(page(openmetrics=openmetrics)).decode())
    expected = [kills.replace(processes=0, last=None) for kills in KILLS[:2]]
    assert found[0].owner.key == KILLS[0].owner.key
    assert found[0].replace(owner=KILLS[0].owner) == expected[0]
    assert found[1] == expected[1]
    assert (found[2].owner.name, found[2].oom_kills) == ('a "b"\\\\x0ac', 1)
    assert len(found) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "cgtune/report/v1"},
        {"kills": None},
        {"kills": [1]},
        {"kills": [{}]},
        *(entry(oom_kills=count) for count in (-1, "1", 1 << 70, 1.5)),
        *(entry(last_seconds=seconds) for seconds in ("now", float("nan"), float("inf"), -1)),
        entry(last=[]),
        entry(owner={}),
        *(entry(owner={**json.loads(rendered())["kills"][0]["owner"], **owner}) for owner in ({"of": "node"}, {"name": 5}, {"pod": ["a"]})),
        *(
            entry(last={**json.loads(rendered())["kills"][2]["last"], **last})
            for last in ({"pid": -1}, {"gomemlimit": "on"}, {"command": 7})
        ),
    ],
)
def test_what_no_service_says_is_refused(change: dict[str, Any]) -> None:
    """In one way, whatever is wrong with it."""
    with pytest.raises(Malformed):
        parse_kills(json.dumps({**json.loads(rendered()), **change}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    )
)
def test_any_json_gives_kills_or_malformed(content: object) -> None:
    """Nothing else is raised, wherever it stands."""
    for text in (json.dumps(content), json.dumps({"schema": "cgtune/kills/v1", "kills": [content]})):
        try:
            parse_kills(text)
        except Malformed:
            continue


@given(st.text(alphabet='cgtune_pod_oom_kills_total{}="\\, \n1'))
def test_any_text_gives_kills_or_malformed(text: str) -> None:
    """Of pages too, and of JSON that is none."""
    for parse in (parse_kills, parse_kill_metrics):
        for whole in (text, f"cgtune_build_info 1\ncgtune_pod_oom_kills_total{{{text}"):
            try:
                parse(whole)
            except Malformed:
                continue


def test_what_a_service_does_not_know_is_not_known() -> None:
    """An end of which nothing was seen has no uptime, no limit and no values."""
    unseen = KILL.replace(
        command="server",
        certainty="likely",
        limit_bytes=None,
        current_bytes=None,
        gomemlimit=None,
        heap_live_bytes=None,
        uptime_seconds=None,
    )
    (found,) = parse_kills(rendered((KILLS[0].replace(last=unseen),)))
    assert found.last == unseen
    (found,) = parse_kills(rendered((KILLS[0].replace(last=unseen.replace(gomemlimit=5, uptime_seconds=0.0)),)))
    assert found.last is not None
    assert (found.last.gomemlimit, found.last.uptime_seconds) == (5, 0.0)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{uid="1"} -1', "out of all bounds"),
        ('{uid="1"} 1e30', "out of all bounds"),
        ('{uid="1"} NaN', "out of all bounds"),
        ('{uid="1"} +Inf', "out of all bounds"),
        ('{uid="1"}', "has no value"),
        ('{uid="1"} many', "has no value"),
        ('{uid="1} 1', "has no end"),
        ("{uid=1} 1", "has no end"),
        ('{uid="' + "x" * 8200 + '"} 1', "too long"),
    ],
)
def test_a_series_that_no_service_writes_is_refused(line: str, why: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(Malformed, match=why):
        parse_kill_metrics(f"cgtune_build_info 1\ncgtune_pod_oom_kills_total{line}\n")


def test_texts_of_others_are_kept_within_bounds() -> None:
    """A name, a label and the number of owners, in both forms."""
    long = KILLS[0].replace(owner=KILLS[0].owner.replace(pod="p" * 300), last=KILL.replace(command="c" * 300))
    (found,) = parse_kills(rendered((long,)))
    assert found.last is not None
    assert (found.owner.pod, found.last.command) == ("p" * 256, "c" * 256)
    page = f'cgtune_build_info 1\ncgtune_pod_oom_kills_total{{uid="1",pod="{"p" * 300}"}} 1\n'
    assert [kills.owner.pod for kills in parse_kill_metrics(page)] == ["p" * 256]
    many = json.loads(rendered())
    many["kills"] *= 4000
    assert len(parse_kills(json.dumps(many))) == 10_000


def test_a_clock_that_goes_behind_the_services_makes_no_time_negative() -> None:
    """A kill that is told to be in the future was right now."""
    process = report(memory=(memory_level("/app", 64 << 20),))
    process = process.replace(snapshot=process.snapshot.replace(container=Container(id=ID, pod_uid=UID, name="app")))
    for now, ago in ((KILLS[0].last_seconds - 7, [0.0]), (KILLS[0].last_seconds + RECENT_SECONDS, [RECENT_SECONDS])):
        (found,) = with_kills(machine_report(process), KILLS[:1], now).processes
        assert [kills.ago_seconds for kills in found.remembered or ()] == ago


def test_a_huge_answer_is_read_in_bounded_time() -> None:
    """Deep nesting, a label without an end, and very many series."""
    began = time.process_time()
    with pytest.raises(Malformed):
        parse_kills("[" * 1_000_000)
    with pytest.raises(Malformed):
        parse_kill_metrics('cgtune_build_info 1\ncgtune_pod_oom_kills_total{uid="' + "x" * 1_000_000)
    many = "".join(f'cgtune_pod_oom_kills_total{{uid="{number}"}} 1\n' for number in range(30_000))
    assert len(parse_kill_metrics("cgtune_build_info 1\n" + many)) == 10_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (Container(id=ID, pod_uid=UID, name="app"), ["container", "pod"]),
        (Container(id="c1" * 32, pod_uid=UID, name="app"), ["container", "pod"]),  # made anew
        (Container(id="c1" * 32, pod_uid=UID, name="sidecar"), ["pod"]),
        (Container(id="c1" * 32, pod_uid=UID), ["pod"]),  # nobody knows which
        (Container(id="c2" * 32), ["container"]),
        (Container(id="c1" * 32), []),
    ],
)
def test_kills_are_put_to_whom_they_are_about(container: Container, expected: list[str]) -> None:
    """Those of the last day; where a service was asked, and none are known, there are none."""
    process = report(memory=(memory_level("/app", 64 << 20),))
    process = process.replace(snapshot=process.snapshot.replace(container=container))
    alone = Kills(owner=Owner(of="container", name="c2" * 32), oom_kills=1, processes=0, last_seconds=KILLS[0].last_seconds)
    (found,) = with_kills(machine_report(process), (*KILLS, alone), 1795935400.0).processes
    assert [kills.owner.of for kills in found.remembered or ()] == expected
    ago: dict[str, float] = {kills.owner.of: 1795935400.0 - kills.last_seconds for kills in KILLS}
    assert [kills.ago_seconds for kills in found.remembered or ()] == [ago[of] for of in expected]
    (late,) = with_kills(machine_report(process), KILLS, 1795935366.0 + RECENT_SECONDS + 1).processes
    assert late.remembered == ()
    (unasked,) = with_kills(machine_report(process), None, 0.0).processes
    assert unasked.remembered is None


def test_a_report_with_kills_holds_to_the_schema() -> None:
    """The key is there if a service was asked, and has the shape that the schema says."""
    from cgtune.api import inspect
    from cgtune.outputs.json import render_json
    from tests.support import stories

    plain = inspect([4242], root=str(stories.STORIES / "v2-ancestor-tighter"))
    assert "remembered_kills" not in json.loads(render_json(plain))["processes"][0]
    (process,) = plain.processes
    told = json.loads(render_json(plain.replace(processes=(process.replace(remembered=KILLS),))))
    assert [kills["oom_kills"] for kills in told["processes"][0]["remembered_kills"]] == [3, 4, 1]
    VALIDATOR.validate(told)
