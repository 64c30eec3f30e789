"""A report of the people in sentences: what was measured, what it says, what it does not."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labelapp.selectors.dashboard_words import chosen_share, number, share, upper_share
from labelapp.selectors.people_report import ConsensusState
from labelapp.selectors.stored_words import stored_words

Report = dict[str, Any]


def lines(report: Report) -> list[str]:
    """Return the machine's promise, the people's error, and both together, a sentence each."""
    found = [line for line in (machine_line(report), people_line(report)) if line]
    together = together_line(report)
    return [*found, together] if together else found


def machine_line(report: Report) -> str:
    """Say what the certificate bounds: the machine against people. Empty before there is one."""
    combined = report.get("combined")
    if not combined:
        return ""
    machine = combined["machine"]
    if not machine["labels"]:
        return _("The machine labelled nothing: every label was given by people.")
    return _(
        "Machine against people: at most %(wrong)s of its %(labels)s labels differ from what "
        "people say (%(share)s of all images, confidence %(confidence)s)."
    ) % {
        "wrong": number(machine["wrong_at_most"]),
        "labels": number(machine["labels"]),
        "share": upper_share(machine["share"]),
        "confidence": chosen_share(machine["confidence"]),
    }


def people_line(report: Report) -> str:
    """Say how often people are wrong, by the best source there is."""
    error = report["human_error"]
    if error["best"] is None:
        return _(
            "How often people are wrong was not measured: there is no reviewed sample, no gold, "
            "and no image with several answers."
        )
    found = error["sources"][error["best"]]
    values = {
        "share": share(found["share"]),
        "low": share(found["low"]),
        "high": share(found["high"]),
        "source": source_words(found["source"]),
        "confidence": chosen_share(report["confidence"]),
    }
    if found["kind"] == "bound":
        return (
            _(
                "People: %(share)s of what they say is wrong (%(low)s to %(high)s, confidence "
                "%(confidence)s), by %(source)s."
            )
            % values
        )
    return (
        _(
            "People: about %(share)s of their labels are wrong (%(low)s to %(high)s), estimated by "
            "%(source)s, which assumes that people err independently of one another."
        )
        % values
    )


def together_line(report: Report) -> str:
    """Say what both give for the delivered labels, or what is missing for that."""
    combined = report.get("combined")
    if not combined:
        return ""
    together = combined["together"]
    if together is None:
        return missing_words(combined["missing"])
    values = {
        "wrong": number(together["wrong_at_most"]),
        "images": number(combined["images"]),
        "share": upper_share(together["share"]),
        "confidence": chosen_share(together["confidence"]),
    }
    if together["kind"] == "bound":
        return (
            _(
                "Together: at most %(wrong)s of the %(images)s delivered labels are wrong "
                "(%(share)s, confidence %(confidence)s), mistakes of people included."
            )
            % values
        )
    estimate = (
        _(
            "Together: about %(wrong)s of the %(images)s delivered labels at most (%(share)s) are "
            "wrong, mistakes of people included. This is an estimate."
        )
        % values
    )
    return f"{estimate} {missing_words(combined['missing'])}"


def source_words(source: str) -> str:
    """Name what an estimate comes from, to stand after "by"."""
    return {
        "test_review": _("a review of test images, which were drawn from all images"),
        "review": _("a review of a random sample of the labels that people gave"),
        "gold": _("gold images, whose class is known"),
        "overlap": _("comparing several people's answers to the same images"),
    }.get(source, source)


def missing_words(code: str) -> str:
    """Say why there is no bound on all delivered labels, and what to do about it."""
    return {
        "no_measure": _(
            "Together: unknown, since the people's error was not measured. Have a reviewer look at "
            "a random sample of the test images."
        ),
        "only_human_labels": _(
            "Together: unknown, since the reviewed sample was drawn from the labels that people "
            "gave and says nothing about mistakes that people and machine would share. Have a "
            "reviewer look at test images."
        ),
        "not_representative": _(
            "Together: unknown, since gold images were not drawn by chance from all images. Have a "
            "reviewer look at test images."
        ),
        "only_estimated": _("For a bound, have a reviewer look at test images."),
    }.get(code, "")


def agreement_words(why: str) -> str:
    """Say why an agreement has no value or no interval."""
    return {
        "no_overlap": _("no image has answers of two people"),
        "one_class": _("everybody gave one and the same class, which chance would do as well"),
        "few_items": _("too few images with several answers for an interval"),
    }.get(why, "")


def consensus_line(state: ConsensusState) -> str:
    """Say what the last computation of the labels did, or that it failed; empty before any."""
    if state.running:
        return _("The labels are being put together anew.")
    if state.failure:
        return _("The labels could not be put together so, and stay as they were: %(why)s") % {
            "why": stored_words(state.failure)
        }
    if state.cancelled:
        return _(
            "Putting the labels together was cancelled: they stay as they were. The page of jobs "
            "does it again."
        )
    if state.images is None:
        return ""
    images = ngettext(
        "Last computed for %(n)s image with several answers;",
        "Last computed for %(n)s images with several answers;",
        state.images,
    ) % {"n": number(state.images)}
    changed = ngettext(
        "%(n)s label became another class.", "%(n)s labels became another class.", state.changed
    ) % {"n": number(state.changed)}
    return f"{images} {changed}"
