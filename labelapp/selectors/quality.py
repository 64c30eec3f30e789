"""How well people label: each person's figures, live from narrow rows, and the words for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, Sum
from django.utils.translation import gettext as _

from labelapp.models import Answer, GoldResult, Membership, Project, User, VerifyPage
from labelapp.selectors.dashboard_words import chosen_share, duration, share
from labelapp.selectors.intervals import share_interval

WORST = 5  # confused pairs shown for a person


@dataclass(frozen=True)
class Share:
    """How many of `n` were right, with the exact interval at 95 %."""

    right: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """Return the share itself."""
        return self.right / self.n

    @property
    def words(self) -> str:
        """Return "90 % (77-97)" in words of the page's language."""
        return _("%(share)s (%(low)s to %(high)s)") % {
            "share": share(self.value, 0),
            "low": share(self.low, 0),
            "high": share(self.high, 0),
        }


@dataclass
class PersonQuality:
    """One person's work in a project. Times in seconds; `confused` are (truth, given, count)."""

    user: User
    member: Membership | None = None
    answers: int = 0
    active: float = 0.0
    last: datetime | None = None
    gold: Share | None = None
    confused: list[tuple[str, str, int]] = field(default_factory=list)
    plants: int = 0
    caught: int = 0

    @property
    def time_words(self) -> str:
        """Return the time in front of images; nothing for none."""
        return duration(self.active) if self.active else ""

    @property
    def pace(self) -> float | None:
        """Return seconds for one answer."""
        return self.active / self.answers if self.answers else None


def share_of(right: int, n: int) -> Share | None:
    """Return a share with its interval; None of nothing."""
    return Share(right, n, *share_interval(right, n)) if n else None


def people_quality(project: Project) -> list[PersonQuality]:
    """Return everybody who answered or is in the project, most answers first.

    Reads one row per answer of the project, in the database: a second at a million answers.
    """
    rows: dict[int, PersonQuality] = {}
    for membership in project.memberships.select_related("user"):
        rows[membership.user_id] = PersonQuality(membership.user, membership)
    work = list(_work(project))
    missing = {found["user_id"] for found in work} - rows.keys()
    rows |= {user.pk: PersonQuality(user) for user in User.objects.filter(pk__in=missing)}
    for found in work:
        row = rows[found["user_id"]]
        row.answers, row.last = found["answers"], found["last"]
        row.active = (found["ms"] or 0) / 1000
    _add_gold(project, rows)
    _add_attention(project, rows)
    return sorted(rows.values(), key=lambda row: (-row.answers, str(row.user)))


def my_quality(project: Project, user: User) -> PersonQuality:
    """Return one's own gold and attention: shares only, never which images were gold."""
    row = PersonQuality(user, project.memberships.filter(user=user).first())
    _add_gold(project, {user.pk: row})
    _add_attention(project, {user.pk: row})
    return row


def _work(project: Project) -> Iterable[Any]:
    counts = Q(kind=Answer.Kind.CLASS, superseded_by=None)
    return (
        Answer.objects.filter(project=project)
        .values("user_id")
        .annotate(answers=Count("pk", filter=counts), ms=Sum("active_ms"), last=Max("created"))
    )


def _add_gold(project: Project, rows: dict[int, PersonQuality]) -> None:
    results = GoldResult.objects.filter(project=project, user_id__in=list(rows))
    for found in results.values("user_id").annotate(
        n=Count("pk"), right_=Count("pk", filter=Q(right=True))
    ):
        rows[found["user_id"]].gold = share_of(found["right_"], found["n"])
    names = dict(project.classes.values_list("index", "name"))
    pairs = results.filter(right=False).values("user_id", "truth", "given")
    by_person: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for pair in pairs.annotate(count=Count("pk")).order_by("-count", "truth", "given"):
        truth, given = names.get(pair["truth"], "?"), names.get(pair["given"], "?")
        by_person[pair["user_id"]].append((truth, given, pair["count"]))
    for user_id, found_pairs in by_person.items():
        rows[user_id].confused = found_pairs[:WORST]


def _add_attention(project: Project, rows: dict[int, PersonQuality]) -> None:
    pages = VerifyPage.objects.filter(project=project, user_id__in=list(rows))
    pages = pages.exclude(state=VerifyPage.State.OPEN)
    for found in pages.values("user_id").annotate(planted=Sum("plants"), seen=Sum("caught")):
        row = rows[found["user_id"]]
        row.plants, row.caught = found["planted"], found["seen"]


def pause_words(reason: str) -> str:
    """Say why somebody is paused: a manager's own words, or those of the gold rule's code."""
    parts = reason.split(":")
    if len(parts) != 4 or parts[0] != "gold":
        return reason or _("A manager has paused your work here.")
    right, n, below = parts[1:]
    return _(
        "Of %(n)s images whose class is known, %(right)s were answered rightly; "
        "the project asks for %(below)s. A manager decides how it goes on."
    ) % {"n": n, "right": right, "below": chosen_share(float(below))}
