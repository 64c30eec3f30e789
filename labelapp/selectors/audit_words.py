"""The audit log in words: what an action is called, what changed, in the reader's language."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labelapp.models import AuditLog
from labelapp.selectors.people import ROLE_WORDS

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
    "images.added": gettext_lazy("added images to the run"),
    "import.started": gettext_lazy("started an import"),
    "import.cancelled": gettext_lazy("cancelled an import"),
    "export.started": gettext_lazy("had a file made for export"),
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
    "sign_on.connected": gettext_lazy("connected single sign-on"),
    "sign_on.disconnected": gettext_lazy("disconnected single sign-on"),
    "sign_on.took_over": gettext_lazy("took the account over by single sign-on"),
    "token.created": gettext_lazy("made an access token"),
    "token.revoked": gettext_lazy("revoked an access token"),
    "job.cancelled": gettext_lazy("cancelled a job"),
    "job.retried": gettext_lazy("started a job again"),
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
        ("reset_link.", "password.", "second_factor.", "recovery_codes.", "sign_on.", "token."),
    ),
    "project": (
        gettext_lazy("Project, guidelines and classes"),
        ("project.", "guidelines.", "classes.", "consensus."),
    ),
    "run": (gettext_lazy("The run"), ("run.", "job.")),
    "images": (
        gettext_lazy("Images and labels"),
        (
            "image.",
            "images.",
            "import.",
            "labels.",
            "issues.",
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
    "active": gettext_lazy("active"),
    "label": gettext_lazy("label"),
    "status": gettext_lazy("status"),
}
MOST = 12  # fields of one entry that are shown
LONGEST = 80  # characters of one value


def action_words(action: str) -> str:
    """Return what was done; the code itself where it has no words."""
    return str(ACTIONS.get(action, action))


def changes(entry: AuditLog) -> list[str]:
    """Return what is different now, a line each: `role: annotator → manager`."""
    before, after = _flat(entry.before), _flat(entry.after)
    names = list(dict.fromkeys([*before, *after]))
    lines = [_line(name, before, after) for name in names if before.get(name) != after.get(name)]
    if len(lines) > MOST:
        rest = len(lines) - MOST
        return [*lines[:MOST], _("and %(count)s more") % {"count": rest}]
    return lines


def _flat(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else {"": values}


def _line(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    words = str(FIELDS.get(name, name.replace("_", " ")))
    if name not in before:
        return f"{words}: {_value(name, after[name])}"
    if name not in after:
        return _("%(field)s was: %(value)s") % {
            "field": words,
            "value": _value(name, before[name]),
        }
    return f"{words}: {_value(name, before[name])} → {_value(name, after[name])}"


def _value(name: str, value: Any) -> str:
    if value is None or value == "":
        return _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        value = ", ".join(str(one) for one in value) or _("none")
    if name == "role" and value in ROLE_WORDS:
        value = _(ROLE_WORDS[value])
    text = str(value)
    return f"{text[:LONGEST]}…" if len(text) > LONGEST else text
