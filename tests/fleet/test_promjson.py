"""Answers of an engine, parsed as they come: what is in them, and what is none."""

from __future__ import annotations

import contextlib
import io
import json
import time

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed, TooLarge
from cgtune.fleet import promjson
from cgtune.fleet.pairs import is_pair, is_told, split
from cgtune.fleet.promjson import Labels, parse_names, parse_vector
from tests.support.faultproxy import matrix, vector

# As Prometheus 3 answers, with keys that nobody has told us of.
WHOLE = (
    b'{"status":"success","isPartial":false,"data":{"resultType":"vector","result":['
    b'{"metric":{"__name__":"go_info","pod":"caf\\u00e9","a.b":"c"},"value":[1764413123.5,"0.25"]},'
    b'{"metric":{},"value":[1764413123,"-Inf"],"more":[{"a":[1,{"b":null}]}]},'
    b'{"metric":{"pod":"h"},"histogram":[1764413123,{"count":"2","buckets":[[0,"1","2","2"]]}]}'
    b'],"stats":{"timings":{"evalTotalTime":0.5}}},"warnings":["store eu-2 did not answer"],"infos":["not a counter"]}\n'
)
_KEYS = st.sampled_from(["status", "data", "result", "resultType", "metric", "value", "values", "histogram", "warnings", "error", "x"])


def test_an_answer_is_its_samples_and_its_warnings() -> None:
    """Labels sorted, values as floats; what we do not know is passed over, a histogram counted."""
    answer = parse_vector(io.BytesIO(WHOLE))
    assert [(sample.labels, sample.value) for sample in answer.samples] == [
        ((("__name__", "go_info"), ("a.b", "c"), ("pod", "café")), 0.25),
        ((), float("-inf")),
    ]
    assert answer.warnings == ("store eu-2 did not answer", "1 samples are native histograms, which have no one value")


@pytest.mark.parametrize(("flag", "count"), [(b"true", 1), (b"false", 0), (b"null", 0)])
def test_a_partial_answer_of_victoriametrics_is_said(flag: bytes, count: int) -> None:
    """It has a flag in place of a warning."""
    text = b'{"status":"success","isPartial":%s,"data":{"resultType":"vector","result":[]}}' % flag
    assert list(parse_vector(io.BytesIO(text)).warnings) == ["the answer is a part: some of the engine's storage did not reply"] * count


def test_a_pair_is_two_vectors() -> None:
    """Points of even minutes and of odd ones, in whatever order; of three the later of one kind; who has one point is in one vector."""
    rows: list[tuple[dict[str, str], list[tuple[float, object]]]] = [
        ({"pod": "a"}, [(59.9, 0.5), (60.0, 0.95)]),
        ({"pod": "b"}, [(1764413100.5, 7), (1764413160.5, 8), (1764413220.5, 7.5)]),  # an odd minute first
        ({"pod": "c"}, [(120, "NaN")]),
    ]
    first, second = split(parse_vector(io.BytesIO(matrix(rows)), is_range=True).samples)
    assert [(sample.labels, str(sample.value)) for sample in first] == [
        *(((("pod", "a"),), "0.5"), ((("pod", "b"),), "8.0"), ((("pod", "c"),), "nan")),
    ]
    assert [(sample.labels, sample.value) for sample in second] == [((("pod", "a"),), 0.95), ((("pod", "b"),), 7.5)]
    assert first[0].labels is second[0].labels
    assert not any(sample.times for sample in (*first, *second))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.5, 0.9), (2, 2)], (True, True)),
        ([(2, 2), (3, 3)], (False, True)),
        ([(2, 2), ("NaN", "NaN")], (False, True)),
        ([(2, 2), ("+Inf", "+Inf")], (False, True)),
        ([(2, 2), (None, 1)], (False, True)),
        ([(0, 0), ("NaN", "NaN")], (True, False)),
    ],
    ids=["two", "one for both", "with NaN", "with infinity", "one moment", "nothing"],
)
def test_what_an_engine_took_for_two(points: list[tuple[object, object]], expected: tuple[bool, bool]) -> None:
    """A row that differs shows it. NaN differs from itself, and a row of one moment from nothing: they show neither."""
    rows: list[tuple[dict[str, str], list[tuple[float, object]]]] = [
        ({"pod": str(place)}, [(60 * moment, value) for moment, value in enumerate(pair) if value is not None])
        for place, pair in enumerate(points)
    ]
    first, second = split(parse_vector(io.BytesIO(matrix(rows)), is_range=True).samples)
    assert (is_pair(first, second), is_told(second)) == expected


