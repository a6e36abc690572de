"""Whom a word means: each process of a container, pod, namespace or name, and none that is meant by nobody."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cgtune import api, snapshot
from cgtune.commands.completion import list_words
from cgtune.errors import NoSuchProcess, UsageError
from cgtune.machineview import MachineView
from cgtune.model import Container, Process, Whom
from cgtune.system.host import Host
from cgtune.targets import Names
from tests.rules.reports import go_facts
from tests.support import inside, stories
from tests.support.command import PROGRAM, environment

ID = "5ceafec3cac67678404e887cde5ce72666a4272d681851798df7d4899f6e1bbc"
UID = "015f7e6b-c5ae-4f48-a724-089e9252cc13"
OTHER_ID = "c0ffee" + ID[6:]
OTHER_UID = "94091dd6-4a21-4fe9-a214-bc6d17deeb43"
POD = "shop-7d9c5b8f6d-x2k4q"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node with a pod of two processes (4242 server, 4243 helper-with-a-l), its pause (4244), and a process of another pod (4343) whose
    files the kubelet's names are not in.
    """
    root = tmp_path_factory.mktemp("node") / "root"
    shutil.copytree(stories.STORIES / "k8s-node-capacity", root, symlinks=True)
    (root / "cgtune-snapshot.json").unlink()
    (root / "proc/self").symlink_to("77")
    for pid, command, executable in (
        *((4243, "helper-with-a-l", "/app/helper-with-a-long-name"), (4244, "pause", "/pause"), (4343, "server", "/srv/other")),
        (77, "python3", "/usr/bin/python3"),
    ):
        folder = root / f"proc/{pid}"
        shutil.copytree(root / "proc/4242", folder, symlinks=True)
        (folder / "stat").write_text(f"{pid} ({command}){(folder / 'stat').read_text().rpartition(')')[2]}")
        (folder / "exe").unlink()
        (folder / "exe").symlink_to(executable)
        if pid == 77:  # cgtune, on the node itself
            shutil.copy(root / "proc/1/mountinfo", folder / "mountinfo")
        if pid == 4343:
            shutil.rmtree(folder / "root")
            for name in ("cgroup", "mountinfo"):
                (folder / name).write_text((folder / name).read_text().replace(ID, OTHER_ID).replace(UID, OTHER_UID))
            for above in (root / "sys/fs/cgroup").glob("*/kubepods/burstable"):
                if not (above / f"pod{OTHER_UID}").exists():  # cpu is a link to cpu,cpuacct
                    shutil.copytree(above / f"pod{UID}" / ID, above / f"pod{OTHER_UID}" / OTHER_ID, symlinks=True)
    return root


MEANT: dict[str, tuple[Whom, list[int]]] = {
    "a pid": (Whom(targets=("4243",)), [4243]),
    "the beginning of a container's id": (Whom(targets=("5cea",)), [4242, 4243]),
    "a whole id": (Whom(containers=(ID,)), [4242, 4243]),
    "a container by its name in the pod": (Whom(containers=("app",), pods=(POD,)), [4242, 4243]),
    "a pod": (Whom(pods=(POD,)), [4242, 4243]),
    "a pod by its UID": (Whom(pods=(UID,)), [4242, 4243]),
    "a pod by the beginning of its UID": (Whom(targets=(OTHER_UID[:8],)), [4343]),
    "a namespace": (Whom(namespaces=("prod",)), [4242, 4243]),
    "a command": (Whom(commands=("server",)), [4242, 4343]),
    "a command that the kernel cut": (Whom(commands=("helper-with-a-long-name",)), [4243]),
    "a command as the kernel cut it": (Whom(targets=("helper-with-a-l",)), [4243]),
    "each of several": (Whom(targets=("helper-with-a-l", OTHER_ID[:6])), [4243, 4343]),
    "one kind within another": (Whom(commands=("server",), namespaces=("prod",)), [4242]),
    "a target within a kind": (Whom(targets=("server",), pods=(OTHER_UID,)), [4343]),
    "a pid within a kind": (Whom(targets=("4242",), pods=(POD,)), [4242]),
    "machinery by its name": (Whom(targets=("pause",)), [4244]),
    "several values of one kind": (Whom(containers=(ID[:12], OTHER_ID[:12])), [4242, 4243, 4343]),
}


