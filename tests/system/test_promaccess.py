"""Who we are to a Prometheus: from files and the environment, told to it alone, and in no message."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cgtune.errors import CgtuneError, Refused, Unanswered, UsageError
from cgtune.fleet.promjson import parse_vector
from cgtune.system.promaccess import Access, AccessOptions, read_access
from cgtune.system.promclient import Client
from tests.support.faultproxy import FaultProxy, Reply, vector
from tests.support.needs import require

SECRET = "hunter2lovelace"
WHOLE = Reply(content=vector([({"pod": "a"}, 1)]))
SENT = "authorization", "x-scope-orgid", "thanos-tenant", "x-api-key", "x-amz-date", "x-amz-security-token", "cookie"


def _ask(options: AccessOptions, environ: Mapping[str, str] | None = None) -> int:
    with contextlib.closing(Client(read_access(options, environ or {}), patience_seconds=5)) as client:
        (answer,) = client.each(lambda query: client.post("/api/v1/query", {"query": query}, parse_vector), ["up"])
        return len(answer.samples)


def _sent(server: FaultProxy) -> dict[str, str]:
    return {name: value for name, value in server.seen[-1].headers.items() if name in SENT}


@pytest.fixture
def server() -> Iterator[FaultProxy]:
    """Answers whatever is asked."""
    with FaultProxy(lambda _: None, WHOLE) as started:
        yield started


def _file(place: Path, text: str) -> str:
    path = place / f"secret-{len(list(place.iterdir()))}"
    path.write_text(text)
    return str(path)


def test_nobody_is_told_who_we_are_unless_it_is_said(server: FaultProxy) -> None:
    """Also not by .netrc or a variable of somebody else's."""
    assert _ask(AccessOptions(url=server.url), {"AWS_ACCESS_KEY_ID": "a", "CGTUNE_PROMETHEUS": "http://u:p@elsewhere"}) == 1
    assert _sent(server) == {}


def test_a_token_of_a_file_is_read_for_each_request(server: FaultProxy, tmp_path: Path) -> None:
    """The kubelet replaces it while we run."""
    path = _file(tmp_path, "first\n")
    client = Client(read_access(AccessOptions(url=server.url, token_file=path), {}))
    with contextlib.closing(client):
        for token in ("first", "second"):
            Path(path).write_text(f"{token}\n")
            client.post("/api/v1/query", {"query": "up"}, parse_vector)
            assert _sent(server) == {"authorization": f"Bearer {token}"}


def test_a_token_of_a_pipe_is_read_once(server: FaultProxy) -> None:
    """As that of --token-file <(vault read ...)."""
    end, begin = os.pipe()
    os.write(begin, b"once\n")
    os.close(begin)
    client = Client(read_access(AccessOptions(url=server.url, token_file=f"/dev/fd/{end}"), {}))
    with contextlib.closing(client):
        for _ in range(2):
            client.post("/api/v1/query", {"query": "up"}, parse_vector)
            assert _sent(server) == {"authorization": "Bearer once"}
    os.close(end)


