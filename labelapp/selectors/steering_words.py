"""What can be asked of a run, in words: one card per action, with its price before it is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from labelapp.models import Project
from labelapp.selectors import steering as found
from labelapp.selectors.dashboard_words import (
    images,
    money,
    money_range,
    number,
)
from labelapp.selectors.steering_reasons import OBSTACLES

TITLES: dict[str, str] = {
    "stop": gettext_noop("Stop now and certify"),
    "audit": gettext_noop("Buy the audit now"),
    "by_hand": gettext_noop("Let people label the rest"),
    "methods": gettext_noop("Networks and choice of images"),
    "reopen": gettext_noop("Open the project again"),
    "pause": gettext_noop("Pause"),
    "resume": gettext_noop("Go on"),
    "terms": gettext_noop("Promise, prices, budget"),
    "images": gettext_noop("Add images"),
    "classes": gettext_noop("Add or merge classes"),
}


@dataclass(frozen=True)
class Card:
    """One action: what it means, what it costs, and why it cannot be asked now, if so."""

    key: str
    title: str
    sentences: list[str]
    figures: list[tuple[str, str]] = field(default_factory=list)
    button: str = ""
    why_not: str = ""


# --- figures ------------------------------------------------------------------------------------


def _money(known: found.Known, amount: str | Decimal | float | None) -> str:
    return "" if amount is None else money(Decimal(str(amount)), known.project.currency)


def _figures(known: found.Known, said: dict[str, Any]) -> list[tuple[str, str]]:
    """Return money and images of an end, with what going on is expected to cost beside it."""
    rows = [(_("Spent so far"), _money(known, said["spent"]))]
    if said.get("now") is not None:
        rows.append((_("Still to pay"), _money(known, said["now"])))
    if float(said.get("training") or 0):
        rows.append((_("Of it, the last training"), _about_money(known, said["training"])))
    if said.get("total") is not None:
        rows.append((_("In all"), _money(known, said["total"])))
    plan = found.going_on(known)
    if plan is not None:
        stopped = known.run is not None and known.run.wish in found.WISHES
        label = _("Without what was asked") if stopped else _("Going on as planned")
        spread = money_range(plan["low80"], plan["high80"], known.project.currency)
        value = _money(known, plan["value"])
        rows.append((label, f"{value} ({spread})" if spread else value))
    return rows


def _about_money(known: found.Known, amount: str) -> str:
    return _("about %(money)s") % {"money": _money(known, amount)}


def _about(said: dict[str, Any], known: found.Known) -> str:
    """Return what a button says behind its verb: the money that is still to pay."""
    if said.get("now") is None:
        return ""
    return _(": about %(money)s more") % {"money": _money(known, said["now"])}


# --- cards --------------------------------------------------------------------------------------


def cards(known: found.Known) -> list[Card]:
    """Return all actions in the order of the page."""
    if known.run is not None and known.run.finished is not None:
        return [_reopen(known), images_card(known)]
    ends = [_stop(known, "stop")]
    if known.project.certificate != "audit":
        ends.append(_stop(known, "audit"))
    return [_pause(known), *ends, _by_hand(known), _terms(known), images_card(known)]


def methods_card(known: found.Known) -> Card:
    """Return the words of the form for networks and the choice of images."""
    price, more = known.training_price, []
    if price is not None:
        more.append(
            _("One network's last training cost %(money)s; each is trained every round, and paid.")
            % {"money": _money(known, price)}
        )
    return Card(
        "methods",
        _(TITLES["methods"]),
        [
            _(
                "A new network trains from the next training on, and is dropped once it is unlikely "
                "to be the cheapest. Another choice of images is used from the next batch on. What "
                "earlier trainings showed stays known."
            ),
            *more,
        ],
        button=_("Use these from now on"),
        why_not=_why(known, "methods"),
    )


def classes_card(known: found.Known) -> Card:
    """Return the words of the forms for classes, and what they mean for B and T."""
    said = found.consequence(known, "classes")
    add = _(
        "A new class: nobody has given it yet, so neither the training set nor the test set has an "
        "image of it. People can choose it from now on. Images of it that were labelled before "
        "keep their label until somebody corrects them, and until then the measured error does "
        "not know the class; an audit that follows does, for people check with the new list."
    )
    look = _("To look through the test set once more costs %(money)s (%(images)s).")
    test = {
        "money": _money(known, said.get("test_cost") or 0),
        "images": images(said.get("test", 0)),
    }
    merge = _(
        "Merged classes: labels and answers of the one count as the other's from now on, in the "
        "training set and the test set, at no cost. What earlier trainings took for the other of "
        "the two still counts as an error in their measures, so the forecast is careful until "
        "the next trainings."
    )
    return Card(
        "classes",
        _(TITLES["classes"]),
        [add, look % test, merge],
        why_not=_why(known, "classes"),
    )


def _why(known: found.Known, what: str) -> str:
    name = found.obstacle(known, what)
    return _(OBSTACLES[name]) if name else ""


def _pause(known: found.Known) -> Card:
    if known.project.status == Project.Status.PAUSED:
        words = _("People get images again, and trainings start again. Nothing was lost.")
        return Card("resume", _(TITLES["resume"]), [words], button=_("Go on"))
    words = _(
        "Costs nothing. People get no new images and no training starts; what runs goes on to its "
        "end, and answers that are on their way are taken. Go on at any time."
    )
    return Card(
        "pause", _(TITLES["pause"]), [words], button=_("Pause"), why_not=_why(known, "pause")
    )


def _stop(known: found.Known, what: str) -> Card:
    why = _why(known, what)
    said = found.consequence(known, what)
    verb = _("Stop now") if what == "stop" else _("Stop now and buy the audit")
    return Card(
        what,
        _(TITLES[what]),
        [_phase(known), *_outcome(known, what, said)],
        _figures(known, said),
        verb + _about(said, known),
        why,
    )


def _phase(known: found.Known) -> str:
    """Say what happens first, where the run stands now."""
    if known.phase == "label":
        return _(
            "The open batch closes: what nobody has looked at is asked no more. The model learns "
            "from the rest, once, if there is anything new."
        )
    if known.phase == "train":
        return _("The training that runs is the last one.")
    if known.phase == "audit":
        return _("The check of the machine goes on, and no further attempt follows it.")
    left = known.batch.remaining if known.batch is not None else 0
    price = _money(known, left * known.price)
    return ngettext(
        "The %(n)s label that is asked for now is still needed (%(price)s), then the model trains "
        "once.",
        "The %(n)s labels that are asked for now are still needed (%(price)s), then the model "
        "trains once.",
        left,
    ) % {"n": number(left), "price": price}


def _outcome(known: found.Known, what: str, said: dict[str, Any]) -> list[str]:
    if said.get("machine") is None:
        most = known.spent + known.left * known.price
        text = _(
            "How much the machine can label is not known before the first training. It costs at "
            "most %(money)s in all, if people label every image."
        )
        return [text % {"money": _money(known, most)}]
    facts = {"machine": images(int(said["machine"])), "people": images(int(said["people"]))}
    audited = what == "audit" or known.project.certificate == "audit"
    if not said["machine"]:
        return [_("As far as the last training shows, the machine could label nothing yet.")]
    if not audited:
        text = _(
            "As the last training stands, the machine labels %(machine)s and people label the "
            "other %(people)s. The error is estimated from the test set."
        )
        return [text % facts]
    check = {"audit": images(int(said["audit"])), "cost": _money(known, said["audit_cost"])}
    text = _(
        "As the last training stands, the machine labels %(machine)s. People first check about "
        "%(audit)s of what it would label (%(cost)s), in an order that is fixed before, and label "
        "the rest: %(people)s with those that they check."
    )
    return [text % {**facts, **check}]


def _by_hand(known: found.Known) -> Card:
    said = found.consequence(known, "by_hand")
    left = int(said.get("people") or 0)
    text = ngettext(
        "People label the %(n)s image that has no label yet. The machine labels nothing, so no "
        "check and no promise are needed.",
        "People label the %(n)s images that have no label yet. The machine labels nothing, so no "
        "check and no promise are needed.",
        left,
    )
    sentences = [text % {"n": number(left)}]
    if known.phase == "train":
        sentences.append(
            _("The training that runs goes on to its end and is paid; it is the last.")
        )
    return Card(
        "by_hand",
        _(TITLES["by_hand"]),
        sentences,
        _figures(known, said),
        _("Label the remaining %(images)s by people%(about)s")
        % {"images": images(left), "about": _about(said, known)},
        _why(known, "by_hand"),
    )


def _terms(known: found.Known) -> Card:
    words = _(
        "Another share of wrong labels, another confidence, price or budget: see beforehand what "
        "the run would then cost, side by side with the present plan. The next plan uses them."
    )
    return Card("terms", _(TITLES["terms"]), [words], button=_("Try it out"))


def images_card(known: found.Known) -> Card:
    """Say what new images mean for a run that has begun."""
    words = [
        _(
            "New images join the pool when the batch or the training that runs is over. Some of "
            "them, drawn at random, join the test set, so that it stays a fair part of all that is "
            "left. A check of the machine that goes on ends; what people looked at is used."
        )
    ]
    if known.run is not None and known.run.finished is not None:
        words = [_("Images can be added now; they wait until the project is opened again.")]
    each = found.image_share(known)
    if each is not None and known.phase not in found.ENDING:
        marks, cost = each
        text = _(
            "For each %(n)s images about %(marks)s test labels are bought first (%(cost)s). What "
            "the others cost, the next plan says."
        )
        facts = {"n": number(found.FIRST), "marks": number(marks), "cost": _money(known, cost)}
        words.append(text % facts)
    return Card(
        "images",
        _(TITLES["images"]),
        words,
        _waiting(known),
        _("Add images"),
        _why(known, "images"),
    )


def _waiting(known: found.Known) -> list[tuple[str, str]]:
    count = known.waiting_images
    return [(_("Waiting to join"), images(count))] if count else []


def _reopen(known: found.Known) -> Card:
    said = found.consequence(known, "reopen")
    machine = int(said.get("machine") or 0)
    sentences = [
        _(
            "The machine's labels (%(images)s) are withdrawn and the certificate is superseded; "
            "both are kept in the log. Every label that people gave stays paid and teaches the "
            "model."
        )
        % {"images": images(machine)}
    ]
    if said.get("now") is not None:
        text = _("First the model trains once (about %(money)s), then the engine plans anew.")
        sentences.append(text % {"money": _money(known, said["now"])})
    if count := int(said.get("people") or 0):
        text = _("%(images)s that came since join the pool.")
        sentences.append(text % {"images": images(count)})
    sentences += _scant_budget(known, said)
    rows = [(_("Spent so far"), _money(known, said["spent"]))]
    if said.get("total") is not None:
        rows.append(
            (_("At most, if people label all that is open again"), _money(known, said["total"]))
        )
    return Card(
        "reopen",
        _(TITLES["reopen"]),
        sentences,
        rows,
        _("Open it again"),
        _why(known, "reopen"),
    )


def _scant_budget(known: found.Known, said: dict[str, Any]) -> list[str]:
    """Warn where the budget may not pay for another end as good as this one."""
    budget = known.project.budget
    if budget is None or said.get("total") is None or float(said["total"]) <= budget:
        return []
    text = _(
        "Of the budget of %(budget)s there is %(left)s left. The less of it remains for a check of "
        "the machine's labels, the larger is the error that the new certificate states; where it "
        "could only be larger than now, the project is not opened. A larger budget can be given here."
    )
    left = max(float(budget) - float(said["spent"]), 0.0)
    return [text % {"budget": _money(known, float(budget)), "left": _money(known, left)}]


# --- what it was asked for ------------------------------------------------------------------------


def wish(known: found.Known) -> str:
    """Say what the run was asked for and will do; empty where nothing is."""
    asked = "" if known.run is None or known.run.finished is not None else known.run.wish
    sentences = {
        "stop": _("The run was asked to stop: it ends after this step."),
        "audit": _("The run was asked to stop and to buy the audit: it ends after this step."),
        "by_hand": _("People label the rest; the machine labels nothing."),
    }
    return sentences.get(asked, "")
