"""Events in words, one sentence each; figures in words come from `money_words`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext, gettext_noop, ngettext

from labelapp.models import Event
from labelapp.selectors.decision_words import decision_words
from labelapp.selectors.money_words import (
    NBSP,
    chosen_share,
    duration,
    images,
    mean_price,
    money,
    money_range,
    number,
    price,
    share,
    upper_share,
)
from labelapp.selectors.stored_words import stored_words

__all__ = [
    "NBSP",
    "PURPOSES",
    "chosen_share",
    "duration",
    "event_as_dict",
    "images",
    "mean_price",
    "money",
    "money_range",
    "number",
    "price",
    "purpose_words",
    "sentence",
    "share",
    "upper_share",
]

PURPOSES: dict[str, str] = {
    "test": gettext_noop("Test set"),
    "seed": gettext_noop("First training set"),
    "train": gettext_noop("Training set"),
    "ahead": gettext_noop("Labelled while a training runs"),
    "audit": gettext_noop("Audit"),
    "residual": gettext_noop("The rest, by people"),
    "gold": gettext_noop("Gold, to measure people"),
    "extra": gettext_noop("Further answers"),
    "review": gettext_noop("Reviews"),
    "compute": gettext_noop("Compute"),
}
"""What the ledger books, in the order in which a run buys it. In English: see `purpose_words`."""


_SETTINGS: dict[str, str] = {
    "epsilon": gettext_noop("the share of wrong labels allowed"),
    "confidence": gettext_noop("how sure the promise must be"),
    "price_per_label": gettext_noop("the price of a label"),
    "compute_price_per_hour": gettext_noop("the price of computing"),
    "budget": gettext_noop("the budget"),
    "overlap": gettext_noop("how many people are asked about an image"),
    "overlap_share": gettext_noop("on which share of the images several people are asked"),
}


def purpose_words(purpose: str) -> str:
    """Return what the ledger booked in the page's language."""
    return gettext(PURPOSES.get(purpose, purpose))


def event_as_dict(event: Event, currency: str = "USD") -> dict[str, Any]:
    """Return an event as pages and sockets show it; money in the project's currency."""
    return {
        "seq": event.seq,
        "type": event.type,
        "at": event.created.isoformat(),
        "text": sentence(event.type, event.payload, currency),
    }


def sentence(type_: str, payload: dict[str, Any], currency: str = "USD") -> str:
    """Say what happened; the type itself where there is no sentence for it."""
    if type_ == "plan.updated":
        return _plan_updated(payload, currency)
    say = _SENTENCES.get(type_)
    return say(payload) if say else type_.replace(".", " ").replace("_", " ").capitalize()


def _always(text: str) -> Callable[[dict[str, Any]], str]:
    return lambda _payload: gettext(text)


def _import_finished(payload: dict[str, Any]) -> str:
    if payload.get("state") == "failed":
        reason = stored_words(str(payload.get("message") or "")) or gettext("see the images page")
        return gettext("An import failed: %(reason)s") % {"reason": reason}
    added = payload.get("added")
    if added is None:
        return gettext("An import ended")
    return gettext("An import added %(images)s") % {"images": images(int(added))}


_OPENED: dict[str, str] = {
    "test": gettext_noop("People are asked for labels for the test set"),
    "seed": gettext_noop("People are asked for labels for the first training set"),
    "train": gettext_noop("People are asked for labels for the training set"),
    "ahead": gettext_noop("People label images ahead while the model trains"),
    "audit": gettext_noop("People are asked for labels for the audit"),
    "residual": gettext_noop("People are asked for labels for the rest"),
    "": gettext_noop("People are asked for labels for the next batch"),
}
_OPENED_SIZE: dict[str, str] = {
    "test": gettext_noop("People are asked for %(n)s labels for the test set"),
    "seed": gettext_noop("People are asked for %(n)s labels for the first training set"),
    "train": gettext_noop("People are asked for %(n)s labels for the training set"),
    "ahead": gettext_noop("People can label up to %(n)s images ahead while the model trains"),
    "audit": gettext_noop("People are asked for %(n)s labels for the audit"),
    "residual": gettext_noop("People are asked for %(n)s labels for the rest"),
    "": gettext_noop("People are asked for %(n)s labels for the next batch"),
}
_CLOSED: dict[str, str] = {
    "test": gettext_noop("All labels for the test set are in"),
    "seed": gettext_noop("All labels for the first training set are in"),
    "train": gettext_noop("All labels for the training set are in"),
    "ahead": gettext_noop("The images that were labelled ahead go on with the next batch"),
    "audit": gettext_noop("All labels for the audit are in"),
    "residual": gettext_noop("All labels for the rest are in"),
    "": gettext_noop("All labels for the batch are in"),
}


def _of_purpose(words: dict[str, str], payload: dict[str, Any]) -> str:
    return gettext(words.get(str(payload.get("purpose")), words[""]))


def _batch_opened(payload: dict[str, Any]) -> str:
    size = payload.get("size")
    if size is None:
        return _of_purpose(_OPENED, payload)
    return _of_purpose(_OPENED_SIZE, payload) % {"n": number(int(size))}


def _batch_closed(payload: dict[str, Any]) -> str:
    return _of_purpose(_CLOSED, payload)


def _training_started(payload: dict[str, Any]) -> str:
    size = payload.get("size")
    if size is None:
        return gettext("A training began")
    return gettext("A training on %(images)s began") % {"images": images(int(size))}


def _run_changed(payload: dict[str, Any]) -> str:
    names = [gettext(_SETTINGS[what]) for what in payload.get("what", []) if what in _SETTINGS]
    if not names:
        return gettext("Settings changed")
    return gettext("Changed while the run goes on: %(settings)s") % {"settings": ", ".join(names)}