def test_each_way_to_log_in(server: FaultProxy, tmp_path: Path) -> None:
    """Token and address with a password in the environment, user and password in a file, headers in a file, a tenant."""
    pair = f"Basic {base64.b64encode('ada:hünter 2'.encode()).decode()}"
    url = server.url.replace("://", "://ada:h%C3%BCnter%202@")
    headers = _file(tmp_path, "# ours\nX-Api-Key: abc:def\n\nCookie: a=b\n")
    for options, environ, sent in (
        (AccessOptions(url=server.url), {"CGTUNE_PROMETHEUS_TOKEN": "t0k\n"}, {"authorization": "Bearer t0k"}),
        (AccessOptions(url=url), {"CGTUNE_PROMETHEUS": url}, {"authorization": pair}),
        (AccessOptions(url=server.url, basic_file=_file(tmp_path, "ada:hünter 2\n")), {}, {"authorization": pair}),
        (AccessOptions(url=server.url, headers_file=headers), {}, {"x-api-key": "abc:def", "cookie": "a=b"}),
        (AccessOptions(url=server.url, tenant="team-a"), {}, {"x-scope-orgid": "team-a", "thanos-tenant": "team-a"}),
        (AccessOptions(url=server.url, token_file=_file(tmp_path, "x")), {"CGTUNE_PROMETHEUS_TOKEN": "y"}, {"authorization": "Bearer x"}),
    ):
        assert _ask(options, environ) == 1
        assert _sent(server) == sent
        assert server.seen[-1].path == "/api/v1/query"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("target", "is_ours"), [("http://127.0.0.1:OTHER/there", False), ("http://localhost:OWN/there", False), ("/there", True)]
)
def test_a_redirection_carries_nothing_of_ours_elsewhere(status: int, target: str, is_ours: bool, tmp_path: Path) -> None:
    """Another port is another server, and so is another name; on the same one all is sent again. The form goes along."""
    headers = _file(tmp_path, f"X-Api-Key: {SECRET}\nCookie: {SECRET}")
    with FaultProxy(lambda _: None, WHOLE) as other, FaultProxy(lambda _: None, WHOLE) as own:
        location = target.replace("OTHER", str(other.port)).replace("OWN", str(own.port))
        own.plan = lambda request: None if request.path == "/there" else Reply(status, headers={"Location": location})
        assert _ask(AccessOptions(url=own.url, token_file=_file(tmp_path, SECRET), headers_file=headers, tenant="team-a")) == 1
        (last,) = (request for request in own.seen + other.seen if request.path == "/there")
    assert own.seen[0].headers["authorization"] == f"Bearer {SECRET}"
    assert (last.method, last.form) == ("POST", {"query": "up"})
    everything = {"authorization", "x-api-key", "cookie", "x-scope-orgid", "thanos-tenant"}
    assert {name for name in SENT if name in last.headers} == (everything if is_ours else set())
    assert is_ours or SECRET not in str(last.headers)


def test_an_answer_from_elsewhere_says_whence(tmp_path: Path) -> None:
    """Who is refused there learns that no credentials went there."""
    with FaultProxy(lambda _: Reply(401, b"who are you?"), WHOLE) as other:
        plan = lambda _: Reply(307, headers={"Location": f"http://me:{SECRET}@127.0.0.1:{other.port}/?code={SECRET}"})  # noqa: E731
        with FaultProxy(plan, WHOLE) as first, pytest.raises(Refused) as refused:
            _ask(AccessOptions(url=first.url, token_file=_file(tmp_path, "token")))
    assert f"this is the answer of {other.url}/, where it sent us on, and where no credentials go" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_server_that_repeats_a_secret_is_not_quoted_with_it(tmp_path: Path) -> None:
    """Some say which token they refuse, or send all headers back."""
    pair = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    echo = f'{{"status":"error","errorType":"x","error":"bad token {SECRET} of Basic {pair}, Bearer {SECRET}"}}'.encode()
    for options in (
        AccessOptions(url="", token_file=_file(tmp_path, SECRET)),
        AccessOptions(url="", basic_file=_file(tmp_path, f"ada:{SECRET}")),
        AccessOptions(url="", headers_file=_file(tmp_path, f"X-Api-Key: {SECRET}")),
    ):
        for reply in (Reply(401, echo), Reply(200, echo), Reply(302, headers={"Location": f"gopher://x/{SECRET}"})):
            with FaultProxy(lambda _, reply=reply: reply, WHOLE) as server, pytest.raises(Unanswered) as refused:  # type: ignore[misc]
                _ask(options.replace(url=server.url))
            assert SECRET not in str(refused.value)
            assert options.basic_file is None or pair not in str(refused.value)


