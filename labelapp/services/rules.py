"""A project's rules for its people: how often images are asked, gold, skips, what is shown.

They can change while the run goes on: batches that are opened from then on follow the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import LabelClass, Project
from labelapp.rights import Right
from labelapp.selectors.projects import Access, active_classes
from labelapp.services import audit

MAX_OVERLAP = 9
MAX_GOLD_SHARE = 0.5
MAX_GOLD_FIRST = 200
MAX_PAUSE_AFTER = 1_000
MAX_ALIASES = 20
MAX_ALIAS = 80


@dataclass(frozen=True)
class Rules:
    """Shares are of 1. `overlap_max` 0: nobody is asked beyond `overlap`."""

    overlap: int = 1
    overlap_share: float = 1.0
    overlap_max: int = 0
    skip_policy: str = Project.SkipPolicy.OTHERS
    predictions: bool = True
    label_ahead: bool = True
    gold_share: float = 0.0
    gold_first: int = 0
    gold_pause_below: float | None = None
    gold_pause_after: int = 20

    def check(self) -> dict[str, str]:
        """Return what is wrong, by field; empty when all is well."""
        return {**self._overlap_problems(), **self._gold_problems()}

    def _overlap_problems(self) -> dict[str, str]:
        wrong = {}
        if not 1 <= self.overlap <= MAX_OVERLAP:
            wrong["overlap"] = _("Between 1 and %(most)s people.") % {"most": MAX_OVERLAP}
        if not 0 < self.overlap_share <= 1:
            wrong["overlap_share"] = _("The share must lie above 0 %, up to 100 %.")
        if self.overlap_max and not max(self.overlap, 1) < self.overlap_max <= MAX_OVERLAP:
            wrong["overlap_max"] = _(
                "Leave it empty, or give more people than are asked at first, up to %(most)s."
            ) % {"most": MAX_OVERLAP}
        elif self.overlap_max and self.overlap < 2:
            wrong["overlap_max"] = _("One answer cannot disagree: ask at least two people first.")
        if self.skip_policy not in Project.SkipPolicy.values:
            wrong["skip_policy"] = _("Choose one of the three.")
        return wrong

    def _gold_problems(self) -> dict[str, str]:
        wrong = {}
        if not 0 <= self.gold_share <= MAX_GOLD_SHARE:
            wrong["gold_share"] = _("Between 0 % and 50 %.")
        if not 0 <= self.gold_first <= MAX_GOLD_FIRST:
            wrong["gold_first"] = _("Between 0 and %(most)s images.") % {"most": MAX_GOLD_FIRST}
        if self.gold_pause_below is not None and not 0 < self.gold_pause_below <= 1:
            wrong["gold_pause_below"] = _("Leave it empty, or give a share above 0 %, up to 100 %.")
        if not 1 <= self.gold_pause_after <= MAX_PAUSE_AFTER:
            most = f"{MAX_PAUSE_AFTER:,}"
            wrong["gold_pause_after"] = _("Between 1 and %(most)s answers.") % {"most": most}
        return wrong


def rules_of(project: Project) -> Rules:
    """Return the rules that a project has."""
    return Rules(**{field.name: getattr(project, field.name) for field in fields(Rules)})


def change_rules(*, access: Access, rules: Rules) -> bool:
    """Give the project these rules; False if nothing differs.

    Raises ForbiddenError, InvalidInputError naming what is wrong, ConflictError when the run is
    finished.
    """
    _need(access)
    if wrong := rules.check():
        raise InvalidInputError(_("Some values cannot be used."), **wrong)
    with transaction.atomic():
        project = Project.objects.select_for_update(no_key=True).get(pk=access.project.pk)
        if project.status == Project.Status.FINISHED:
            raise ConflictError(_("The run is finished: nobody is asked any more."))
        before, after = asdict(rules_of(project)), asdict(rules)
        changed = sorted(name for name in after if before[name] != after[name])
        if not changed:
            return False
        Project.objects.filter(pk=project.pk).update(**{name: after[name] for name in changed})
        _log(
            access,
            {name: before[name] for name in changed},
            {name: after[name] for name in changed},
        )
    access.project.refresh_from_db()
    return True


def set_aliases(*, access: Access, aliases: Mapping[int, list[str]]) -> bool:
    """Give classes (by index) other names that the search finds; False if nothing differs.

    Classes that are not named lose theirs. Raises ForbiddenError, InvalidInputError (`aliases`).
    """
    _need(access)
    with transaction.atomic():
        classes = active_classes(access.project)
        wanted = {c.index: _cleaned(aliases.get(c.index, [])) for c in classes}
        if problem := _alias_problem(classes, wanted):
            raise InvalidInputError(problem, aliases=problem)
        changed = [c for c in classes if c.aliases != wanted[c.index]]
        if not changed:
            return False
        before = {c.name: c.aliases for c in changed}
        for label_class in changed:
            label_class.aliases = wanted[label_class.index]
        LabelClass.objects.bulk_update(changed, ["aliases"], batch_size=500)
        _log(access, before, {c.name: c.aliases for c in changed})
    return True


def _cleaned(names: list[str]) -> list[str]:
    """Return the names without spaces around them, each once, in their order."""
    tidy = (" ".join(name.split()) for name in names)
    return list(dict.fromkeys(name for name in tidy if name))


def _alias_problem(classes: list[LabelClass], wanted: Mapping[int, list[str]]) -> str:
    taken = {c.name.casefold(): c.name for c in classes}
    for label_class in classes:
        names = wanted[label_class.index]
        if len(names) > MAX_ALIASES:
            text = _("At most %(most)s other names for one class: %(name)s has more.")
            return text % {"most": MAX_ALIASES, "name": label_class.name}
        for name in names:
            if len(name) > MAX_ALIAS:
                return _("This name is too long: %(name)s") % {"name": f"{name[:40]}…"}
            owner = taken.setdefault(name.casefold(), label_class.name)
            if owner != label_class.name or name.casefold() == label_class.name.casefold():
                text = _("“%(alias)s” is a name of the class %(name)s already.")
                return text % {"alias": name, "name": owner}
    return ""


def _need(access: Access) -> None:
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))


def _log(access: Access, before: dict[str, Any], after: dict[str, Any]) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action="project.changed",
        target=access.project.name,
        before=before,
        after=after,
    )
    events.record(access.project.pk, "project.changed", {"what": "people"})
