"""The promise in words: how it will be kept, how far an audit is, what a certificate says."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext, gettext_noop

from labelapp.choices import CERTIFICATE_WORDS
from labelapp.models import LabelBatch, Task
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_words import chosen_share, images, money, number, upper_share
from labelapp.selectors.people_words import people_line, together_line
from labelapp.selectors.stored_words import stored_words

HOW: dict[str, str] = {
    "audit": gettext_noop(
        "People checked %(audited)s random ones of what the machine wanted to label, in an order "
        "that was fixed before; the wrong ones were corrected."
    ),
    "test_set": gettext_noop(
        "Computed from the test set, which also steered the run, so it is an estimate."
    ),
}

ENDED: dict[str, str] = {
    "": gettext_noop("The promise was changed: this check ends with the images that are out."),
    "images were added to the pool": gettext_noop(
        "Images were added: this check ends with the images that are out, and they join the pool."
    ),
    "the wish to stop was taken back": gettext_noop(
        "The stop was taken back: this check ends with the images that are out."
    ),
    "people label everything": gettext_noop(
        "People label the rest: this check ends with the images that are out."
    ),
}
"""Why a check ends early, by the engine's words (mcal_engine/auditing.py)."""

WHY = gettext_noop(
    "It proves that at most %(epsilon)s of all labels are wrong: people answer without seeing "
    "what the machine said, and wrong machine labels found on the way are put right."
)


def audit(facts: Facts) -> dict[str, Any] | None:
    """Return how far the audit is that is under way, in words and as a bar; None without one."""
    frozen, batch = facts.audit, facts.batch
    going = facts.state.phase == "audit" if batch is None else batch.purpose == "audit"
    if facts.finished or not frozen or not going:
        return None
    out = 0 if batch is None else _images_left(facts, batch)
    done = int(frozen["asked"]) - out
    planned = round(float(frozen["planned"]))
    why = [gettext(WHY) % {"epsilon": chosen_share(facts.project.epsilon)}]
    if frozen["ended"]:
        why = [gettext(ENDED.get(frozen["ended"], ENDED[""]))]
    elif int(frozen["attempt"]) > 1:
        again = gettext("It is check number %(attempt)s: an earlier one did not prove enough.")
        why.append(again % {"attempt": frozen["attempt"]})
    return {
        "attempt": frozen["attempt"],
        "done": done,
        "planned": planned,
        "most": max(planned, int(frozen["asked"])),
        "headline": _headline(facts, done, planned, out),
        "text": " ".join([_of(done, planned), *why]),
    }


def _headline(facts: Facts, done: int, planned: int, out: int) -> str:
    """Say that an audit goes on: who asked for it, how far it is, what it may still cost.

    That is what is expected to be missing, and at least the `out` images that people have.
    """
    ended = bool(facts.audit and facts.audit["ended"])
    missing = out if ended else max(planned - done, out)
    words = {
        "name": facts.asked_by,
        "number": number(facts.records[-1]["number"]) if facts.records else "",
        "done": number(done),
        "planned": number(planned),
        "money": money(missing * facts.label_price, facts.currency),
        "images": images(missing),
    }
    if ended:
        text = gettext(
            "An audit of the machine ends early: %(images)s are still out and cost %(money)s."
        )
        return text % words
    who = gettext("An audit of the machine goes on, asked for by %(name)s.")
    if not facts.asked_by:
        who = gettext(
            "An audit of the machine goes on, as the engine decided after training %(number)s."
        )
    far = gettext("%(done)s of about %(planned)s images are looked at.")
    if done > planned:
        far = gettext("%(done)s images are looked at, more than the %(planned)s expected.")
    costs = gettext("It may still cost about %(money)s (%(images)s).")
    return " ".join(sentence % words for sentence in (who, far, costs))


def _images_left(facts: Facts, batch: LabelBatch) -> int:
    """Return how many images of the batch wait; `remaining` counts answers."""
    if facts.project.overlap == 1:
        return batch.remaining
    waiting = batch.tasks.filter(state__in=[Task.State.OPEN, Task.State.EXPERT])
    return waiting.values("image_id").distinct().count()


def _of(done: int, planned: int) -> str:
    words = {"done": number(done), "planned": number(planned)}
    if done > planned:
        return (
            gettext(
                "People check the machine: %(done)s images looked at so far, more than the "
                "%(planned)s expected."
            )
            % words
        )
    return (
        gettext("People check the machine: %(done)s of about %(planned)s images looked at.") % words
    )


def kind_words(facts: Facts) -> str:
    """Return how the promise will be kept: "certified by an audit" or "estimated ..."."""
    return gettext(CERTIFICATE_WORDS[facts.project.certificate])


def certificate(facts: Facts) -> dict[str, Any] | None:
    """Return the promise on the delivered error in words."""
    content = facts.certificate
    if not content:
        return None
    audited = len(content.get("audited") or [])
    return {
        "promise": stored_words(content.get("promise", "")),
        "how": gettext(HOW[content.get("kind", "test_set")]) % {"audited": number(audited)},
        "audited": audited,
        "machine": number(int(content.get("delivered") or content.get("machine_labels") or 0)),
        "wrong_at_most": number(int(content.get("wrong_at_most") or 0)),
        "bound": upper_share(float(content.get("bound") or 0.0)),
        "epsilon": chosen_share(float(content.get("epsilon") or facts.project.epsilon)),
        "over": float(content.get("bound") or 0.0)
        > float(content.get("epsilon") or facts.project.epsilon),
        "confidence": chosen_share(1 - float(content.get("alpha") or 0.0)),
        "theta": content.get("theta"),
    }


def people_error(facts: Facts) -> list[str]:
    """Say how often people are wrong, and what machine and people come to; nothing before that.

    The certificate bounds the machine against people: this stands beside it, never inside it.
    """
    found = facts.people
    if found is None or found["human_error"]["best"] is None:
        return []
    return [line for line in (people_line(found), together_line(found)) if line]
