"""A MutatingAdmissionPolicy of Kubernetes and its binding, as YAML. Pure.

Not covered, as no expression of a policy can see it: which containers run Go, what envFrom brings, and a limit of the pod alone.
"""

from __future__ import annotations

from cgtune.advice.injected import MARK
from cgtune.outputs.jsontext import quote_json
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.advice.expressions import Expressions

_MIB = 1 << 20

_HEAD = """\
# Written by cgtune policy, for Kubernetes 1.36 and later. It sets {variables} in new pods that the selectors below choose.
# GOMEMLIMIT is the memory limit of the container, less {keeps} kept free, in whole MiB; for limits from {least} MiB on.
{about_procs}# Left alone: containers that have the variable in env, or no limit; init containers that end; pods of Windows.
# A variable that envFrom brings cannot be seen here: env comes before it, so name the variable in env, or leave the label off.
# Try it:   kubectl apply --dry-run=server -f FILE     Roll back:   kubectl delete -f FILE, then restart the workloads
"""


class Requirement(Record):
    """What is asked of one label: ``operator`` is In or NotIn with a ``value``, Exists or DoesNotExist without."""

    key: str
    operator: str
    value: str | None = None


class Scope(Record):
    """Which pods: ``name`` is that of both objects, all that is required has to hold; ``with_procs``: GOMAXPROCS as well."""

    name: str
    pods: tuple[Requirement, ...]
    namespaces: tuple[Requirement, ...]
    with_procs: bool


