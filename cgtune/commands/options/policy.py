"""The options of ``cgtune policy``."""

from __future__ import annotations

from cgtune.commands.options.option import Command, flag, optional_text, text
from cgtune.commands.options.shared import POLICY, parse_chosen_policy
from cgtune.commands.policy import PolicyOptions, run_policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

SELECTOR = text(
    "--selector",
    "LABELS",
    "The labels of the pods that are meant: KEY=VALUE, KEY!=VALUE, KEY or !KEY, several with commas.",
    default="cgtune.dev/policy=enabled",
)
NAMESPACE_SELECTOR = optional_text("--namespace-selector", "LABELS", "The labels of their namespaces. Default: any namespace.")
GOMAXPROCS = flag("--gomaxprocs", "Set GOMAXPROCS as well: for programs older than Go 1.25, which do not read CPU limits.")
NAME = text("--name", "NAME", "The name of both objects.", default="cgtune")
OUTPUT = optional_text("--output", "FILE", "Write this file, whole or not at all, instead of printing.")


def policy_options(values: Values) -> PolicyOptions:
    """What these values ask for; raises UsageError."""
    return PolicyOptions(
        name=values[NAME],
        selector=values[SELECTOR],
        namespace_selector=values[NAMESPACE_SELECTOR],
        gomaxprocs=values[GOMAXPROCS],
        output=values[OUTPUT],
        policy=parse_chosen_policy(values),
    )


def _run(values: Values) -> int:
    """Write a Kubernetes admission policy that sets GOMEMLIMIT in new pods, as a share of each container's memory limit.

    A MutatingAdmissionPolicy with its binding, for Kubernetes 1.36 and later: the API server itself computes the values, no webhook runs.
    It acts on pods that bear a label, and leaves alone what sets the variable itself.

    \b
    Examples:
      cgtune policy | kubectl apply --dry-run=server -f -
      cgtune policy --headroom 20 --gomaxprocs --output policy.yaml
      cgtune policy --selector team=shop --namespace-selector env=production
    """
    return run_policy(policy_options(values))


COMMAND = Command(
    summary="Write a Kubernetes admission policy that sets GOMEMLIMIT.",
    options=(SELECTOR, NAMESPACE_SELECTOR, GOMAXPROCS, NAME, OUTPUT, *POLICY),
    run=_run,
)