def test_a_part_of_an_answer_is_never_taken_for_the_whole() -> None:
    """Cut off after any byte: Malformed, and nothing else."""
    for length in range(len(WHOLE) - 2):
        with pytest.raises(Malformed):
            parse_vector(io.BytesIO(WHOLE[:length]))


_VALUES = st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=12)


@given(st.binary() | st.dictionaries(_KEYS, _VALUES).map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_answer_or_malformed(text: bytes) -> None:
    """Nothing else is raised."""
    for parse in (parse_vector, parse_names, lambda body: parse_vector(body, is_range=True)):
        with contextlib.suppress(Malformed):
            parse(io.BytesIO(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no JSON, or cut off"),
        (b"null", "its status is ''"),
        (b"[]", "a map is missing"),
        (b"<html>", "no JSON"),
        (b'{"status":"success"}', "a value of no type"),
        (b'{"status":["success"]}', "in place of a word"),
        (b'{"status":"success","data":null}', "a value of no type"),
        (b'{"status":"success","data":[]}', "a map is missing"),
        (b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "a matrix instead of a vector"),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}', "a scalar instead of a vector"),
        (b'{"status":"success","data":{"resultType":"vector","result":{}}}', "a result that is no list"),
        (b'{"status":"success","data":{"resultType":"vector","result":[1]}}', "a sample that is no map"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{}]}}', "a sample without labels"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}', "a value that is no number: None"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":[]}]}}', "labels that are no map"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1}}]}}', "a label that is no text"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":"1"}]}}', "a value that is no list"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,[2]]}]}}', "a value that is no pair"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2",3]}]}}', "a value that is no pair"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}', "no number: [1, 'x']"),
        (b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,NaN]}]}}', "no JSON"),
        (b'{"status":"success","data":{"resultType":"vector","result":[]},"warnings":[1]}', "a list of something else than texts"),
        (b'{"status":"success","data":{"resultType":"vector","result":[]}} x', "no JSON"),
        (b'{"status":"error","errorType":"execution","error":"no store"}', "its status is 'error': no store"),
        (b'{"status":"error","error":"\\u001b[2J\\n"}', r"its status is 'error': \x1b[2J\n"),
        (b'{"status":"\\u0085' + b"$" * 900 + b'"}', r"its status is '\x85$$$"),
        (b'{"status":"success","data":{"resultType":"scal\\u0085ar"}}', r"a scal\x85ar instead of a vector"),
        (b'{"status":"success","data":{"resultType":"' + b"\\ufeff" * 300 + b'"}}', r"a \ufeff"),
        (b'{"more":' + b"[" * 100_000, "more than 16 deep"),
    ],
)
def test_what_is_no_vector(text: bytes, said: str) -> None:
    """It says what it is instead, in one line."""
    with pytest.raises(Malformed) as refused:
        parse_vector(io.BytesIO(text))
    assert said in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 450


MATRIX = (
    b'{"status":"success","data":{"resultType":"matrix","result":['
    b'{"metric":{"pod":"a"},"values":[[1764413100,"0.25"],[1764413160.5,"NaN"],[1764413220,"+Inf"]]},'
    b'{"metric":{"pod":"b"},"values":[[1764413100,"1"],[1764413160.5,"2"],[1764413220,"3"]]},'
    b'{"metric":{"pod":"c"},"values":[]},'
    b'{"metric":{"pod":"h"},"histograms":[[1764413123,{"count":"2"}]]}]}}'
)


