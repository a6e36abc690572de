"""How a Prometheus is reached: its address, and who we are to it. Secrets come from files and from the environment alone.

Not covered: proxies of the environment (HTTPS_PROXY), Kerberos, and OAuth flows: a token that something else keeps fresh in a file is read
anew for each request.
"""

from __future__ import annotations

from cgtune.errors import UsageError, name_failure
from cgtune.records import Record
from cgtune.system.endpoint import redact_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variables that may hold what no command line may: the address with user and password, and a token.
URL_VARIABLE, TOKEN_VARIABLE = "CGTUNE_PROMETHEUS", "CGTUNE_PROMETHEUS_TOKEN"

_CAP_BYTES = 64 << 10  # of a file with a secret; the largest tokens of clouds have some kilobytes
_TENANT_HEADERS = ("X-Scope-OrgID", "THANOS-TENANT")  # Mimir, Cortex and Loki; Thanos. Others ignore them.


class AccessOptions(Record):
    """What the user said of the server. Files hold one line each, but for the headers: a line ``Name: value`` for each.

    ``sigv4_region``: requests are signed for AWS in this region. ``tenant``: whose series, where one server has many tenants.
    """

    url: str
    token_file: str | None = None
    basic_file: str | None = None
    headers_file: str | None = None
    tenant: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sigv4_region: str | None = None


class Access(Record):
    """The address, without a slash at its end, user and password, and how to prove who we are. Its repr shows no secret."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    token_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sigv4_region: str | None = None

    def __repr__(self) -> str:
        return f"Access(url={self.url!r}, headers={tuple(name for name, _ in self.headers)!r}, ...)"

    def proofs(self) -> dict[str, str]:
        """The headers for this server and no other: tenant, credentials. The token is read now: it may be replaced while we run."""
        own = dict(self.headers)
        if self.token_file is not None:
            own["Authorization"] = f"Bearer {_read_secret(self.token_file, '--token-file')}"
        return own

    def secrets(self) -> tuple[str, ...]:
        """What no message may repeat: the values of our headers, and tokens, users and passwords as they stand in them."""
        import base64

        found = {value for name, value in self.proofs().items() if name not in _TENANT_HEADERS}
        for value in tuple(found):
            way, _, proof = value.partition(" ")
            if way == "Bearer":
                found.add(proof)
            elif way == "Basic":
                found |= {proof, base64.b64decode(proof).decode("utf-8", "replace").partition(":")[2]}
        return tuple(sorted(found - {""}, key=len, reverse=True))


def read_access(options: AccessOptions, environ: Mapping[str, str]) -> Access:
    """The access that these options describe. Raises UsageError: no address, two ways to log in, a file that cannot be read."""
    import base64
    import os

    url, pair = _split_url(options.url, may_have_password=environ.get(URL_VARIABLE) == options.url)
    if options.basic_file is not None:
        pair = _read_text(options.basic_file, "--basic-file").rstrip("\r\n").encode()
        if b":" not in pair:
            raise UsageError("--basic-file: its line has no colon; it reads user:password")
    ways = {
        "--token-file": options.token_file,
        TOKEN_VARIABLE: environ.get(TOKEN_VARIABLE) if options.token_file is None else None,
        "--basic-file or a user in the address": pair,
        "--sigv4-region": options.sigv4_region,
    }
    chosen = [way for way, value in ways.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} are two ways to log in; give one")
    if options.key_file is not None and options.cert_file is None:
        raise UsageError("--key-file needs the certificate that it belongs to: --cert-file")
    headers = _read_headers(options.headers_file)
    if options.tenant is not None:
        headers += [(name, _sendable(options.tenant, "--tenant")) for name in _TENANT_HEADERS]
    if pair:
        headers.append(("Authorization", f"Basic {base64.b64encode(pair).decode('ascii')}"))
    elif token := ways[TOKEN_VARIABLE]:
        headers.append(("Authorization", f"Bearer {_sendable(str(token).strip(), TOKEN_VARIABLE)}"))
    token_file = options.token_file
    if token_file is not None and not os.path.isfile(token_file):  # a pipe, as of <(...), which can be read once
        headers.append(("Authorization", f"Bearer {_read_secret(token_file, '--token-file')}"))
        token_file = None
    access = Access(
        url=url,
        headers=tuple(headers),
        token_file=token_file,
        ca_file=options.ca_file,
        cert_file=options.cert_file,
        key_file=options.key_file,
        sigv4_region=options.sigv4_region,
    )
    access.proofs()  # what cannot be read is told before anything is asked
    return access


def _split_url(url: str, *, may_have_password: bool) -> tuple[str, bytes]:
    """The address without user and password, and those two as ``user:password``, empty if there are none."""
    import urllib.parse

    shown = redact_url(url)
    example = "one looks like http://prometheus:9090 or https://mimir/prometheus"
    parts = None
    try:
        parts = urllib.parse.urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:  # its words quote the URL
        is_usable = False
    if parts is None or not is_usable:
        raise UsageError(f"--prometheus {shown!r} is no http URL; {example}")
    if parts.query or parts.fragment:
        raise UsageError(f"--prometheus {shown} has a query or a fragment behind it; {example}")
    user, at, place = parts.netloc.rpartition("@")
    if at and not may_have_password:
        raise UsageError(
            f"--prometheus {shown} has a user before the @, and every user of the machine can read a command line: "
            f"put user:password into a file for --basic-file, or the address into {URL_VARIABLE}"
        )
    bare = f"{parts.scheme}://{place}{parts.path.rstrip('/')}"
    return bare.removesuffix("/api/v1"), urllib.parse.unquote_to_bytes(user)


def _read_headers(path: str | None) -> list[tuple[str, str]]:
    """Name and value of each line of a file of headers."""
    if path is None:
        return []
    found = []
    for number, line in enumerate(_read_text(path, "--headers-file").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or not all(letter.isalnum() or letter in "-_" for letter in name) or not name.isascii():
            raise UsageError(f"--headers-file {path}: line {number} is no header; one reads Name: value")
        found.append((name, _sendable(value.strip(), f"--headers-file {path}: line {number}")))
    return found


def _read_secret(path: str, option: str) -> str:
    """The one line of a file."""
    text = _read_text(path, option).strip()
    if not text:
        raise UsageError(f"{option} {path} is empty")
    return _sendable(text, f"{option} {path}")


def _sendable(text: str, source: str) -> str:
    """A header's value, which is one printable line of ASCII. The message does not repeat it."""
    if not text.isascii() or not text.isprintable():
        raise UsageError(f"{source} holds more than one line of plain ASCII, which no header can carry")
    return text


def _read_text(path: str, option: str) -> str:
    from cgtune.system.inputfiles import open_to_read

    try:
        with open_to_read(path) as file:
            content = file.read(_CAP_BYTES + 1)
    except OSError as error:
        raise name_failure(option, path, error, "name a file that can be read") from error
    if len(content) > _CAP_BYTES:
        raise UsageError(f"{option} {path} has more than {_CAP_BYTES} bytes, which is no such file")
    return content.decode("utf-8", "replace")