def render_admission(scope: Scope, expressions: Expressions) -> str:
    """Both objects, the policy first. The names and labels of ``scope`` are such as Kubernetes takes."""
    variables = [*_containers(), *_memory(expressions), *(_procs(expressions) if scope.with_procs else ())]
    variables.append(("set", _join_set(expressions, scope)))
    lines = [
        "apiVersion: admissionregistration.k8s.io/v1",
        "kind: MutatingAdmissionPolicy",
        "metadata:",
        f"  name: {quote_json(scope.name)}",
        "spec:",
        "  # A pod is worth more than its tuning: if an expression fails, the pod is made as it is",
        "  failurePolicy: Ignore",
        "  # Webhooks that come later may change limits: then the values that were set here are computed again",
        "  reinvocationPolicy: IfNeeded",
        "  matchConstraints:",
        "    resourceRules:",
        '      - {apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"]}',
        *_select("objectSelector", scope.pods),
        *_select("namespaceSelector", scope.namespaces),
        "  matchConditions:",
        "    - name: not-windows",
        "      expression: |-",
        *_indent(_NOT_WINDOWS, 8),
        "    - name: not-static",
        "      expression: |-",
        *_indent(_NOT_STATIC, 8),
        "  variables:",
    ]
    for name, expression in variables:
        lines += [f"    - name: {name}", "      expression: |-", *_indent(expression, 8)]
    lines += [
        "  mutations:",
        "    - patchType: ApplyConfiguration",
        "      applyConfiguration:",
        "        expression: |-",
        *_indent(_APPLY, 10),
        "---",
        "apiVersion: admissionregistration.k8s.io/v1",
        "kind: MutatingAdmissionPolicyBinding",
        "metadata:",
        f"  name: {quote_json(scope.name)}",
        "spec:",
        f"  policyName: {quote_json(scope.name)}",
    ]
    about = (
        f"# GOMAXPROCS is made of the CPU limit, at least {expressions.least_procs}; Go 1.25 and later follow it better by themselves.\n"
    )
    head = _HEAD.format(
        variables="GOMEMLIMIT and GOMAXPROCS" if scope.with_procs else "GOMEMLIMIT",
        keeps=expressions.keeps,
        least=-(-expressions.set_from_bytes // _MIB),
        about_procs=about if scope.with_procs else "",
    )
    return head + "\n".join(lines) + "\n"


_NOT_WINDOWS = """\
object.spec.?os.?name.orValue("") != "windows"
&& object.spec.?nodeSelector[?"kubernetes.io/os"].orValue("") != "windows"
"""

# What stands for a static pod of a node is its image only: https://kubernetes.io/docs/tasks/configure-pod-container/static-pod/
_NOT_STATIC = """\
object.metadata.?annotations[?"kubernetes.io/config.mirror"].orValue("") == ""
"""

# An empty Object changes nothing. Containers and their env are merged by name, annotations by key: all else stays as it is, in its order
_APPLY = f"""\
variables.set.size() == 0 ? Object{{}} : Object{{
  metadata: Object.metadata{{
    annotations: {{"{MARK}": variables.set.map(s, s.container + "." + s.name + "=" + s.value).join(",")}}
  }},
  spec: Object.spec{{
    containers: object.spec.containers
      .filter(c, variables.set.exists(s, s.container == c.name))
      .map(c, Object.spec.containers{{
        name: c.name,
        env: variables.set.filter(s, s.container == c.name).map(s, Object.spec.containers.env{{name: s.name, value: s.value}})
      }}),
    initContainers: object.spec.?initContainers.orValue([])
      .filter(c, variables.set.exists(s, s.container == c.name))
      .map(c, Object.spec.initContainers{{
        name: c.name,
        env: variables.set.filter(s, s.container == c.name).map(s, Object.spec.initContainers.env{{name: s.name, value: s.value}})
      }})
  }}
}}
"""


def _containers() -> list[tuple[str, str]]:
    """Those that stay: sidecars are init containers that are always restarted. And what this policy itself has set before."""
    stays = 'object.spec.containers\n+ object.spec.?initContainers.orValue([]).filter(c, c.?restartPolicy.orValue("") == "Always")'
    return [("containers", stays), ("mark", f'"," + object.metadata.?annotations[?"{MARK}"].orValue("") + ","')]


def _not_set(variable: str) -> str:
    """Whether a container does not set this variable itself; what the policy has set before counts as not set."""
    own = f'variables.mark.contains("," + c.name + ".{variable}=" + e.?value.orValue("") + ",")'
    return f'!c.?env.orValue([]).exists(e, e.name == "{variable}"\n  && !{own})'


def _memory(expressions: Expressions) -> list[tuple[str, str]]:
    limit = 'quantity(c.?resources.?limits.?memory.orValue("0"))'
    # Type-checked: the values of one map are of one type, unless each is dyn()
    limits = (
        f"variables.containers.filter(c, {_not_set('GOMEMLIMIT')})\n"
        f".filter(c, {limit}.isInteger())\n"
        f'.map(c, {{"container": dyn(c.name), "bytes": dyn({limit}.asInteger())}})'
    )
    within = f"l.bytes >= {expressions.least_limit_bytes} && l.bytes <= {expressions.most_limit_bytes}"
    mib = f'variables.memoryLimits.filter(l, {within})\n.map(l, {{"container": l.container, "MiB": dyn({expressions.mib})}})'
    return [("memoryLimits", limits), ("memoryMiB", mib)]


def _procs(expressions: Expressions) -> list[tuple[str, str]]:
    limit = 'quantity(c.?resources.?limits.?cpu.orValue("0"))'
    limits = (
        f"variables.containers.filter(c, {_not_set('GOMAXPROCS')})\n"
        f'.filter(c, {limit}.isGreaterThan(quantity("0")) && {limit}.isLessThan(quantity("{expressions.most_cores}")))\n'
        f'.map(c, {{"container": dyn(c.name), "milli": dyn(int({limit}.asApproximateFloat() * 1000.0 + 0.5))}})'
    )
    procs = f'variables.cpuLimits.map(l, {{"container": l.container, "procs": dyn({expressions.procs})}})'
    return [("cpuLimits", limits), ("threads", procs)]


def _join_set(expressions: Expressions, scope: Scope) -> str:
    """All that is to be set, one map of texts for each variable of a container."""
    row = '{{"container": string(l.container), "name": "{}", "value": {}}}'
    memory = row.format("GOMEMLIMIT", 'string(l.MiB) + "MiB"')
    text = f"variables.memoryMiB.filter(l, l.MiB >= {expressions.least_mib})\n.map(l, {memory})"
    if scope.with_procs:
        least = expressions.least_procs
        procs = row.format("GOMAXPROCS", f"string(l.procs < {least} ? {least} : l.procs)")
        text += f"\n+ variables.threads.map(l, {procs})"
    return text


def _select(field: str, requirements: Sequence[Requirement]) -> list[str]:
    if not requirements:
        return [f"    {field}: {{}}"]
    lines = [f"    {field}:", "      matchExpressions:"]
    for required in requirements:
        values = "" if required.value is None else f", values: [{quote_json(required.value)}]"
        lines.append(f"        - {{key: {quote_json(required.key)}, operator: {required.operator}{values}}}")
    return lines


def _indent(text: str, blanks: int) -> Sequence[str]:
    return [" " * blanks + line for line in text.strip("\n").split("\n")]
