"""What a scalar of YAML means to kubectl. Pure.

kubectl reads YAML by sigs.k8s.io/yaml, which is go-yaml v2 (goyaml.v2/resolve.go of kubernetes-sigs/yaml): YAML 1.1 without numbers of
base 60, with ``0o10`` and with exponents that need no point. So 010 is 8, 09 is 9, 1e9 a number, 1_000 is 1000, 12:30 and 2001-01-01 are
text. kubectl 1.37.1 was asked for each row of the tests.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Scalar = str | int | float | bool | None

#: The tag of what is neither quoted nor tagged, as our reader gives it; that of text.
PLAIN, TEXT = "?", "tag:yaml.org,2002:str"

_TYPED = {f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null", "timestamp")}  # any other tag makes text
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{word: True for text in ("y", "yes", "true", "on") for word in (text, text.capitalize(), text.upper())},
    **{word: False for text in ("n", "no", "false", "off") for word in (text, text.capitalize(), text.upper())},
    **{word: float("nan") for word in (".nan", ".NaN", ".NAN")},
    **{word: float(f"{sign}inf") for sign in ("", "+", "-") for word in (f"{sign}.inf", f"{sign}.Inf", f"{sign}.INF")},
}
_MAY_BE_MORE = frozenset(("", *"+-0123456789.yYnNtTfFoO~"))  # how a scalar begins that is no text
_MOST_INT = (1 << 64) - 1  # what is beyond is a float in the JSON that kubectl sends
_MOST_DIGITS = 300  # of a whole number; no float is larger
_DECIMAL = frozenset("0123456789.eE+-_")
_BASES = {"0x": 16, "0X": 16, "0o": 8, "0O": 8, "0b": 2, "0B": 2}


def parse_scalar(text: str, tag: str) -> Scalar:
    """The value of a scalar with that tag: PLAIN, TEXT, or one that is written out."""
    if (tag != PLAIN and tag not in _TYPED) or text[:1] not in _MAY_BE_MORE:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "yYnNtTfFoO~":
        return text
    number = _parse_decimal(text) if text[0] == "." else _parse_number(text.replace("_", ""))
    if number is None:
        return text
    return float(number) if tag == "tag:yaml.org,2002:float" else number


def find_placeholder(text: str) -> str | None:
    """What another program may fill in before the API server sees it: ``${NAME}`` (envsubst, Flux), ``{{ name }}`` (Argo, a chart)."""
    for opener, closer in (("${", "}"), ("{{", "}}")):
        begin = text.find(opener)
        end = text.find(closer, begin) if begin >= 0 else -1
        if end >= 0:
            return text[begin : end + len(closer)]
    return None


def is_merge(text: str, tag: str) -> bool:
    """Whether a key merges another mapping into its own."""
    return text == "<<" and tag in (PLAIN, "tag:yaml.org,2002:merge")


def render_key(text: str, tag: str) -> str:
    """A key as kubectl's JSON has it: ``010`` is "8", ``yes`` is "true"."""
    value = parse_scalar(text, tag)
    if isinstance(value, str) or value is None:
        return text
    if isinstance(value, bool):
        return "true" if value else "false"
    return render_number(value)


def render_number(value: float) -> str:
    """A number as it stands in the JSON that kubectl sends, as far as quantities are concerned."""
    return str(int(value)) if abs(value) < 1e21 and value == int(value) else str(value)


def _parse_number(text: str) -> int | float | None:
    """A number that begins with a sign or a digit, underscores taken out: what strconv.ParseInt reads with base 0, else a decimal."""
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.removeprefix("+"))
    base = _BASES.get(digits[:2])
    if base is None:
        base = 8 if digits.startswith("0") else 10
    try:
        whole = int(sign + digits, base) if digits.isascii() and digits.isalnum() and len(digits) <= _MOST_DIGITS else None
    except ValueError:
        whole = None
    if whole is None or not -(1 << 63) <= whole <= _MOST_INT:
        return _parse_decimal(text) if whole is None or base == 10 else float(whole)
    return whole


def _parse_decimal(text: str) -> float | None:
    """A decimal with or without a point and an exponent; None if it is none, or too large."""
    try:
        number = float(text) if _DECIMAL.issuperset(text) else None
    except ValueError:
        return None
    return None if number is None or number in (float("inf"), float("-inf")) else number
