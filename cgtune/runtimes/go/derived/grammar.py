"""How a Go runtime reads the strings of its environment, mistakes included.

A mirror of Go, not a parser of ours: "+4" is no number to Go 1.25 and one to 1.26, "-" is zero to 1.25 and no number to 1.26.
Sources: runtime/string.go (up to 1.24), internal/runtime/strconv (1.25), internal/strconv (from 1.26 on), runtime/mgcpacer.go,
runtime/runtime1.go.
What is not covered: settings of GODEBUG other than the two for the CPU quota and those that end the program at its start.
"""

from __future__ import annotations

from cgtune.model import RemovedGodebug
from cgtune.records import Record

_DIGITS = frozenset("0123456789")
_INT64_MOST = (1 << 63) - 1
_INT32_MOST = (1 << 31) - 1
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
NO_LIMIT = _INT64_MOST

# Settings that Go has dropped, and the values that had asked for the old behaviour: internal/godebugs/table.go, the same in 1.27.0 and
# 1.27.3. The number is the version that dropped it; only 1.27 and later end the program for it (1.26.6 ignores them).
_REMOVED = {
    "x509sha1": (24, ("1",)),
    "tlskyber": (24, ("0",)),
    "gotypesalias": (27, ("0",)),
    "tlsunsafeekm": (27, ("1",)),
    "tlsrsakex": (27, ("1",)),
    "tls3des": (27, ("1",)),
    "tls10server": (27, ("1",)),
    "x509keypairleaf": (27, ("0",)),
    "asynctimerchan": (27, ("1", "2")),
}
CGOCHECK_DEATH = "fatal error: cgocheck > 1 mode is no longer supported at runtime. Use GOEXPERIMENT=cgocheck2 at build time instead."


class GodebugReading(Record):
    """What one GODEBUG string changed: the last valid value of each key, None if it was left as it was.

    ``removed`` is the setting for which the program dies because its Go version has dropped it; the rest was not read then.
    """

    containermaxprocs: int | None = None
    updatemaxprocs: int | None = None
    cgocheck: int | None = None
    removed: RemovedGodebug | None = None


def parse_integer(text: str, minor: int, bits: int = 64) -> int | None:
    """A signed decimal as Go 1.``minor`` reads it into ``bits`` bits, or None if that version finds no number."""
    digits = text
    if minor >= 26:  # strconv.ParseInt(s, 10, bits): [+-]?[0-9]+
        if digits[:1] in ("+", "-"):
            digits = digits[1:]
        if not digits:
            return None
    else:  # atoi64: -?[0-9]*, only the empty text fails, so a lone "-" is zero
        if not text:
            return None
        if digits[0] == "-":
            digits = digits[1:]
    if not _DIGITS.issuperset(digits):
        return None
    digits = digits.lstrip("0")
    if len(digits) > 19:  # past int64 whatever follows; and Python refuses to convert very long texts
        return None
    magnitude = int(digits or "0")
    number = -magnitude if text[0] == "-" else magnitude
    most = _INT64_MOST if bits == 64 else _INT32_MOST
    return number if -most - 1 <= number <= most else None


def parse_gomaxprocs(text: str, minor: int) -> int | None:
    """The value of the GOMAXPROCS variable, or None if that version ignores it without a word."""
    number = parse_integer(text, minor, 32)
    return number if number is not None and number > 0 else None


def parse_gogc(text: str, minor: int) -> int | None:
    """The percentage of the GOGC variable, -1 for off; None if that version takes 100 instead, without a word."""
    if text == "off":
        return -1
    number = parse_integer(text, minor, 32)
    return number if number is None else max(number, -1)


def parse_gomemlimit(text: str, minor: int) -> int | None:
    """The bytes of the GOMEMLIMIT variable (NO_LIMIT for none), or None if the program dies at its start for it."""
    if text in ("", "off"):
        return NO_LIMIT
    if text[-1] in _DIGITS:
        digits, unit = text, 1
    elif text[-1] != "B" or len(text) < 2:
        return None
    elif text[-2] in _DIGITS:
        digits, unit = text[:-1], 1
    elif text[-2] != "i" or len(text) < 4 or text[-3] not in _UNITS:
        return None
    else:
        digits, unit = text[:-3], _UNITS[text[-3]]
    number = parse_integer(digits, minor)
    if number is None or not 0 <= number * unit <= _INT64_MOST:
        return None
    return number * unit


def parse_godebug(text: str, minor: int) -> GodebugReading:
    """One GODEBUG string, from the build or from the environment; within it the last valid value of a key wins.

    Nothing is trimmed: " containermaxprocs=0" names another setting, "containermaxprocs=0 " has no number.
    """
    numbers: dict[str, int] = {}
    removed = None
    for field in text.split(","):
        key, equals, value = field.partition("=")
        if not equals:
            continue
        if minor >= 27 and key in _REMOVED and value in _REMOVED[key][1]:
            removed = RemovedGodebug(key=key, dies=_removed_death(key, value))
            break  # runtime1.go returns here: what follows in the string is never read, what came before holds
        number = parse_integer(value, minor, 32)
        if number is not None and key in ("containermaxprocs", "updatemaxprocs", "cgocheck"):
            numbers[key] = number
    return GodebugReading(
        containermaxprocs=numbers.get("containermaxprocs"),
        updatemaxprocs=numbers.get("updatemaxprocs"),
        cgocheck=numbers.get("cgocheck"),
        removed=removed,
    )


def malformed_gomemlimit_death(text: str) -> str:
    """What the program prints when it dies for this GOMEMLIMIT, with exit status 2 and before any of its own code.

    The text comes as it is, but for characters that are not printable: they come as escapes.
    """
    shown = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
    return f"GOMEMLIMIT={shown}\nfatal error: malformed GOMEMLIMIT; see `go doc runtime/debug.SetMemoryLimit`"


def _removed_death(key: str, value: str) -> str:
    section = _REMOVED[key][0]
    return f'fatal error: removed GODEBUG "{key}" set to old value "{value}" in environment (https://go.dev/doc/godebug#go-1{section})'