def test_no_record_shows_a_secret(tmp_path: Path) -> None:
    """Neither in its repr, as a traceback or a log would have it."""
    environ = {"CGTUNE_PROMETHEUS": f"http://ada:{SECRET}@host:9090"}
    access = read_access(AccessOptions(url=environ["CGTUNE_PROMETHEUS"], headers_file=_file(tmp_path, f"X-Api-Key: {SECRET}")), environ)
    assert SECRET in str(access.proofs())
    assert base64.b64encode(f"ada:{SECRET}".encode()).decode() not in repr(access)
    assert SECRET not in repr(access)
    assert isinstance(access, Access)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": f"http://ada:{SECRET}@host:9090"}, "has a user before the @, and every user of the machine can read a command line"),
        ({"url": f"https://{SECRET}@host"}, "has a user before the @"),
        ({"url": "host:9090"}, "is no http URL; one looks like http://prometheus:9090"),
        ({"url": "ftp://host"}, "is no http URL"),
        ({"url": "http://"}, "is no http URL"),
        ({"url": "http://host:99999"}, "is no http URL"),
        ({"url": "http://host:0"}, "is no http URL"),
        ({"url": "http://[::1"}, "is no http URL"),
        ({"url": "http://ho st"}, "is no http URL"),
        ({"url": "http://host/\x1b[2J"}, "is no http URL"),
        ({"url": f"http://host/?token={SECRET}"}, "has a query or a fragment behind it"),
        ({"token_file": "/nonexistent"}, "--token-file '/nonexistent': No such file or directory"),
        ({"token_file": "/"}, "--token-file '/': Is a directory"),
        ({"token_file": "FILE:"}, "is empty"),
        ({"token_file": f"FILE:{SECRET}\n{SECRET}"}, "holds more than one line of plain ASCII"),
        ({"token_file": f"FILE:{SECRET}é"}, "holds more than one line of plain ASCII"),
        ({"token_file": "/dev/zero"}, "has more than 65536 bytes"),
        ({"basic_file": f"FILE:{SECRET}"}, "--basic-file: its line has no colon"),
        ({"headers_file": f"FILE:X: a\n{SECRET}"}, "line 2 is no header; one reads Name: value"),
        ({"headers_file": f"FILE:X Y: {SECRET}"}, "line 1 is no header"),
        ({"headers_file": f"FILE:X: {SECRET}\x00"}, "line 1 holds more than one line"),
        ({"token_file": f"FILE:{SECRET}", "basic_file": f"FILE:a:{SECRET}"}, "are two ways to log in; give one"),
        ({"key_file": "/nonexistent"}, "--key-file needs the certificate that it belongs to"),
        ({"tenant": "a\r\nX: b"}, "--tenant holds more than one line"),
    ],
)
def test_what_cannot_be_used_is_said_without_secrets(options: dict[str, str], said: str, tmp_path: Path) -> None:
    """Before anything is asked; one line, of the option that is wrong."""
    filled = {name: _file(tmp_path, value[5:]) if value.startswith("FILE:") else value for name, value in options.items()}
    with pytest.raises(UsageError) as refused:
        read_access(AccessOptions(**({"url": "http://host"} | filled)), {})
    assert said in str(refused.value)
    assert str(refused.value).isprintable()
    assert SECRET not in str(refused.value)


