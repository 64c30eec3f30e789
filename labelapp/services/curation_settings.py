"""What somebody chose for a search for the best training set, checked field by field."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp import engine_search
from labelapp.choices import ACQUISITIONS as RUN_ACQUISITIONS
from labelapp.choices import ARCHITECTURES, DISAGREEMENT
from labelapp.selectors.weight_files import missing_weights

SCHEMES: dict[str, str] = {
    "build_up": gettext_noop("Build up: from a random draw, each stage twice as large"),
    "compress": gettext_noop("Compress: models of all labels choose at once"),
    "pretrain": gettext_noop("Pre-train: learn from all labels, go on with the part"),
}
"""How the models that choose and that are judged come to their weights (docs/search.md)."""

ACQUISITIONS: dict[str, str] = {
    name: RUN_ACQUISITIONS[name]
    for name in (
        "mutual_information",
        "variation_ratios",
        "entropy",
        "margin",
        "least_confidence",
        "k_center",
        "informativeness",
    )
} | {
    "error_count": gettext_noop("Error count: the members of an ensemble contradict the label"),
}
"""What a stage takes first. A random part is no choice: every search is compared with one."""

LABELS: dict[str, str] = {
    "all": gettext_noop("All labels, as they are delivered"),
    "human": gettext_noop("Only labels that people gave"),
}
"""Which labels take part."""

MOST_SEEDS = 10
UNRANKED = frozenset({"k_center"})
"""Has no most uncertain image that could be left out as an outlier; a test asks the engine."""


@dataclass(frozen=True)
class CurationSettings:
    """One search. Shares lie between 0 and 1; `acquirer` and `model` are names of candidates.

    `share` is of the images that are not held out, as `outliers` is; `held_out` of all that take
    part. Every one of `seeds` repeats the whole experiment.
    """

    share: float = 0.5
    scheme: str = "build_up"
    acquisition: str = "mutual_information"
    acquirer: str = "cnn_small+seeds=4"
    model: str = "cnn_small+seeds=4"
    outliers: float = 0.0
    seeds: tuple[int, ...] = (0,)
    held_out: float = 0.2
    compare: bool = True
    labels: str = "all"

    @classmethod
    def of(cls, values: dict[str, Any]) -> CurationSettings:
        """Return settings of JSON values; what is missing has its usual value. Never raises.

        Values of a wrong kind are kept as they are: `check` says so.
        """
        known = {field.name for field in fields(cls)}
        found = {name: value for name, value in values.items() if name in known}
        if isinstance(found.get("seeds"), list):
            found["seeds"] = tuple(found["seeds"])
        return cls(**found)

    def as_json(self) -> dict[str, Any]:
        """Return the values as they are stored."""
        return asdict(self) | {"seeds": list(self.seeds)}

    def check(self) -> dict[str, str]:
        """Return what is wrong, in words by the name of the field; nothing where all is well."""
        wrong = _about_shares(self) | _about_choices(self) | _about_seeds(self)
        if not wrong:
            wrong = _about_models(self)
        return wrong


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _about_shares(chosen: CurationSettings) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if _number(chosen.share) and chosen.share == 1:
        wrong["share"] = _("100 % are all images: there is nothing to search for.")
    elif not (_number(chosen.share) and 0 < chosen.share < 1):
        wrong["share"] = _("Give a share above 0 and below 100 %.")
    if not (_number(chosen.held_out) and 0 < chosen.held_out < 1):
        wrong["held_out"] = _("Give a share above 0 and below 100 %: these images judge.")
    if not (_number(chosen.outliers) and 0 <= chosen.outliers < 1):
        wrong["outliers"] = _("Give a share of 0 or more, below 100 %.")
    elif "share" not in wrong and chosen.share + chosen.outliers > 1:
        wrong["outliers"] = _("With so many left out as outliers too few are left to be kept.")
    elif chosen.outliers and str(chosen.acquisition) in UNRANKED:
        wrong["outliers"] = _("This way of choosing knows no outliers: leave them at 0.")
    return wrong


def _about_choices(chosen: CurationSettings) -> dict[str, str]:
    choices = {"scheme": SCHEMES, "acquisition": ACQUISITIONS, "labels": LABELS}
    wrong = {
        name: _("Choose one of: %(names)s.") % {"names": ", ".join(known)}
        for name, known in choices.items()
        if not isinstance(getattr(chosen, name), str) or getattr(chosen, name) not in known
    }
    compare: object = chosen.compare
    if not isinstance(compare, bool):
        wrong["compare"] = _("Say yes or no.")
    return wrong


def _about_seeds(chosen: CurationSettings) -> dict[str, str]:
    seeds: Any = chosen.seeds
    whole = isinstance(seeds, tuple) and all(type(one) is int for one in seeds)
    if not (whole and 1 <= len(seeds) <= MOST_SEEDS and len(set(seeds)) == len(seeds)):
        return {"seeds": _("Repeat it 1 to %(most)s times.") % {"most": MOST_SEEDS}}
    if not all(0 <= one < 2**31 for one in seeds):
        return {"seeds": _("Seeds are numbers from 0 to 2147483647.")}
    return {}


def _about_models(chosen: CurationSettings) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for name in ("acquirer", "model"):
        text = getattr(chosen, name)
        facts = engine_search.facts_of(text) if isinstance(text, str) else None
        if facts is None or facts.net not in ARCHITECTURES:
            wrong[name] = _("There is no such network.")
        elif facts.outside:
            wrong[name] = _(
                "It learns from images outside the part as well, so it can neither choose nor "
                "judge one."
            )
        elif name == "acquirer" and chosen.acquisition in DISAGREEMENT and facts.members < 2:
            wrong[name] = _(
                "One network alone cannot disagree with itself: give it two runs or checkpoints, "
                "or more, or choose images in another way."
            )
        elif name == "model" and chosen.scheme == "pretrain" and not facts.fresh:
            wrong[name] = _("Pre-training starts from fresh weights; this network brings its own.")
        elif not facts.fresh and (missing := missing_weights(facts.net)):
            wrong[name] = missing
    return wrong
