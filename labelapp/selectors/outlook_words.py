"""Words for what is to come, the same on every page: totals, changes, and kinds of error figures.

A share of wrong labels is estimated (expected from the curves), a bound ("at most", with its
confidence), or certified by an audit. Which of the three stands beside each figure.
"""

from __future__ import annotations

from django.utils.translation import gettext, gettext_noop

from labelapp.models import Project
from labelapp.selectors.money_words import chosen_share

TITLES: dict[str, str] = {
    "plan": gettext_noop("Forecast total"),
    "stop": gettext_noop("Total after the stop"),
    "rest": gettext_noop("Total with the rest by people"),
    "spent": gettext_noop("Spent in total"),
}
"""What the large figure is, by `outlook.Total.kind`."""

CHANGED: dict[str, str] = {
    "terms": gettext_noop(
        "The settings changed after the last training. The figures count with them already; they "
        "are worked out from what that training measured."
    ),
    "classes": gettext_noop(
        "The classes changed after the last training. The figures are worked out with the classes "
        "of now from what that training measured."
    ),
    "methods": gettext_noop(
        "The networks or the choice of images changed after the last training. What that brings, "
        "the next training shows."
    ),
    "grown": gettext_noop(
        "Images joined after the last training. The forecast counts them from the next training on."
    ),
    "check": gettext_noop(
        "A check of the machine ended without a certificate. The next one has to be stricter, "
        "which the figures count already; that its images join the training set they count from "
        "the next training on."
    ),
    "reopened": gettext_noop(
        "The project was opened again. Until the next training the forecast rests on what earlier "
        "ones measured of the images that are open again, which is an approximation."
    ),
}
"""What has changed since the last training, by `outlook.Outlook.changed`."""


def title(kind: str) -> str:
    """Return what the total is called."""
    return gettext(TITLES[kind])


def changes(found: tuple[str, ...]) -> list[str]:
    """Return a sentence for each change since the last training."""
    return [gettext(CHANGED[name]) for name in found]


# --- kinds of error figures -----------------------------------------------------------------------


def estimated() -> str:
    """Return the kind of an expected error."""
    return gettext("estimated")


def promised(project: Project, confidence: float | None = None) -> str:
    """Return the kind of what the run will promise: certified by an audit, or a bound from T."""
    words = {"confidence": chosen_share(project.confidence if confidence is None else confidence)}
    if project.certificate == Project.CertificateKind.AUDIT:
        return (
            gettext("at most, to be certified by an audit with %(confidence)s confidence") % words
        )
    return gettext("at most, with %(confidence)s confidence, estimated from the test set") % words


def of_present(project: Project, *, forced: bool) -> str:
    """Return the kind of the error of stopping now: a bound under `test_set`, else expected."""
    if forced or project.certificate == Project.CertificateKind.AUDIT:
        return estimated()
    return promised(project)
