"""Go's version strings, as toolchains and programs spell them."""

from __future__ import annotations

from cgtune.records import Record


class GoVersion(Record):
    """A toolchain's version: go1.26rc1 is 1.26.0 with prerelease "rc1". ``text`` is what the program says of itself, whole."""

    major: int
    minor: int
    patch: int
    prerelease: str  # "rc1", "beta1" or ""
    development: bool  # "devel go1.28-abcdef": rules may be those of 1.27 or of 1.28
    text: str

    def at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Whether this is that version or a newer one; a prerelease counts as its release."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)


def parse_version(text: str) -> GoVersion | None:
    """A Go version string, "go1.25.5 X:synctest" or "devel go1.28-abcdef ...", or None if it names no version."""
    words = text.split()
    development = bool(words) and words[0] == "devel"
    word = words[1] if development and len(words) > 1 else words[0] if words else ""
    if not word.startswith("go"):
        return None
    major, rest = _split_number(word[2:])
    if major is None or not rest.startswith("."):
        return None
    minor, rest = _split_number(rest[1:])
    if minor is None:
        return None
    patch, after = _split_number(rest[1:]) if rest.startswith(".") else (None, rest)
    prerelease = ""
    for kind in ("rc", "beta"):
        if after.startswith(kind):
            number, _ = _split_number(after[len(kind) :])
            prerelease = f"{kind}{number}" if number is not None else kind
    # Older and newer forms of both: "devel go1.24-abcdef", "go1.25-devel_abcdef"; "go1.25.5 X:jsonv2", "go1.27.3-X:nojsonv2" (seen)
    development = development or "-devel" in word
    return GoVersion(
        major=major,
        minor=minor,
        patch=patch or 0,
        prerelease=prerelease,
        development=development,
        text=text,
    )


def _split_number(text: str) -> tuple[int | None, str]:
    length = 0
    while length < len(text) and length < 9 and text[length] in "0123456789":
        length += 1
    return (int(text[:length]), text[length:]) if length else (None, text)