def _training_finished(payload: dict[str, Any]) -> str:
    seconds = payload.get("seconds") or payload.get("train_seconds")
    if seconds is None:
        return gettext("A training ended")
    return gettext("A training ended after %(time)s") % {"time": duration(float(seconds))}


def _plan_updated(payload: dict[str, Any], currency: str) -> str:
    decision = decision_words(payload, currency)
    if not decision:
        return gettext("A new plan was made")
    return gettext("New plan: the engine %(decision)s") % {"decision": decision}


def _machine_labelled(payload: dict[str, Any]) -> str:
    count = payload.get("count")
    if count is None:
        return gettext("Machine labels are stored")
    return gettext("The machine labelled %(images)s") % {"images": images(int(count))}


def _consensus_computed(payload: dict[str, Any]) -> str:
    changed = int(payload.get("changed") or 0)
    if not changed:
        return gettext("The answers of several people were put together anew; no label changed")
    return ngettext(
        "The answers of several people were put together anew; %(n)s label changed",
        "The answers of several people were put together anew; %(n)s labels changed",
        changed,
    ) % {"n": changed}


_STEERED: dict[str, str] = {
    "stop": gettext_noop("A manager stopped the training: what the machine may label is certified"),
    "audit": gettext_noop("A manager asked for the audit now"),
    "by_hand": gettext_noop("A manager lets people label the rest"),
    "reopen": gettext_noop("The finished project was opened again"),
    "acquisition": gettext_noop("A manager changed how images to label are chosen"),
    "architectures": gettext_noop("A manager changed which networks train"),
}


def _run_steered(payload: dict[str, Any]) -> str:
    if payload.get("undone"):
        return gettext("A manager took back what was asked of the run")
    action = str(payload.get("action") or "")
    return gettext(_STEERED.get(action, gettext_noop("A manager changed what the run does next")))


def _images_added(payload: dict[str, Any]) -> str:
    added = int(payload.get("added") or 0)
    if not added:
        return gettext("Images joined the running project")
    return gettext("Joined the running project: %(images)s") % {"images": images(added)}


_CLASSES: dict[str, str] = {
    "added": gettext_noop("A class was added while the run goes on"),
    "merged": gettext_noop("Classes were merged while the run goes on"),
}


def _classes_changed(payload: dict[str, Any]) -> str:
    if payload.get("undone"):
        return gettext("A change of the classes was taken back")
    what = str(payload.get("what") or "")
    return gettext(_CLASSES.get(what, gettext_noop("The classes changed while the run goes on")))


def _labels_changed(payload: dict[str, Any]) -> str:
    count = int(payload.get("images") or 0)
    if not count:
        return gettext("Labels were changed among the images")
    return gettext("Changed or sent to review among the images: %(images)s") % {
        "images": images(count)
    }


def _issues_found(payload: dict[str, Any]) -> str:
    found = payload.get("found")
    if found is None:
        return gettext("The search for likely label errors ended")
    return gettext("Likely label errors found: %(n)s") % {"n": number(int(found))}


def _curation_changed(payload: dict[str, Any]) -> str:
    words = {
        "done": gettext("The search for the best training set ended"),
        "failed": gettext("The search for the best training set failed"),
        "cancelled": gettext("The search for the best training set was cancelled"),
        "deleted": gettext("A search for the best training set was deleted"),
    }
    usual = gettext("A search for the best training set goes on")
    return words.get(str(payload.get("state")), usual)


def _with_reason(text: str) -> Callable[[dict[str, Any]], str]:
    def say(payload: dict[str, Any]) -> str:
        reason = payload.get("message") or payload.get("failure") or payload.get("reason")
        return f"{gettext(text)}: {stored_words(str(reason))}" if reason else gettext(text)

    return say


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "project.created": _always(gettext_noop("The project was made")),
    "project.changed": _always(gettext_noop("The project's settings or guidelines changed")),
    "project.archived": _always(gettext_noop("The project was archived or brought back")),
    "people.changed": _always(gettext_noop("Somebody joined, left, or has another role")),
    "person.paused": _always(gettext_noop("A person was paused: they get no images")),
    "person.resumed": _always(gettext_noop("A paused person gets images again")),
    "review.drawn": _always(gettext_noop("Images were drawn at random for the reviewers")),
    "import.progress": _always(gettext_noop("An import is adding images")),
    "import.finished": _import_finished,
    "run.started": _always(gettext_noop("The run started")),
    "run.paused": _always(gettext_noop("The run was paused")),
    "run.resumed": _always(gettext_noop("The run goes on")),
    "run.changed": _run_changed,
    "run.steered": _run_steered,
    "images.added": _images_added,
    "classes.changed": _classes_changed,
    "run.failed": _with_reason(gettext_noop("The run stopped")),
    "batch.opened": _batch_opened,
    "batch.closed": _batch_closed,
    "training.started": _training_started,
    "training.progress": _always(gettext_noop("The training goes on")),
    "training.finished": _training_finished,
    "training.failed": _with_reason(gettext_noop("A training failed")),
    "machine.labelled": _machine_labelled,
    "run.finished": _with_reason(gettext_noop("The run is finished")),
    "consensus.computed": _consensus_computed,
    "people.measured": _always(gettext_noop("The people's agreement and error were measured anew")),
    "labels.changed": _labels_changed,
    "issues.found": _issues_found,
    "curation.changed": _curation_changed,
    "export.finished": _always(
        gettext_noop("An export is ready or has failed: see the export page")
    ),
}