@pytest.mark.parametrize("name", MEANT)
def test_who_is_meant(node: Path, name: str) -> None:
    """Every process that a word fits, by pid, and no other; neither cgtune itself nor the node's machinery, unless that is named."""
    whom, pids = MEANT[name]
    report = api.inspect(root=str(node), whom=whom)
    assert [process.snapshot.process.pid for process in report.processes] == pids


def test_machinery_is_meant_with_its_pod_if_asked_for(node: Path) -> None:
    """A pod's sandbox is its own too."""
    report = api.inspect(root=str(node), whom=Whom(pods=(POD,)), machinery=True)
    assert [process.snapshot.process.pid for process in report.processes] == [4242, 4243, 4244]


@pytest.mark.parametrize(
    ("whom", "words"),
    [
        (Whom(targets=("serve",)), "meant by serve"),
        (Whom(targets=("server", "typo")), "meant by typo"),
        (Whom(targets=("5ce",)), "meant by 5ce"),
        (Whom(containers=("c0ffee", "dead12")), "meant by container dead12"),
        (Whom(pods=(UID[:7],)), f"meant by pod {UID[:7]} (of 1 process in pods the pod's name cannot be read: try its UID)"),
        (Whom(namespaces=("dev",)), "meant by namespace dev"),
        (Whom(commands=("server",), namespaces=("dev",)), "meant by namespace dev, command server"),
        (Whom(commands=("python3",)), "meant by command python3"),
        (Whom(targets=("99", "server")), "no process 99"),
    ],
)
def test_a_word_that_means_nobody_is_told(node: Path, whom: Whom, words: str) -> None:
    """One misspelt word among good ones is not passed over."""
    with pytest.raises(NoSuchProcess) as caught:
        api.inspect(root=str(node), whom=whom)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["targets", "containers", "pods", "namespaces", "commands"])
def test_an_empty_word_is_told_as_what_it_is(node: Path, kind: str) -> None:
    """`--container "$ID"` with an unset ID: nobody is meant, whatever may be called nothing, and the option is named."""
    with pytest.raises(UsageError, match=f"{'a target' if kind == 'targets' else '--' + kind[:-1]} is empty and means nobody"):
        api.inspect(root=str(node), whom=Whom(**{kind: ("server", "")}))


def test_what_does_not_go_together() -> None:
    """A pid is a process already; this container is one; an endpoint is one program's."""
    root = str(stories.STORIES / "k8s-node-capacity")
    for arguments, words in (
        ({"pids": (4242,), "whom": Whom(pods=("x",))}, "--pid names its process already"),
        ({"self_only": True, "whom": Whom(commands=("server",))}, "--self and --pid exclude each other"),
        ({"metrics_url": "http://127.0.0.1:1", "whom": Whom(commands=("server",))}, "is no Go program"),
    ):
        with pytest.raises(UsageError, match=words):
            api.inspect(root=root, **arguments)  # type: ignore[arg-type]


def test_our_own_container_tells_whose_a_pods_limit_is(node: Path) -> None:
    """As for processes that are named by pid, cgtune's own stands beside those of a pod: it may share a limit with them."""
    with Host(str(node)) as host:
        for whom, pids in ((Whom(pods=(POD,)), ()), (Whom(targets=("4242", "helper-with-a-l")), ()), (Whom(), (4242, 4243))):
            report = api.inspect_host(host, pids, whom=whom)
            assert [snapshot.process.pid for snapshot in report.beside] == [77]


