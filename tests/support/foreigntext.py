"""Text that is more than a name, and what the readers of each format find: for tests that none leaves its place."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

#: Each is more than a name: to a terminal, a line, a record, a document, a shell, a spreadsheet or a pipeline.
NASTY: Mapping[str, str] = {
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m\x00\x7f",
    "hyperlink": "\x1b]8;;http://a.example/\x1b\\go\x1b]8;;\x1b\\",
    "lines": "a\nwarning oom-killed: 1 x: all is lost\r\n::error::owned\x0b\x0c\x85\u2028\u2029b",
    "turned round": "\u202eevil\u2066\u2069\u200f\u061c",
    "no width": "\u200b\u200d\ufeff\u00ad\U000e0041",
    "no UTF-8": "\udcff\udc80",
    "markup": "]]></failure></script><script>alert(1)</script><img src=x onerror=alert(1)><!--",
    "attributes": '" onmouseover="alert(1)" x=\'&quot;',
    "cells": '=1+1,"a";|`*_[x](javascript:alert(1))\t\\',
    "formula": "@SUM(A1)",
    "workflow": "%0A::error::owned%0D%25::add-mask::x,line=1:",
    "labels": 'x"} 1\ncgtune_up{a="b"} # EOF\n# TYPE x gauge\n',
    "performance": "|'x'=1;2;3;4;5 a=b",
    "fences": "a``<b>`|``` ```c",
    "backslashes": "\\n\\x1b\\",
    "long": "A" * 20_000,
}


def assert_steers_nothing(text: str) -> None:
    """What is written to a terminal, a file or a pipe is UTF-8 in lines that can be printed."""
    text.encode()
    assert [line for line in re.split(r"\r?\n", text) if not line.isprintable()][:1] == []


def json_shape(value: Any) -> Any:
    """What is left of a document without its strings, each of which has to be text."""
    if isinstance(value, dict):
        # The keys of these two are names of others
        return {key: len(each) if key in ("modules", "series") else json_shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [json_shape(each) for each in value]
    if isinstance(value, str):
        value.encode()  # no lone surrogate
    return type(value).__name__


def _otlp_shape(text: str) -> object:
    """No name of others is that of a metric. Which metrics there are hangs on which cgroup a path says is a container's."""
    names: set[str] = set()
    for part in json.loads(text)["resourceMetrics"]:
        json_shape(part)
        names |= {metric["name"] for scope in part["scopeMetrics"] for metric in scope["metrics"]}
    return [name for name in names if not re.fullmatch(r"[a-z0-9._]+", name)]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, [name for name, _ in attrs]))
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("href", "src") or not (value or "").strip().lower().startswith("javascript:")


def _html_shape(text: str) -> object:
    reader = _Tags()
    reader.feed(text)
    reader.close()
    return reader.seen


def _xml_shape(text: str) -> object:
    return [(each.tag, sorted(each.attrib)) for each in ET.fromstring(text).iter()]


def _csv_shape(text: str) -> object:
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    for cell in (cell for row in rows for cell in row):
        assert not re.match(r"[=+@]|-(?!\d|$)", cell), cell
    return [len(row) for row in rows]


def _markdown_shape(text: str) -> object:
    prose = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "code", text)
    assert not re.search(r"(?<!\\)[<`]|(?<!\\)\]\(", prose), prose
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()]


def _github_shape(text: str) -> object:
    lines = text.splitlines()
    assert all(re.match(r"::(error|warning|notice) ", line) for line in lines)
    return [(line.partition("::")[2].partition("::")[0].count(","), "%0A::" in line) for line in lines]


def _nagios_shape(text: str) -> object:
    return (text.count("|"), text.count("\n"), [word.partition("=")[0] for word in text.splitlines()[0].partition("|")[2].split()])


def _text_shape(text: str) -> object:
    """The lines that begin at the margin: what was said is never a line of its own."""
    return re.findall(r"^(?:critical|warning|info|and|not|no) ", text, re.MULTILINE)


#: By the format's name: what its own reader finds, without what it says.
SHAPES: Mapping[str, Callable[[str], object]] = {
    **dict.fromkeys(("json", "sarif", "gitlab"), lambda text: json_shape(json.loads(text))),
    "otlp-json": _otlp_shape,
    "html": _html_shape,
    "junit": _xml_shape,
    "csv": _csv_shape,
    "markdown": _markdown_shape,
    "github": _github_shape,
    "nagios": _nagios_shape,
    **dict.fromkeys(("table", "text"), _text_shape),
}
