"""Every parser of text and bytes that others write, for tests.support.fuzzing, with known inputs from fixtures, documents and tests.

Executables are in fuzz_elf. A ``parse_`` function of cgtune that nothing here calls fails tests/support/test_fuzz_parsers.py.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cgtune.advice import policy, prediction, quantities, services
from cgtune.advice.named import parse_named
from cgtune.cgroups import containers, kernel, locate, oomlog
from cgtune.commands.check import parse_refused
from cgtune.commands.options import COMMANDS, lint as lint_options, load_command
from cgtune.commands.options.config import parse_config
from cgtune.commands.options.plain import parse_plain
from cgtune.errors import Malformed, UsageError
from cgtune.fleet.asked import parse_selector
from cgtune.fleet.comparing import parse_old
from cgtune.fleet.promjson import parse_names, parse_vector
from cgtune.lint.baseline import parse_baseline
from cgtune.lint.goes import parse_go_options
from cgtune.lint.images import parse_plans
from cgtune.lint.silencing import parse_annotations, parse_comments
from cgtune.manifests import amounts, envfiles, interpolation, read_text, scalars, shellwords, unitamounts, unittext
from cgtune.manifests.yamltext import parse_documents
from cgtune.platforms import ecs
from cgtune.remembered import parse_kill_metrics, parse_kills
from cgtune.rules.gomemlimit_malformed import parse_meant
from cgtune.runtimes.elf import AMD64, ARM64, Elf
from cgtune.runtimes.go.derived import godebug, grammar, limitfile, ownview
from cgtune.runtimes.go.observed import decode, metrics
from cgtune.runtimes.go.offline import parse_programs
from cgtune.runtimes.go.program import mappings, modinfo, version
from cgtune.system import backing, foreign, outputfile, promwords, recording, tarstream
from cgtune.system.unpack import unpack
from cgtune.verdict import parse_ignored
from tests.cgroups.test_kernel import GOOD, PARSERS
from tests.support.command import ROOT
from tests.support.elfs import FRAME_END, FRAME_START
from tests.support.fuzz_elf import ElfParser
from tests.support.fuzzing import BytesParser, check_message, main

Parse = Callable[[str], object]
_STORIES = ROOT / "fixtures" / "cgroupfs"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _fields(text: str, count: int) -> list[str]:
    return (text.split("\0") + [""] * count)[:count]


def _files(pattern: str, most: int = 12, *, top: Any = _STORIES) -> list[bytes]:
    """The smallest files of that name, each content once."""
    found = {path.read_bytes() for path in sorted(top.glob(pattern)) if path.is_file() and path.stat().st_size < 20_000}
    return sorted(found, key=lambda data: (len(data), data))[:most]


def _choice(name: str, rows: Sequence[tuple[Parse, Sequence[bytes | str]]]) -> BytesParser:
    """Several parsers of text in one: the first byte says which."""

    def parse(data: bytes) -> None:
        rows[data[0] % len(rows) if data else 0][0](_text(data[1:]))

    known = [
        bytes([place]) + (text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        for place, (_, texts) in enumerate(rows)
        for text in texts
    ]
    return BytesParser(name, parse, known)


# The kernel's text, and what follows from it


def _kernel() -> BytesParser:
    texts: dict[str, list[bytes | str]] = {name: [] for name in PARSERS}
    for parser, text, _ in GOOD:
        texts[parser].append(text)
    files = {"memory_stat": "memory.stat", "cpu_stat": "cpu.stat", "stat": "stat", "status_affinity": "status", "pressure": "cpu.pressure"}
    for parser, file in {**files, "cgroup": "cgroup", "mountinfo": "mountinfo", "meminfo": "meminfo"}.items():
        texts[f"parse_{parser}"] += _files(f"**/{file}", 6)
    return _choice("kernel", [(parse, texts[name] or ["0\n"]) for name, parse in PARSERS.items()])


def _chain(text: str) -> None:
    cgroup, mountinfo = _fields(text, 2)
    memberships = kernel.parse_cgroup(cgroup)
    mounts = locate.locate_mounts(kernel.parse_mountinfo(mountinfo), "/host" if len(text) % 2 else "")
    locate.locate_mode(mounts)
    containers.locate_container(memberships, mounts, tuple(one.path for one in memberships))
    for membership in memberships[:20]:
        for mount in locate.locate_hierarchy(membership, mounts)[:20]:
            locate.locate_chain(membership, mount)
        root, _ = locate.locate_namespace_root(membership, mounts)
        locate.count_hidden(locate.rebase_path(membership.path, root), root)
    ownview.rebase_texts(cgroup, mountinfo, initial=bool(len(text) & 2))
    foreign.parse_mounts(mountinfo, trusts_overlays=bool(len(text) & 4)).covers("/sys/fs/cgroup/cpu.max")
    for kind in backing.parse_filesystems(mountinfo):
        backing.is_local_backing(kind)


def _limit_file(text: str) -> None:
    cgroup, mountinfo, content = _fields(text, 3)
    for minor in (25, 26, 27):
        limitfile.locate_limit(minor, cgroup, mountinfo, lambda _: content)
        limitfile.parse_limit(minor, 2, (content,))
        limitfile.parse_limit(minor, 1, (content, content))


def _maps(text: str) -> None:
    mappings.parse_code(text)
    foreign.parse_mapped_devices(text.encode("utf-8", "surrogateescape"))
    try:
        mappings.parse_code_mappings(text)
    except Malformed as error:
        check_message(error)
    for guest in (False, True):
        found = mappings.parse_maps(text, guest=guest)
        mappings.parse_map_lines(mappings.split_lines((text[:9], text[9:])), guest=guest)
        mappings.locate_modules(found, guest=guest)
        mappings.locate_images(found, lambda _, size: b"\x7fELF\x02\x01"[:size])


def _of_processes() -> list[BytesParser]:
    stories = [(path, path / "../mountinfo") for path in sorted(_STORIES.glob("*/proc/[0-9]*/cgroup"))]
    pairs = [(one.read_bytes(), (one.parent / "mountinfo").read_bytes()) for one, _ in stories if (one.parent / "mountinfo").is_file()]
    small = sorted({pair for pair in pairs if len(pair[1]) < 6000}, key=lambda pair: (len(pair[1]), pair))[:40]
    chains = [b"\0".join(pair) for pair in small]
    limits = [chain + b"\0" + content for chain in chains for content in (b"250000 100000\n", b"max 100000\n", b"-1\n")]
    maps = (
        b"00400000-00401000 r--p 00000000 fe:01 7 /app/server\n00401000-00480000 r-xp 00001000 fe:01 7 /app/server\n"
        b"7f0000001000-7f0000002000 r-xp 00001000 fe:01 9      /lib/a b\\012c.so (deleted)\nc000000000-c000400000 rwxp 00000000 00:00 0\n"
    )
    killed = b"3,812,5230911,-;Memory cgroup out of memory: Killed process 42 (app) total-vm:1kB, anon-rss:1kB\n"
    cause = b"6,811,5,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/a,task_memcg=/a/b,task=app,pid=42,uid=0\n"
    pod = b"kubepods-burstable-pod1a2b3c4d_0000_1111_2222_333344445555.slice:cri-containerd:0123456789abcdef"
    return [
        _kernel(),
        BytesParser("chains", lambda data: _chain(_text(data)), chains),
        BytesParser("limit-files", lambda data: _limit_file(_text(data)), limits),
        BytesParser("maps", lambda data: _maps(_text(data)), [maps, *_files("**/maps", 4)]),
        _choice("names", [(oomlog.parse_oom_record, (killed, cause)), (containers.parse_pod, (pod,))]),
    ]


# Programs and what they are told


def _build_info(data: bytes) -> None:
    said, _, info = data.partition(b"\0")
    read = modinfo.parse_build_info(said, FRAME_START + info + FRAME_END if len(data) % 2 else info)
    godebug.parse_default_godebug(read.settings)


def _code(data: bytes) -> None:
    for machine in (AMD64, ARM64):
        elf = Elf(
            bits=64,
            little_endian=True,
            position_independent=False,
            machine=machine,
            entry=0,
            segments=(),
            sections=(),
            read_at=lambda _offset, _size: b"",
        )
        decode.decode_plausible_uses(elf, 0x400000, data)
        decode.decode_fields(elf, data)


def _variable(text: str) -> None:
    for minor in (18, 21, 25, 27):
        for bits in (32, 64):
            grammar.parse_integer(text, minor, bits)
        grammar.parse_gomaxprocs(text, minor)
        grammar.parse_gogc(text, minor)
        grammar.parse_gomemlimit(text, minor)
        grammar.parse_godebug(text, minor)
        godebug.derive_godebug(text, text[::-1], minor)
    parse_meant(text)


def _of_programs() -> list[BytesParser]:
    info = (
        b'path\tx/y\nmod\tx\tv1\ndep\ta\tv2\n=>\tb\tv3\nbuild\t-ldflags="-s \\x41 -X=runtime.godebugDefault=a"\nbuild\tDefaultGODEBUG=x\n'
    )
    code = [
        bytes.fromhex(text)
        for text in (
            "488b8820010000488b9028010000488b98300100004829da488d1c0a90488bb0380100004839de8b0511223300833d010203000ae811223344",
            "1b00803901800491 02a0049103c00491 04e0049121fcdfc8 1b09009065 7f85b9 e6230094 200900900060 1191",
        )
    ]
    variables = ["4", "512MiB", "off", "-1", "0x10", "9223372036854775807", "containermaxprocs=0,updatemaxprocs=1", "cgocheck=2", "a=1#2"]
    page = (
        "# TYPE go_sched_gomaxprocs_threads gauge\ngo_sched_gomaxprocs_threads 8\ngo_gc_gomemlimit_bytes 9.2e+18\ngo_gc_gogc_percent 100\n"
    )
    return [
        BytesParser("build-info", _build_info, [b"go1.27.3\0" + info, b"go1.25.5 X:nocoverageredesign\0" + b"0" * 16 + info + b"0" * 16]),
        BytesParser("code", _code, code),
        _choice("go-variables", [(_variable, variables)]),
        _choice("versions", [(version.parse_version, ("go1.27.3", "go1.25rc1", "devel go1.26-abc Fri", "go1.21.0-bigcorp"))]),
        _choice(
            "metrics-pages",
            [
                (metrics.parse_go_metrics, (page, 'go_info{version="go1.27"} 1\n')),
                (ecs.parse_task, ('{"TaskARN": "arn:aws:ecs:r:1:task/c/a1", "Limits": {"CPU": 0.25, "Memory": 512}}',)),
            ],
        ),
    ]


# What people type


def _quantities(text: str) -> None:
    quantities.parse_quantity(text)
    for parse in (
        lambda: quantities.parse_cpu_quantity(text, "--x"),
        lambda: quantities.parse_cpu_limit(text, "--x"),
        lambda: quantities.parse_byte_quantity(text, "--x", least=4),
        lambda: quantities.parse_duration(text, "--x", least_seconds=0.1, most_seconds=3600),
        lambda: outputfile.parse_mode(text),
    ):
        try:
            parse()
        except UsageError as error:
            check_message(error)


_NAMED = ("cpu_limit", "memory_limit", "cpu_request", "pod_cpu_limit", "pod_memory_limit", "node_cpus", "node_memory")
_DIVISORS = ("cpu_divisor", "memory_divisor")


def _named(text: str) -> None:
    parse_named(**{name: said or None for name, said in zip((*_NAMED, *_DIVISORS), _fields(text, 9), strict=True)})


def _limited(text: str) -> None:
    cpu, memory, request, *env = _fields(text, 5)
    limited = prediction.parse_limited(
        cpus=8, cgroup="v2", cpu_limit=cpu or None, memory_limit=memory or None, cpu_request=request or None, env=env
    )
    prediction.require_room(limited, _policy(text))


def _policy(text: str) -> Any:
    reserve, headroom, outside, numbers = _fields(text, 4)
    return policy.parse_policy(
        reserve_cpu=reserve or None, headroom=headroom or None, outside=outside or None, numbers=numbers.split() or None
    )


def _options(text: str) -> None:
    words = text.split("\0")
    for name in COMMANDS:
        command = load_command(name)
        parse_plain(command, words, {})
        parse_plain(command, (), {option.twin: words[0] for option in command.options[:20]})
    parse_refused(words, {"CGTUNE_FORMAT": words[0]})


def _services(text: str) -> None:
    target = services.Target(new_go="1.27", old_go="1.24", language=None, cpus=8)
    list(services.parse_services(text, "services.csv", target))


def _of_people() -> list[BytesParser]:
    amount = ["2.5", "2500m", "1e3", "512Mi", "129e6", "max", "250000 100000", "1h", "500ms", "0644", "1.5Gi", "128974848000m", "-0"]
    named = ("2.5\0512Mi\0001\0\0\0008\00064Gi\00\0", "2500\000536870912\000250\0\0\0\0\0001m\0001", "max\0max")
    policies = ("500m\00010%\00064Mi\0smallest-limit=32Mi roomy=50% measured-after=5m", "\0\0\0crowded=101")
    config = '[per-path-ignores]\n"a/*" = ["fractional-quota"]\n[go]\n"x/*" = "1.24"\n'
    options = [b"--pid\x001\0--format=json", b"--window\x001.5\0--ignore\0a", b"--cpu-limit\x002\0--go\x001.24", b"--\0-x", b"true"]
    config_options = lint_options.COMMAND.options
    row: list[tuple[Parse, Sequence[bytes | str]]] = [
        (lambda text: parse_config(text, "cgtune.toml", config_options), (config, 'format = "json"\nignore = ["a"]\n')),
        (lambda text: parse_config(text, "pyproject.toml", config_options), (f"[tool.cgtune]\n{config}",)),
        (lambda text: parse_ignored(text.split("\0")), ("fractional-quota\0cpu-throttled",)),
        (lambda text: parse_go_options(text.split("\0")), ("1.24\0registry.example/*=1.25",)),
        (lambda text: parse_programs(*_fields(text, 2)), ("1.21,1.24.3,1.27rc1\x001.20",)),
        (lambda text: prediction.parse_environ(text.split("\0")), ("GOMAXPROCS=4\0A=b=c",)),
        (parse_selector, ('{cluster="eu1",team=~"a|b",}', 'a="b"')),
    ]
    return [
        _choice("quantities", [(_quantities, amount)]),
        _choice("limits", [(_named, named), (_limited, ("2\000512Mi\0001\0GOGC=1\0A=b",)), (_policy, policies)]),
        _choice("options", [(_options, options)]),
        _choice("settings", row),
        _choice("services", [(_services, ((ROOT / "docs" / "services.csv").read_text(), "name;go\na;1.24\n"))]),
    ]


# Recordings, archives and reports


class _Parts:
    """The files of an image as one JSON object."""

    def __init__(self, text: str) -> None:
        self._parts = self._parse(text)

    def read_json(self, name: str) -> Any:
        """A file of it."""
        return self._parts.get(name) if isinstance(self._parts, dict) else None

    @staticmethod
    def _parse(text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Malformed("no JSON") from error


def _region(data: bytes) -> None:
    places = recording.locate_regions(lambda at, size: data[at : at + size])
    for start, size in list(places.values())[:100]:
        recording.parse_region(data[start : start + size])


def _unpack(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None, suffix=".tgz") as file:
        file.write(data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1, mtime=0))
        file.flush()
        unpack(file.name).cleanup()


def _tar_entries(data: bytes) -> None:
    file = io.BytesIO(data)
    stream = tarstream.TarStream(file.read)
    for entry in stream.entries():
        stream.read(min(entry.size, 512))


def _archives() -> list[bytes]:
    made = []
    forms = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
    for form, is_hard in itertools.product(forms, (False, True)):  # a recording has no hard links: those are refused
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            names = [
                ("a" * 60 + "/" + "b" * 90, tarfile.REGTYPE),
                ("proc/1/exe", tarfile.SYMTYPE),
                ("sys", tarfile.DIRTYPE),
                ("l", tarfile.LNKTYPE),
            ]
            for name, kind in names if is_hard else names[:-1]:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname, entry.size = kind, "/x" * (kind != tarfile.DIRTYPE), 600 * (kind == tarfile.REGTYPE)
                archive.addfile(entry, io.BytesIO(bytes(entry.size)))
        made += [file.getvalue()[:5120], file.getvalue()]
    return made


def _of_files() -> list[BytesParser]:
    marker = (
        b'{"time_seconds": 1.5, "pids": [1], "identities": {"/a": [1, 2]}, "unreadable": {"/b": 13}, "found": {"a": "b"}, "by_hand": []}'
    )
    docker = {"manifest.json": [{"RepoTags": ["a:1"], "Config": "c", "Layers": ["l"]}], "c": {"config": {"Env": ["A=b"], "Cmd": ["x"]}}}
    descriptor = {"digest": "sha256:aa", "platform": {"os": "linux", "architecture": "amd64"}}
    oci = {"index.json": {"manifests": [descriptor]}, "blobs/sha256/aa": {"layers": [descriptor], "config": descriptor}}
    baseline = '{"schema": "cgtune/lint-baseline/v1", "findings": [{"object": "a", "container": "b", "rule": "c", "count": 1}]}'
    owner = '{"of": "container", "name": "a", "runtime": null, "uid": null, "namespace": "b", "pod": "c", "container": "d"}'
    entry = f'{{"owner": {owner}, "oom_kills": 1, "processes": 1, "last_seconds": 1, "last": null}}'
    kills = f'{{"schema": "cgtune/kills/v1", "kills": [{entry}]}}'
    page = 'cgtune_build_info 1\ncgtune_container_oom_kills_total{container_id="containerd://a",pod="b\\"",uid="1"} 2.0\n'
    old = '{"schema": "cgtune/fleet/v1", "workloads": []}'
    return [
        BytesParser("markers", recording.parse_marker, [marker, *_files("*/cgtune-snapshot.json", 4)]),
        BytesParser("regions", _region, [b"0 7f454c46\n1000 00\n", *_files("**/*.regions", 4)]),
        BytesParser("archives", _unpack, _archives()),
        BytesParser("tar-streams", _tar_entries, _archives()),
        _choice("images", [(lambda text: parse_plans(_Parts(text)), (json.dumps(docker), json.dumps(oci)))]),
        _choice(
            "reports",
            [
                (lambda text: parse_baseline(text, "baseline.json"), (baseline,)),
                (lambda text: parse_old(text, "old.json"), (old, *_files("fleet*.json", 1))),
                (parse_kills, (kills,)),
                (parse_kill_metrics, (page,)),
            ],
        ),
    ]


# Manifests, and what they name


def _manifest(file: str) -> Parse:
    def read(text: str) -> None:
        for each in read_text(file, text):
            for workload in each.workloads:
                list(parse_annotations(workload))
        list(parse_comments(file, text))

    return read


def _words(text: str) -> None:
    unittext.parse_words(text)
    unittext.parse_words(text, relaxed=True)
    shellwords.read_command(("sh", "-c", text), frozenset({"A"}))
    shellwords.read_command(text.split(" "))
    interpolation.interpolate(text, {"A": "b"}.get)


def _amounts(text: str) -> None:
    for parse in (
        unitamounts.parse_cpu_quota,
        unitamounts.parse_share,
        unitamounts.parse_size,
        amounts.parse_cpus,
        amounts.parse_docker_size,
    ):
        parse(text)
    amounts.parse_float(text)
    for tag in ("int", "float", "bool", "null", "str"):
        scalars.parse_scalar(text, f"tag:yaml.org,2002:{tag}")


def _of_manifests() -> list[BytesParser]:
    written = [*_files("*.yaml", 30, top=ROOT / "fixtures" / "manifests"), *_files("examples/*.yaml", top=ROOT / "deploy")]
    flow = b'{"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"name": "a", "env": [{"name": "GOGC", "value": "1"}]}]}}'
    compose = (
        b"services:\n  a: &x\n    image: go\n    cpus: ${C:-1.5}\n    mem_limit: 512m\n    env_file: [a.env]\n    environment: [GOGC=1]\n"
        b"    extends: {service: b}\n    command: sh -c 'GOGC=1 x'\n  b: {<<: *x, deploy: {resources: {limits: {cpus: '2', memory: 1g}}}}\n"
    )
    task = (
        b'{"family": "a", "cpu": "1024", "memory": "2 GB", "containerDefinitions": [{"name": "a", "image": "x", "cpu": 512, "memory": 256,'
        b' "environment": [{"name": "GOGC", "value": "1"}], "environmentFiles": [{"value": "a"}], "command": ["sh", "-c", "A=1 x"]}]}'
    )
    units = [
        b'[Service]\nCPUQuota=150%\nMemoryMax=50%\nEnvironment="GOGC=1" A=%n\nEnvironmentFile=-/a\nExecStart=-/usr/bin/env A=b \\\n x\n',
        b"[Container]\nImage=x\nPodmanArgs=--cpus=2 --memory 1g\nEnvironment=A=%i\n",
        *_files("examples/*.service", top=ROOT / "deploy"),
    ]
    dotenv: Mapping[str, str] = {"A": "b"}
    return [
        _choice("kubernetes", [(_manifest("a.yaml"), [*written, flow]), (_manifest("a.json"), [flow])]),
        _choice("compose", [(_manifest("compose.yaml"), [compose, *_files("examples/compose.yaml", top=ROOT / "deploy")])]),
        _choice("ecs", [(_manifest("task.json"), [task])]),
        _choice("units", [(_manifest("a.service"), units), (_manifest("a.container"), units), (unittext.parse_unit, units)]),
        _choice(
            "env-files",
            [
                (envfiles.parse_systemd_variables, ("A=b\n# c\nB='c d'\\\ne\nC=\"x$y\"\n",)),
                (
                    lambda text: envfiles.parse_compose_variables(text, dotenv.get),
                    ("export A=b\nB=${A:-c} # d\nC='e\\'f'\nD=\"${A}\\n\"\n",),
                ),
            ],
        ),
        _choice(
            "yaml", [(lambda text: list(parse_documents("a.yaml", text)), [compose, flow, b"a: !!int 0x1\n---\n- ? b\n  : |2\n   c\n"])]
        ),
        _choice("words", [(_words, ("A=1 exec env B='c d' x $A `y` \"$(z)\" && q | w", "${A:?x} ${B-${C}} $$", '"a b" \\x41 \\101 %n'))]),
        _choice(
            "amounts", [(_amounts, ["1.5", "50%", "1G", "infinity", "0-3,5", "512mb", "0x1F", "1_000", ".inf", "0o17", "2001-01-01", "~"])]
        ),
    ]


# Answers of servers


def _of_servers() -> list[BytesParser]:
    sample = b'{"metric": {"pod": "a", "container": "b"}, "value": [1764413123.5, "0.25"]}'
    vector = b'{"status": "success", "data": {"resultType": "vector", "result": [%s, %s]}, "warnings": ["x"], "isPartial": true}' % (
        sample,
        sample,
    )
    matrix = vector.replace(b'"vector"', b'"matrix"').replace(
        b'"value": [1764413123.5, "0.25"]', b'"values": [[1764413123, "0.25"], [1764413183, "1"]]'
    )
    names = b'{"status": "success", "data": ["a", "b"]}'
    refusal = '{"status": "error", "errorType": "execution", "error": "too many samples"}'

    def refused(text: str) -> None:
        promwords.parse_refusal(text)
        promwords.parse_retry_after(text)
        if not promwords.printable(text).isprintable():
            raise AssertionError(text)

    return [
        BytesParser("promql", lambda data: parse_vector(io.BytesIO(data)), [vector, b'{"data":{"resultType":"scalar","result":[1,"2"]}}']),
        BytesParser("promql-ranges", lambda data: parse_vector(io.BytesIO(data), is_range=True), [matrix]),
        BytesParser("promql-names", lambda data: parse_names(io.BytesIO(data)), [names]),
        _choice("refusals", [(refused, (refusal, "<html>", "7"))]),
    ]


def parsers() -> list[BytesParser]:
    """All of them, in the order of this file."""
    return [*_of_processes(), *_of_programs(), *_of_people(), *_of_files(), *_of_manifests(), *_of_servers()]


if __name__ == "__main__":
    sys.exit(main([*parsers(), ElfParser()], sys.argv[1:]))