def test_the_endpoint_of_several_is_refused(node: Path) -> None:
    """If more than one is meant, nobody knows whose it is."""
    with pytest.raises(UsageError, match="2 are meant: name one with --pid"):
        api.inspect(root=str(node), whom=Whom(pods=(POD,)), metrics_url="http://127.0.0.1:1")


def test_a_list_of_those_that_are_meant(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ps has the Go programs among them."""
    monkeypatch.setattr(snapshot, "read_go", lambda *_arguments: (go_facts(),))
    report = api.list_go(root=str(node), whom=Whom(namespaces=("prod",)))
    assert [process.snapshot.process.pid for process in report.processes] == [4242, 4243]
    assert len(api.list_go(root=str(node)).processes) == 3


def test_one_that_ends_meanwhile_is_passed_over(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asked for a single process of a container: the others are reported. If none is left, that is told."""
    real = snapshot._read_identified
    for ended, left in (((4243,), [4242]), ((4242, 4243), [])):

        def read(view: MachineView, pid: int, ended: tuple[int, ...] = ended) -> object:
            if pid in ended:
                raise NoSuchProcess(f"process {pid} ended while it was read")
            return real(view, pid)

        with monkeypatch.context() as patch:
            patch.setattr(snapshot, "_read_identified", read)
            if left:
                report = api.inspect(root=str(node), whom=Whom(pods=(POD,)))
                assert [process.snapshot.process.pid for process in report.processes] == left
            else:
                with pytest.raises(NoSuchProcess, match="has ended meanwhile"):
                    api.inspect(root=str(node), whom=Whom(pods=(POD,)))


def test_names_of_a_program_that_was_replaced_or_is_closed() -> None:
    """The file's name holds after a deploy; without it, the kernel's cut name has to do."""
    replaced = Names(pid=1, command="thread-name", executable="/app/payment-gateway (deleted)")
    closed = Names(pid=1, command="payment-gateway", executable=None)
    assert replaced.fits("command", "payment-gateway")
    assert closed.fits("command", "payment-gateway-with-more")
    assert not replaced.fits("command", "payment-gateway-with-more")
    assert not Names(pid=1, command="a", executable=None, container=Container(id="abc" * 20)).fits("container", "abc")


@pytest.mark.parametrize("command", ["inspect", "ps", "check"])
def test_the_command_line_takes_them(node: Path, command: str) -> None:
    """As targets, between options, by option and by twin; who is meant by nobody ends it with 3."""
    for words, environ in (
        ((OTHER_ID[:6], "--format", "json"), {}),
        (("--format", "json", "--container", OTHER_ID[:6]), {}),
        (("--format", "json"), {"CGTUNE_POD": OTHER_UID, "CGTUNE_COMMAND": "server"}),
    ):
        done = inside.run(command, "--root", node, *words, **environ)
        assert done.returncode == 0, done
        assert ('"pid": 4343' in done.stdout, '"pid": 4242' in done.stdout) == (command != "ps", False)
    done = inside.run(command, "--root", node, "--namespace", "nowhere")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("cgtune: no process that can be seen is meant by namespace nowhere")
    assert done.stderr.count("\n") == 1


def test_check_looks_whether_those_that_are_meant_can_be_judged() -> None:
    """A process that is closed, and is meant by its name, is no clean verdict."""
    done = inside.run("check", "--root", stories.STORIES / "v2-other-users-process", "--command", "postgres")
    assert (done.returncode, done.stdout) == (3, "")
    assert "could not be looked into" in done.stderr


@pytest.mark.parametrize(
    ("kind", "begun", "offered"),
    [
        ("pid", "43", ["4343"]),
        ("container", "", [ID[:12], OTHER_ID[:12]]),
        ("container", "c0", [OTHER_ID[:12]]),
        ("pod", "", [POD, OTHER_UID]),
        ("namespace", "p", ["prod"]),
        ("command", "se", ["server"]),
        ("target", "s", [POD, "server"]),
        ("rule", "oom", ["oom-killed"]),
    ],
)
def test_what_a_shell_offers(node: Path, kind: str, begun: str, offered: list[str]) -> None:
    """Each word once, in the order of the pids, and only what begins so."""
    words = list_words(kind, begun, str(node))
    assert sorted(word for word, _ in words) == sorted(offered)
    assert len({word for word, _ in words}) == len(words)


def test_a_shell_is_offered_nothing_if_nothing_can_be_seen(tmp_path: Path) -> None:
    """No error in the midst of typing."""
    assert list_words("pid", "", str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("cgtune check --ignore oom", "oom-killed"),
        ("cgtune explain oom", "oom-killed"),
        ("cgtune inspect --root ROOT --pid 43", "4343"),
        ("cgtune ps --root ROOT --container c0", OTHER_ID[:12]),
        ("cgtune inspect --root ROOT 42", "4242"),
    ],
)
def test_completion_by_the_shell(node: Path, line: str, offered: str) -> None:
    """As bash asks: the words so far in a variable, and the answer a line each."""
    line = line.replace("ROOT", str(node))
    environ = {"_CGTUNE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run([*PROGRAM], capture_output=True, text=True, timeout=60, check=False, env=environment(**environ))
    assert offered in done.stdout.splitlines(), done


@pytest.mark.parametrize(
    ("words", "pid"),
    [
        pytest.param(("--container", ID[:12], "--command", "server"), 4242, id="one of a container"),
        pytest.param(("--pod", OTHER_UID), 4343, id="a pod of one process"),
        pytest.param(("--namespace", "prod", "--command", "helper-with-a-long-name"), 4243, id="a command of a namespace"),
    ],
)
def test_variables_for_the_place_of_one_that_is_meant(node: Path, words: tuple[str, ...], pid: int) -> None:
    """env says for it what it says for its pid; by a twin too."""
    there = ("env", "--root", node, "--go", "1.24")
    wanted, done = inside.run(*there, "--pid", pid), inside.run(*there, *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, wanted.stdout, wanted.stderr)
    assert "GOMAXPROCS" in done.stdout
    twins = {f"CGTUNE_{option[2:].upper()}": word for option, word in zip(words[::2], words[1::2], strict=True)}
    assert inside.run(*there, **twins) == done


def test_the_go_program_of_a_pod_is_meant(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several the only Go program; and if there are two, they are named."""
    goes = {4243}

    def read(_view: object, process: Process, _notes: object) -> tuple[object, ...]:
        return (go_facts(minor=24),) if process.pid in goes else ()

    monkeypatch.setattr(snapshot, "read_go", read)
    there = ("env", "--root", node)
    assert inside.run(*there, "--pod", POD) == inside.run(*there, "--pid", 4243)
    goes.add(4242)
    done = inside.run(*there, "--pod", POD)
    named = "4242 server (Go 1.24.3), 4243 helper-with-a-l (Go 1.24.3)"
    assert (done.returncode, done.stdout) == (2, "")
    assert f"2 processes are meant, and one is wanted: {named}; name it with --pid, or add --container or --command" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--pod", POD), 2, "2 processes are meant, and one is wanted: 4242 server, 4243 helper-with-a-l; name it with --pid"),
        (("--pod", "no-such"), 3, "no process that can be seen is meant by pod no-such"),
        (("--pod", " "), 2, "--pod is empty and means nobody"),
        (("--pod", POD, "--cpu-limit", "1"), 2, "--pod looks limits up, and limits were named too"),
        (("--pod", POD, "--node-cpus", "1"), 2, "--node-cpus belongs to limits that are named; leave it out"),
        (("--container", ID, "--self"), 2, "--self and --pid exclude each other"),
        (("--container", ID, "--pid", "4242"), 2, "--pid names its process already: leave it out, or --container"),
    ],
)
def test_who_is_nobody_or_several_has_no_variables(node: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """One line that names what there is, and what to do; nothing is printed."""
    done = inside.run("env", "--root", node, *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert said in done.stderr