def test_a_matrix_is_its_series() -> None:
    """Who asks about a range gets all points; series share their times; one without a point, or of histograms, is none."""
    found = parse_vector(io.BytesIO(MATRIX), is_range=True)
    assert [(sample.labels, sample.times) for sample in found.samples] == [
        ((("pod", name),), (1764413100.0, 1764413160.5, 1764413220.0)) for name in "ab"
    ]
    assert (found.samples[1].values, found.samples[1].value, found.samples[0].values[2]) == ((1.0, 2.0, 3.0), 3.0, float("inf"))
    assert found.samples[0].times is found.samples[1].times
    assert found.warnings == ("1 samples are native histograms, which have no one value",)
    for length in range(len(MATRIX) - 1):
        with pytest.raises(Malformed):
            parse_vector(io.BytesIO(MATRIX[:length]), is_range=True)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("7", "values that are no list"),
        ("[7]", "a value that is no list"),
        ('[[1,"x"]]', "a value that is no number"),
        ('[["1","1"]]', "a time that is no number"),
        ("[[]]", "a time that is no number"),
        ('[[1,"1",2]]', "a value that is no pair"),
    ],
)
def test_what_is_no_series(values: str, said: str) -> None:
    """It says what it is instead; a vector is none, and more points than anybody asked for are too many."""

    def parse(text: str, kind: str = "matrix") -> object:
        result = f'[{{"metric":{{}},"values":{text}}}]'
        body = f'{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}'
        return parse_vector(io.BytesIO(body.encode()), is_range=True)

    with pytest.raises(Malformed, match=said):
        parse(values)
    with pytest.raises(Malformed, match="a vector instead of a matrix"):
        parse("[]", "vector")
    parse(json.dumps([[1, "1"]] * promjson.MOST_POINTS))
    with pytest.raises(TooLarge, match="1000 points"):
        parse(json.dumps([[1, "1"]] * (promjson.MOST_POINTS + 1)))


def test_names_of_a_label() -> None:
    """In their order; null, as an old engine says it of none, is none."""
    assert parse_names(io.BytesIO(b'{"status":"success","data":["b","a"]}')) == ("b", "a")
    assert parse_names(io.BytesIO(b'{"status":"success","data":null}')) == ()
    with pytest.raises(Malformed):
        parse_names(io.BytesIO(b'{"status":"success","data":[1]}'))


def test_no_more_rows_than_we_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last that is taken and the first that is too many."""
    monkeypatch.setattr(promjson, "MOST_ROWS", 5)
    rows = [({"pod": str(number)}, 1) for number in range(6)]
    assert len(parse_vector(io.BytesIO(vector(rows[:5]))).samples) == 5
    assert len(parse_names(io.BytesIO(b'{"status":"success","data":%s}' % json.dumps(["a"] * 5).encode()))) == 5
    with pytest.raises(TooLarge):
        parse_vector(io.BytesIO(vector(rows)))
    with pytest.raises(TooLarge):
        parse_names(io.BytesIO(b'{"status":"success","data":%s}' % json.dumps(["a"] * 6).encode()))


def test_samples_of_one_container_share_their_labels() -> None:
    """Over all answers of a run: the same object, not an equal one."""
    labels = Labels()
    one, other = (parse_vector(io.BytesIO(vector([({"pod": "a"}, value)])), labels).samples[0].labels for value in (1, 2))
    assert one is other


def test_a_deep_text_takes_no_time() -> None:
    """1 MB of brackets: ijson's own paths would take minutes."""
    began = time.process_time()
    for text in (b"[" * 1_000_000, b'{"x":' + b"[" * 1_000_000, b'{"status":"success","data":{"result":' + b"[" * 1_000_000):
        with pytest.raises(Malformed):
            parse_vector(io.BytesIO(text))
    assert time.process_time() - began < 5