class Certificates:
    """A CA of our own, with a server's and a client's certificate, made by openssl."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
            extensions = place / f"{name}.ext"
            extensions.write_text(extension)
            command = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
            subprocess.run(
                [*command, "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.csr")], check=True, capture_output=True
            )
            command = [
                "openssl",
                "x509",
                "-req",
                "-days",
                "2",
                "-CAcreateserial",
                "-CA",
                self.path("ca.pem"),
                "-CAkey",
                self.path("ca.key"),
            ]
            made = ["-in", self.path(f"{name}.csr"), "-out", self.path(f"{name}.pem"), "-extfile", str(extensions)]
            subprocess.run([*command, *made], check=True, capture_output=True)
        encrypt = ["openssl", "pkey", "-in", self.path("client.key"), "-aes256", "-passout", "pass:x", "-out", self.path("locked.key")]
        subprocess.run(encrypt, check=True, capture_output=True)

    def _run(self, *command: str) -> None:
        made = ["-subj", "/CN=cgtune test CA", "-keyout", self.path("ca.key"), "-out", self.path("ca.pem")]
        subprocess.run(["openssl", *command, *made], check=True, capture_output=True)

    def path(self, name: str) -> str:
        return str(self.place / name)

    def context(self, *, asks_who: bool = False) -> ssl.SSLContext:
        """What a server proves itself with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        if asks_who:
            context.load_verify_locations(self.path("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made once for this module."""
    require(shutil.which("openssl"), "apt-get install openssl")
    return Certificates(tmp_path_factory.mktemp("tls"))


def test_tls_is_verified(certificates: Certificates) -> None:
    """A server is believed if a CA that we trust vouches for the name that was asked; --ca-file trusts that one alone."""
    ca = certificates.path("ca.pem")
    with FaultProxy(lambda _: None, WHOLE, tls=certificates.context()) as server:
        assert _ask(AccessOptions(url=server.url, ca_file=ca)) == 1
        for options, said in (
            (AccessOptions(url=server.url), "TLS failed (unable to get local issuer certificate); --ca-file names the CA to trust"),
            (AccessOptions(url=server.url.replace("127.0.0.1", "localhost"), ca_file=ca), "TLS failed (Hostname mismatch"),
            (AccessOptions(url=server.url, ca_file=certificates.path("client.pem")), "TLS failed ("),
            (AccessOptions(url=server.url.replace("https", "http")), "the answer was lost"),
        ):
            with pytest.raises(Unanswered) as refused:
                _ask(options)
            assert said in str(refused.value)
        assert len(server.seen) == 1
    with FaultProxy(lambda _: None, WHOLE) as plain, pytest.raises(Unanswered, match=r"TLS failed \("):
        _ask(AccessOptions(url=plain.url.replace("http", "https"), ca_file=ca))


def test_a_server_that_asks_for_a_certificate_gets_it_and_nobody_else_does(certificates: Certificates) -> None:
    """mTLS; where we are sent on, no certificate is shown, which a server that wants one sees."""
    ca, own = certificates.path("ca.pem"), {"cert_file": certificates.path("client.pem"), "key_file": certificates.path("client.key")}
    with FaultProxy(lambda _: None, WHOLE, tls=certificates.context(asks_who=True)) as strict:
        assert _ask(AccessOptions(url=strict.url, ca_file=ca, **own)) == 1
        with pytest.raises(Unanswered):
            _ask(AccessOptions(url=strict.url, ca_file=ca))
        away = Reply(307, headers={"Location": f"{strict.url}/there"})
        with FaultProxy(lambda _: away, WHOLE, tls=certificates.context()) as first, pytest.raises(Unanswered):
            _ask(AccessOptions(url=first.url, ca_file=ca, **own))
        assert len(strict.seen) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"ca_file": "none.pem"}, "none.pem: No such file or directory"),
        ({"ca_file": "client.key"}, "client.key: there is no PEM in it that can be used"),
        ({"cert_file": "none.pem"}, "none.pem or its key: No such file or directory"),
        ({"cert_file": "client.pem"}, "client.pem or its key: there is no PEM in it that can be used"),
        ({"cert_file": "client.pem", "key_file": "server.key"}, "client.pem or its key: it belongs to another certificate"),
        ({"cert_file": "client.pem", "key_file": "locked.key"}, "is encrypted, and nobody is asked for its password"),
    ],
)
def test_a_certificate_that_cannot_be_used(certificates: Certificates, names: dict[str, str], said: str) -> None:
    """Is told before anything is asked, and no password is asked for on a terminal."""
    options = AccessOptions(url="https://127.0.0.1:1", **{option: certificates.path(name) for option, name in names.items()})
    with pytest.raises(UsageError) as refused:
        Client(read_access(options, {}))
    assert said in str(refused.value)


def test_requests_are_signed_for_aws(server: FaultProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As AWS computes it from what it receives: the signature is made again here from the request as the server saw it."""
    import hashlib
    import hmac

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session/token")
    assert _ask(AccessOptions(url=f"{server.url}/workspaces/ws-1", sigv4_region="eu-west-1")) == 1
    (request,) = server.seen
    way, _, rest = request.headers["authorization"].partition(" ")
    parts = dict(part.split("=", 1) for part in rest.split(", "))
    date = request.headers["x-amz-date"]
    names = parts["SignedHeaders"].split(";")
    assert way == "AWS4-HMAC-SHA256"
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(names)
    lines = [request.method, request.path, "", *(f"{name}:{request.headers[name]}" for name in names), "", parts["SignedHeaders"]]
    canonical = "\n".join([*lines, hashlib.sha256(request.content).hexdigest()])
    scope = f"{date[:8]}/eu-west-1/aps/aws4_request"
    key = f"AWS4{SECRET}".encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    assert parts["Credential"] == f"AKIDEXAMPLE/{scope}"
    assert parts["Signature"] == hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def test_aws_without_credentials_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And without botocore, which extra has it. No instance is asked for credentials here."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UsageError, match="no credentials of AWS in the environment, a profile, a web identity or this instance"):
        _ask(AccessOptions(url="http://127.0.0.1:1", sigv4_region="eu-west-1"))
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(CgtuneError, match="cannot be had: ProfileNotFound"):
        _ask(AccessOptions(url="http://127.0.0.1:1", sigv4_region="eu-west-1"))
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)
    with pytest.raises(UsageError, match=r"pip install 'cgtune\[sigv4\]'"):
        _ask(AccessOptions(url="http://127.0.0.1:1", sigv4_region="eu-west-1"))
