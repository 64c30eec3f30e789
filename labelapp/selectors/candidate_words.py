"""What a candidate of the race is called, what it is for, what it costs, what is wrong with it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from labelapp import choices
from labelapp.engine_candidates import (
    MOST_MEMBERS,
    Parts,
    WrongCandidateError,
    canonical,
    parts_of,
    seen,
)
from labelapp.selectors.money_words import number
from labelapp.selectors.weight_files import missing_weights

WAYS: dict[str, str] = {
    "tuned": gettext_noop("pre-trained, fine-tuned"),
    "frozen": gettext_noop("pre-trained, frozen"),
    "pseudo": gettext_noop("with pseudo-labels"),
    "semi": gettext_noop("consistency training"),
}
"""Inside a name."""

PURPOSES: dict[str, str] = {
    choices.PLAIN: gettext_noop("It learns from people's labels alone."),
    "tuned": gettext_noop(
        "It has learnt to see on other images: where those look like yours that helps as long as "
        "labels are few."
    ),
    "frozen": gettext_noop(
        "It keeps what it learnt on other images and trains one layer: the images are looked at "
        "once, then a round takes seconds. With thousands of labels it falls behind."
    ),
    "pseudo": gettext_noop(
        "The surest machine labels of the last round train along; where this was measured it made "
        "no clear difference."
    ),
    "semi": gettext_noop(
        "Images without a label train along: where whole runs were measured they cost about a "
        "tenth less, with trainings about four times as long."
    ),
}
MEMBERS = gettext_noop("Its members' mean errs less, and where they disagree it is unsure.")

COMPLAINTS: dict[str, str] = {
    "an ensemble has at least one member": gettext_noop(
        "Checkpoints and runs are 1 or more: 1 of each is one network."
    ),
    f"an ensemble has at most {MOST_MEMBERS:,} members": gettext_noop(
        "An ensemble has at most 1,000 members: checkpoints times runs."
    ),
    "a linear head on frozen features has one best solution, so members would agree": gettext_noop(
        "A frozen network has one best last layer, so its members would agree: take 1 checkpoint "
        "and 1 run, or another way to train it."
    ),
    "consistency training starts from fresh weights": gettext_noop(
        "Consistency training starts from fresh weights, not from pre-trained ones."
    ),
    "consistency training makes pseudo-labels of its own": gettext_noop(
        "Consistency training makes pseudo-labels of its own: choose one of the two."
    ),
    "weights are either frozen or tuned": gettext_noop(
        "Pre-trained weights are either frozen or fine-tuned: choose one of the two."
    ),
}
"""What the engine says of parts that do not go together -> what people read."""


# --- what it is called ---------------------------------------------------------------------------


def network_name(net: str) -> str:
    """Return what a network is called inside a sentence; an unknown one by its own name."""
    return _(choices.SHORT.get(net) or choices.ARCHITECTURES.get(net) or net)


def candidate_name(name: str) -> str:
    """Return what a candidate is called: "ResNet-18, pre-trained, fine-tuned, mean of 5 runs".

    A name that the engine does not know is shown as it is.
    """
    try:
        parts = parts_of(name)
    except WrongCandidateError:
        return name
    ways = [_(words) for way, words in WAYS.items() if way in parts.ways]
    return ", ".join([network_name(parts.net), *ways, *_mean(parts)])


def candidate_names(names: list[str] | tuple[str, ...]) -> str:
    """Return several candidates in one line, "none" where there are none."""
    return "; ".join(candidate_name(name) for name in names) or _("none")


def _mean(parts: Parts) -> list[str]:
    runs, points = parts.seeds, parts.checkpoints
    words: dict[str, Any] = {"runs": number(runs), "points": number(points)}
    if parts.members == 1:
        return []
    if runs == 1:
        text = ngettext("mean of %(points)s checkpoint", "mean of %(points)s checkpoints", points)
    elif points == 1:
        text = ngettext("mean of %(runs)s run", "mean of %(runs)s runs", runs)
    else:
        text = ngettext(
            "mean of %(points)s checkpoints of each of %(runs)s run",
            "mean of %(points)s checkpoints of each of %(runs)s runs",
            runs,
        )
    return [text % words]


# --- what for, and what it costs -----------------------------------------------------------------


def candidate_about(name: str, training: dict[str, float] | None = None) -> str:
    """Say what a candidate is for and what it costs; empty for a name that the engine rejects.

    `training` are the run's settings of trainings: they decide how many images are seen.
    """
    try:
        parts = parts_of(name)
    except WrongCandidateError:
        return ""
    ways = [way for way in WAYS if way in parts.ways]
    said = [_(PURPOSES[way]) for way in ways or [choices.PLAIN]]
    if parts.members > 1:
        said.append(_(MEMBERS))
    return " ".join([*said, _costs(parts, name, training or {})])


def _costs(parts: Parts, name: str, training: dict[str, float]) -> str:
    trainings = ngettext("%(n)s training", "%(n)s trainings", parts.seeds)
    scorings = ngettext(
        "scores all images %(n)s time", "scores all images %(n)s times", parts.members
    )
    words = {
        "trainings": trainings % {"n": number(parts.seeds)},
        "scorings": scorings % {"n": number(parts.members)},
    }
    factor = seen(name, training) / parts.seeds
    if "frozen" in parts.ways or factor == 1:
        return _("Each round takes %(trainings)s and %(scorings)s.") % words
    words["factor"] = number(factor, 0 if factor == int(factor) else 1)
    if "semi" in parts.ways:
        text = _(
            "Each round takes %(trainings)s and %(scorings)s; a training sees %(factor)s times as "
            "many images as a plain one."
        )
    else:
        text = _(
            "Each round takes %(trainings)s and %(scorings)s; a training sees up to %(factor)s "
            "times as many images as a plain one."
        )
    return text % words


# --- what is wrong -------------------------------------------------------------------------------


def candidate_problem(name: str) -> str:
    """Say why a candidate cannot be chosen here; empty where it can.

    It must be one that the engine has, in its one spelling, of a network that pages offer, with
    weights to begin at where it is pre-trained.
    """
    try:
        parts, spelled = parts_of(name), canonical(name)
    except WrongCandidateError as error:
        return complaint(str(error), name)
    if parts.net not in choices.ARCHITECTURES:
        return _("There is no network %(names)s.") % {"names": parts.net}
    if spelled != name:
        return _("Write it as %(name)s.") % {"name": spelled}
    return missing_weights(parts.net) if parts.pretrained else ""


def complaint(text: str, name: str) -> str:
    """Return the engine's complaint about a candidate in the reader's words."""
    if text in COMPLAINTS:
        return _(COMPLAINTS[text])
    return _("%(name)s is not the name of a network and how it is trained.") % {"name": name}


def is_one_network(name: str) -> bool:
    """Tell whether a candidate has one member, which agrees with itself on everything."""
    try:
        return parts_of(name).members == 1
    except WrongCandidateError:
        return False
