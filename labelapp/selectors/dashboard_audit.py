"""The promise in words: how it will be kept, how far an audit is, what a certificate says."""

from __future__ import annotations

from typing import Any

from labelapp.choices import CERTIFICATE_WORDS
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_words import share, upper_share

HOW: dict[str, str] = {
    "audit": "People checked {audited} random ones of what the machine wanted to label, in an "
    "order that was fixed before; the wrong ones were corrected.",
    "test_set": "Computed from the test set, which also steered the run, so it is an estimate.",
}

WHY = (
    "It proves that at most {epsilon} of all labels are wrong: people answer without seeing what "
    "the machine said, and wrong machine labels found on the way are put right."
)


def audit(facts: Facts) -> dict[str, Any] | None:
    """Return how far the audit is that is under way, in words and as a bar; None without one."""
    frozen, batch = facts.audit, facts.batch
    if facts.finished or not frozen or batch is None or batch.purpose != "audit":
        return None
    done = int(frozen["asked"]) - batch.remaining
    planned = round(float(frozen["planned"]))
    rest = " " + WHY.format(epsilon=share(facts.project.epsilon))
    if frozen["ended"]:
        rest = " The promise was changed: this check ends with the images that are out."
    elif int(frozen["attempt"]) > 1:
        rest += f" It is check number {frozen['attempt']}: an earlier one did not prove enough."
    return {
        "attempt": frozen["attempt"],
        "done": done,
        "planned": planned,
        "most": max(planned, int(frozen["asked"])),
        "text": f"People check the machine: {_of(done, planned)}.{rest}",
    }


def _of(done: int, planned: int) -> str:
    if done > planned:
        return f"{done:,} images looked at so far, more than the {planned:,} expected"
    return f"{done:,} of about {planned:,} images looked at"


def kind_words(facts: Facts) -> str:
    """Return how the promise will be kept: "certified by an audit" or "estimated ..."."""
    return CERTIFICATE_WORDS[facts.project.certificate]


def certificate(facts: Facts) -> dict[str, Any] | None:
    """Return the promise on the delivered error in words."""
    content = facts.certificate
    if not content:
        return None
    audited = len(content.get("audited") or [])
    return {
        "promise": content.get("promise", ""),
        "how": HOW[content.get("kind", "test_set")].format(audited=f"{audited:,}"),
        "audited": audited,
        "machine": f"{int(content.get('delivered') or content.get('machine_labels') or 0):,}",
        "wrong_at_most": f"{int(content.get('wrong_at_most') or 0):,}",
        "bound": upper_share(float(content.get("bound") or 0.0)),
        "epsilon": share(float(content.get("epsilon") or facts.project.epsilon)),
        "confidence": share(1 - float(content.get("alpha") or 0.0)),
        "theta": content.get("theta"),
    }
