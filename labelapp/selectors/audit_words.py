"""The audit log in words: what an action is called, what changed, in the reader's language."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import AuditLog
from labelapp.selectors.candidate_words import candidate_names
from labelapp.selectors.money_words import chosen_share, money, price
from labelapp.selectors.people import ROLE_WORDS
from labelapp.selectors.quality import pause_words
from labelapp.selectors.steering_words import TITLES

Words = str | Promise

ACTIONS: dict[str, Words] = {
    "project.created": gettext_lazy("made the project"),
    "project.renamed": gettext_lazy("renamed the project"),
    "project.changed": gettext_lazy("changed the settings"),
    "project.archived": gettext_lazy("archived the project"),
    "project.unarchived": gettext_lazy("brought the project back"),
    "project.restored": gettext_lazy("brought the project back"),
    "project.deleted": gettext_lazy("deleted the project"),
    "guidelines.changed": gettext_lazy("changed the guidelines"),
    "consensus.chosen": gettext_lazy("chose how several answers become a label"),
    "consensus.computed": gettext_lazy("computed the labels of images with several answers"),
    "classes.added": gettext_lazy("added classes"),
    "classes.merged": gettext_lazy("merged classes"),
    "run.started": gettext_lazy("started the run"),
    "run.paused": gettext_lazy("paused the run"),
    "run.resumed": gettext_lazy("let the run go on"),
    "run.changed": gettext_lazy("changed target, prices or budget during the run"),
    "run.steered": gettext_lazy("steered the run"),
    "run.steering_undone": gettext_lazy("took a step of steering back"),
    "labels.changed": gettext_lazy("changed a label"),
    "bulk.started": gettext_lazy("started a bulk action"),
    "bulk.undone": gettext_lazy("took a bulk action back"),
    "issue.change": gettext_lazy("changed a label that was likely wrong"),
    "issue.review": gettext_lazy("sent a label that was likely wrong to review"),
    "issue.right": gettext_lazy("found a doubted label right"),
    "images.added": gettext_lazy("added images to the run"),
    "import.started": gettext_lazy("started an import"),
    "import.cancelled": gettext_lazy("cancelled an import"),
    "export.started": gettext_lazy("had a file made for export"),
    "curation.started": gettext_lazy("started a search for the best training set"),
    "curation.cancelled": gettext_lazy("cancelled a search for the best training set"),
    "curation.deleted": gettext_lazy("deleted a search for the best training set"),
    "image.excluded": gettext_lazy("excluded an image"),
    "image.readmitted": gettext_lazy("readmitted an image"),
    "task.recalled": gettext_lazy("took a task back from somebody"),
    "review.drawn": gettext_lazy("drew random samples for review"),
    "gold.switched": gettext_lazy("switched a gold image on or off"),
    "gold.removed": gettext_lazy("removed a gold image"),
    "gold.file": gettext_lazy("brought gold in"),
    "person.joined": gettext_lazy("joined by single sign-on"),
    "person.paused": gettext_lazy("paused a person"),
    "person.resumed": gettext_lazy("gave a paused person images again"),
    "person.deactivated": gettext_lazy("deactivated an account"),
    "person.reactivated": gettext_lazy("brought an account back"),
    "role.changed": gettext_lazy("changed a role"),
    "member.removed": gettext_lazy("removed a person"),
    "member.left": gettext_lazy("left the project"),
    "invitation.created": gettext_lazy("invited somebody"),
    "invitation.sent_again": gettext_lazy("sent an invitation again"),
    "invitation.revoked": gettext_lazy("took an invitation back"),
    "invitation.accepted": gettext_lazy("accepted an invitation"),
    "reset_link.created": gettext_lazy("made a link for a new password"),
    "reset_link.used": gettext_lazy("set a new password by a link"),
    "password.changed": gettext_lazy("changed the password"),
    "second_factor.on": gettext_lazy("set up a second factor"),
    "second_factor.off": gettext_lazy("switched the second factor off"),
    "second_factor.removed": gettext_lazy("removed the second factor of somebody"),
    "recovery_codes.made": gettext_lazy("made new recovery codes"),
    "sign_in.done": gettext_lazy("signed in"),
    "sign_in.refused": gettext_lazy("refused a sign-in or a confirmation"),
    "sign_on.connected": gettext_lazy("connected single sign-on"),
    "sign_on.disconnected": gettext_lazy("disconnected single sign-on"),
    "sign_on.took_over": gettext_lazy("took the account over by single sign-on"),
    "token.created": gettext_lazy("made an access token"),
    "token.revoked": gettext_lazy("revoked an access token"),
    "job.cancelled": gettext_lazy("cancelled a job"),
    "job.repeated": gettext_lazy("started a job again"),
    "notifications.changed": gettext_lazy("changed when to be notified"),
    "webhook.created": gettext_lazy("made a webhook"),
    "webhook.changed": gettext_lazy("changed a webhook"),
    "webhook.deleted": gettext_lazy("removed a webhook"),
    "webhook.secret_shown": gettext_lazy("looked at a webhook's secret"),
    "webhook.secret_changed": gettext_lazy("made a new secret for a webhook"),
}
"""What somebody did, after their name. A code without words is shown as it is."""

FAMILIES: dict[str, tuple[Words, tuple[str, ...]]] = {
    "people": (
        gettext_lazy("People and invitations"),
        ("person.", "role.", "member.", "invitation."),
    ),
    "sign_in": (
        gettext_lazy("Sign-in and access tokens"),
        (
            "reset_link.",
            "password.",
            "second_factor.",
            "recovery_codes.",
            "sign_in.",
            "sign_on.",
            "token.",
        ),
    ),
    "project": (
        gettext_lazy("Project, guidelines and classes"),
        ("project.", "guidelines.", "classes.", "consensus."),
    ),
    "run": (gettext_lazy("The run"), ("run.", "job.", "curation.")),
    "images": (
        gettext_lazy("Images and labels"),
        (
            "image.",
            "images.",
            "import.",
            "labels.",
            "issue.",
            "bulk.",
            "review.",
            "task.",
            "gold.",
        ),
    ),
    "out": (
        gettext_lazy("Exports, webhooks, notifications"),
        ("export.", "webhook.", "notifications."),
    ),
}
"""What the page can be narrowed to: a name, and how the codes of its actions begin."""

FIELDS: dict[str, Words] = {
    "role": gettext_lazy("role"),
    "name": gettext_lazy("name"),
    "reason": gettext_lazy("reason"),
    "epsilon": gettext_lazy("wrong labels allowed"),
    "confidence": gettext_lazy("confidence"),
    "price_per_label": gettext_lazy("price of a label"),
    "compute_price_per_hour": gettext_lazy("price of an hour of computing"),
    "budget": gettext_lazy("budget"),
    "currency": gettext_lazy("currency"),
    "overlap": gettext_lazy("answers per image"),
    "certificate": gettext_lazy("kind of the promise"),
    "acquisition": gettext_lazy("what people label next"),
    "certainty": gettext_lazy("what the machine may label"),
    "arch": gettext_lazy("network"),
    "rivals": gettext_lazy("other networks"),
    "consensus": gettext_lazy("how answers become a label"),
    "scopes": gettext_lazy("may be used for"),
    "days": gettext_lazy("days"),
    "by": gettext_lazy("by"),
    "active": gettext_lazy("active"),
    "label": gettext_lazy("label"),
    "status": gettext_lazy("status"),
    "action": gettext_lazy("what was done"),
    "class": gettext_lazy("number of the class"),
    "query": gettext_lazy("filter"),
    "curation": gettext_lazy("number of the search"),
    "part": gettext_lazy("part"),
    "total": gettext_lazy("images"),
    "said_now": gettext_lazy("still to pay, as said before"),
    "said_total": gettext_lazy("in all, as said before"),
    "said_instead": gettext_lazy("instead of, as said before"),
}
BULK: dict[str, Words] = {
    "review": gettext_lazy("send to review"),
    "label": gettext_lazy("give this label"),
    "exclude": gettext_lazy("exclude"),
    "readmit": gettext_lazy("ask again"),
}
"""What a bulk action does to each of its images."""
MOST = 12  # fields of one entry that are shown
LONGEST = 120  # characters of one value
SHARES = ("epsilon", "confidence", "overlap_share", "gold_share", "notify_move", "notify_budget")
PRICES = ("price_per_label", "compute_price_per_hour")
AMOUNTS = (
    "price_per_label",
    "compute_price_per_hour",
    "budget",
    "said_now",
    "said_total",
    "said_instead",
)


def action_words(action: str) -> str:
    """Return what was done; the code itself where it has no words."""
    return str(ACTIONS.get(action, action))


def target_words(entry: AuditLog) -> str:
    """Return what it was done to; steps of steering by their names."""
    if entry.action.startswith("run.steer") and entry.target in TITLES:
        return _(TITLES[entry.target])
    return entry.target


def changes(entry: AuditLog) -> list[str]:
    """Return what is different now, a line each: `role: annotator → manager`."""
    currency = entry.project.currency if entry.project else ""
    lines = change_lines(_flat(entry.before), _flat(entry.after), currency)
    if len(lines) > MOST:
        rest = len(lines) - MOST
        return [*lines[:MOST], _("and %(count)s more") % {"count": rest}]
    return lines


def change_lines(before: dict[str, Any], after: dict[str, Any], currency: str) -> list[str]:
    """Return a line for each value that differs; amounts in this currency."""
    names = list(dict.fromkeys([*before, *after]))
    return [
        _line(name, before, after, currency)
        for name in names
        if before.get(name) != after.get(name)
    ]


def _flat(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        return {"": values}
    said = values.get("said")  # the consequence that was shown before a step of steering
    if not isinstance(said, dict):
        return values
    rest = {name: value for name, value in values.items() if name != "said"}
    shown = ("now", "total", "instead")
    return rest | {f"said_{one}": said[one] for one in shown if said.get(one) is not None}


def _line(name: str, before: dict[str, Any], after: dict[str, Any], currency: str) -> str:
    words = str(FIELDS.get(name, name.replace("_", " ")))
    now = _value(name, after.get(name), currency)
    was = _value(name, before.get(name), currency)
    if name not in before:
        return f"{words}: {now}"
    if name not in after:
        return _("%(field)s was: %(value)s") % {"field": words, "value": was}
    return f"{words}: {was} → {now}"


def _value(name: str, value: Any, currency: str) -> str:
    if value is None or value in ("", [], {}):
        return _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name in SHARES and isinstance(value, float):
        return chosen_share(value)
    if name in AMOUNTS and currency:
        return _money(name, value, currency)
    if name == "action" and isinstance(value, str) and value in BULK:
        return str(BULK[value])
    if name == "role" and value in ROLE_WORDS:
        return _(ROLE_WORDS[value])
    if name in ("arch", "rivals"):
        return candidate_names([value] if isinstance(value, str) else list(value))
    text = pause_words(value) if name == "reason" and isinstance(value, str) else _plain(value)
    return f"{text[:LONGEST]}…" if len(text) > LONGEST else text


def _money(name: str, value: Any, currency: str) -> str:
    try:
        return (price if name in PRICES else money)(Decimal(str(value)), currency)
    except ArithmeticError:
        return str(value)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(one)}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
