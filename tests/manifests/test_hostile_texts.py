"""Texts that somebody made to keep a reader busy: none takes longer than its length lets expect, or grows beyond it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from cgtune.errors import Malformed
from cgtune.manifests import read_text
from cgtune.manifests.amounts import parse_cpus, parse_docker_size
from cgtune.manifests.around import Around
from cgtune.manifests.envfiles import parse_compose_variables, parse_systemd_variables
from cgtune.manifests.interpolation import interpolate
from cgtune.manifests.unitamounts import parse_cpu_quota, parse_size, why_no_size
from tests.support.inputs import beside

MANY = 120_000


def _unset(_name: str) -> str | None:
    return None


def _unit(text: str) -> None:
    list(read_text("a.service", f"[Service]\n{text}"))


def _compose(text: str, **files: str) -> None:
    around = Around(beside=beside({name.replace("_", "."): content for name, content in files.items()}))
    list(read_text("compose.yaml", text, around))


TEXTS: dict[str, Callable[[], object]] = {
    "a line of words": lambda: _unit("Environment=" + "A=1 " * MANY),
    "a line of blanks": lambda: _unit("Environment=" + " " * 8 * MANY + "A=1"),
    "a line of many lines": lambda: _unit("Environment=" + "A=1 \\\n" * MANY + "B=2\n"),
    "a line of comments": lambda: _unit("Environment=A=1 \\\n" + "# c\n" * MANY + "B=2\n"),
    "settings": lambda: _unit("Environment=A=1\n" * MANY),
    "limits": lambda: _unit("CPUQuota=0.5\n" * 9000),
    "a slice below slices": lambda: _unit("Slice=" + "a-" * MANY + "b.slice\n"),
    "a quota of digits": lambda: parse_cpu_quota("9" * MANY + "%"),
    "a size of digits": lambda: parse_size("9" * MANY + "K"),
    "a size of blanks": lambda: why_no_size("MemoryMax", "1" + " " * MANY + "x"),
    "a docker size": lambda: parse_docker_size("9" * MANY + "." + "9" * MANY),
    "cpus": lambda: parse_cpus("0-8191," * MANY),
    "systemd's variables": lambda: parse_systemd_variables("A=1\n" * MANY),
    "variables": lambda: parse_compose_variables("A=1\n" * MANY, _unset),
    "a name with blanks": lambda: parse_compose_variables("A" + " " * 8 * MANY + "B=1", _unset),
    "comments": lambda: parse_compose_variables("#\n \n" * MANY, _unset),
    "quotes": lambda: parse_compose_variables('A="' + "\\x" * MANY, _unset),
    "variables that double": lambda: parse_compose_variables("A0=xx\n" + "".join(f"A{at + 1}=$A{at}$A{at}\n" for at in range(200)), _unset),
    "braces": lambda: interpolate("${A:-" * MANY + "}" * MANY, _unset),
    "open braces": lambda: interpolate("${A" * MANY, _unset),
    "a list of one name": lambda: _compose("services:\n  w:\n    image: x\n    environment:\n" + "      - A=1\n" * 20_000),
    "a large file of variables": lambda: _compose("services:\n  w:\n    image: x\n    env_file: a.env\n", a_env="A=1\n" * 400_000),
    "services that extend each other": lambda: _compose(
        "services:\n" + "".join(f"  s{at}:\n    extends: s{at + 1}\n" for at in range(3000))
    ),
    "a list of one name, registered": lambda: list(
        read_text(
            "task.json",
            '{"containerDefinitions": [{"name": "a", "image": "x", "environment": ['
            + ",".join(['{"name": "A", "value": "1"}'] * 10_000)
            + "]}]}",
        )
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_keeps_busy(name: str) -> None:
    """It is read or refused, and the test ends."""
    with contextlib.suppress(Malformed):
        TEXTS[name]()


def test_variables_that_double_are_not_known() -> None:
    """What would fill the memory is told as not known."""
    text = "A0=xx\n" + "".join(f"A{at + 1}=$A{at}$A{at}\n" for at in range(40))
    last = parse_compose_variables(text, _unset)[-1]
    assert (last.value, last.unknown) == (None, "$A39 comes from whoever runs Compose")
    first = next(one for one in parse_compose_variables(text, _unset) if one.value is None)
    assert first.unknown == "its variables make it too long"
