"""No rule rests on made-up records alone: each has been seen to fire on a real program, or on what was recorded of one."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from cgtune.rules import RULES
from tests.support import stories
from tests.support.command import ROOT

LIVE, KERNEL, STORY = "tests/live/test_findings.py", "tests/kernel/test_findings.py", "fixtures/cgroupfs"

# Rule, and where it fires: a test that does the harm to a real program, on this machine or in the bench, or a recorded story.
SHOWN = [
    ("quota-crashes-go", KERNEL, "test_a_quota_that_kills"),
    ("gomemlimit-malformed", LIVE, "test_a_text_that_really_kills"),
    ("godebug-removed-setting", LIVE, "test_a_text_that_really_kills"),
    ("godebug-removed-setting", LIVE, "test_a_text_that_go_ignores"),
    ("go-not-container-aware", KERNEL, "test_go_1_24_under_half_a_cpu"),
    ("awareness-disabled-by-build", KERNEL, "test_a_new_toolchain_with_an_old_go_line"),
    ("awareness-disabled-by-env", KERNEL, "test_the_environment_and_the_build_both_against_it"),
    ("ancestor-quota-ignored", KERNEL, "test_a_parent_that_is_tighter"),
    ("limit-file-missed", KERNEL, "test_the_mount_that_go_1_25_does_not_see_through"),
    ("limit-file-missed", KERNEL, "test_a_namespace_mount_ends_the_search"),
    ("follows-old-cgroup", LIVE, "test_a_process_that_was_moved"),
    ("affinity-changed", LIVE, "test_the_cpus_changed_after_the_start"),
    ("gomaxprocs-malformed", LIVE, "test_a_text_that_go_ignores"),
    ("gomaxprocs-exceeds-quota", LIVE, "test_gomaxprocs_beyond_a_half_cpu_and_what_mends_it"),
    ("cpu-throttled", LIVE, "test_real_throttling"),
    ("cpu-throttled", LIVE, "test_a_burst_that_ends_the_stops"),
    ("updates-disabled", KERNEL, "test_a_quota_that_changes_where_updates_are_off"),
    ("automaxprocs-redundant", LIVE, "test_a_library_that_the_runtime_made_superfluous"),
    ("gomaxprocs-pinned", LIVE, "test_a_pin_where_the_runtime_would_follow"),
    ("gomaxprocs-below-quota", LIVE, "test_a_quota_and_the_threads_under_it"),
    ("quota-below-two-cpus", LIVE, "test_a_quota_and_the_threads_under_it"),
    ("fractional-quota", LIVE, "test_a_quota_and_the_threads_under_it"),
    ("whole-quota-no-slack", KERNEL, "test_a_whole_quota_and_what_is_offered_for_it"),
    ("no-quota-many-cpus", KERNEL, "test_a_small_request_and_no_limit"),
    ("limit-only-said", LIVE, "test_a_limit_that_a_platform_only_says"),
    ("gc-off-without-limit", LIVE, "test_what_a_program_did_itself"),
    ("memory-limit-too-small", LIVE, "test_a_live_heap_that_crowds_the_limit"),
    ("gomemlimit-unset", LIVE, "test_a_memory_limit_that_go_does_not_know"),
    ("gomemlimit-exceeds-limit", LIVE, "test_too_large_a_gomemlimit"),
    ("gomemlimit-exceeds-high", KERNEL, "test_a_gomemlimit_beyond_memory_high"),
    ("gomemlimit-exceeds-high", STORY, "v2-bench-swapped-out"),
    ("gomemlimit-too-small", LIVE, "test_a_gomemlimit_that_is_too_small"),
    ("memory-shared", LIVE, "test_two_programs_under_one_limit"),
    ("gomemlimit-near-limit", LIVE, "test_too_large_a_gomemlimit"),
    ("gomemlimit-changed-in-process", LIVE, "test_what_a_program_did_itself"),
    ("gogc-malformed", LIVE, "test_a_text_that_go_ignores"),
    ("oom-killed", LIVE, "test_a_kill_that_go_could_not_prevent"),
    ("oom-killed", STORY, "v2-bench-throttled-and-killed"),
    ("swap-hides-pressure", KERNEL, "test_memory_that_is_really_swapped_out"),
    ("swap-hides-pressure", STORY, "v2-bench-swapped-out"),
    ("started-throttled", STORY, "v1-bench-throttled-and-killed"),
    ("cpu-contended", LIVE, "test_neighbours_that_take_the_cpus"),
    ("threads-short", LIVE, "test_a_queue_of_goroutines_beside_an_idle_cpu"),
    ("memory-thrashing", LIVE, "test_files_that_go_and_come_back"),
    ("memory-thrashing", KERNEL, "test_a_limit_for_heap_and_files"),
    ("memory-stalling", KERNEL, "test_memory_high_that_makes_it_wait"),
    ("memory-near-limit", LIVE, "test_memory_that_has_nearly_reached_the_limit"),
    ("collector-busy", LIVE, "test_a_collector_that_does_most_of_the_work"),
    ("gomemlimit-stale", LIVE, "test_a_limit_that_was_raised_since"),
    ("limit-unneeded", LIVE, "test_a_limit_that_two_days_did_not_need"),
]


def test_every_rule_has_a_real_case() -> None:
    """A new rule comes with a program that it is found on."""
    assert {rule for rule, _, _ in SHOWN} == {rule.ID for rule in RULES}


@pytest.mark.parametrize(("rule", "where", "name"), SHOWN, ids=[f"{rule} in {name}" for rule, _, name in SHOWN])
def test_the_real_case_is_one(rule: str, where: str, name: str) -> None:
    """The test is there, is run on real programs, and claims the finding; the story was recorded, and its report has the finding."""
    if where == STORY:
        expected = stories.read_expected(name)
        assert expected["recorded"] is not None
        assert rule in [finding["rule"] for process in expected["report"]["processes"] for finding in process["findings"]]
        return
    module = _parsed(ROOT / where)
    marks = {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark"}
    assert marks & {"live", "kernel"}
    (test,) = (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name)
    assert rule in _claimed(test)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _claimed(test: ast.FunctionDef) -> set[object]:
    """The texts in a test and its table of cases, but for those of which it says that they are not there."""
    denied = {
        inner
        for node in ast.walk(test)
        if isinstance(node, ast.Compare) and any(isinstance(operator, (ast.NotIn, ast.NotEq)) for operator in node.ops)
        for inner in ast.walk(node)
    }
    return {node.value for node in ast.walk(test) if isinstance(node, ast.Constant) and node not in denied}


def test_what_is_denied_is_not_claimed() -> None:
    """A test that a finding is absent does not pass for one that it is there."""
    (test,) = ast.parse("def test_x():\n    assert 'a' not in found\n    assert found == ['b']").body
    assert isinstance(test, ast.FunctionDef)
    assert {"a", "b"} & _claimed(test) == {"b"}
