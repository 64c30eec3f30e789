"""Pages of the browser of images: every image of a project, filtered and in an order.

A page goes on where the last one ended (keyset, never OFFSET), so nothing is skipped or shown
twice while rows change. Each request looks at some ten thousand rows at most; where few images
pass the filters it returns what it has found so far and the place from which to go on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError
from labelapp.models import Image, Project
from labelapp.selectors import browse_sql
from labelapp.selectors.browse_guess import (
    UNSEEN,
    ByMargin,
    Guess,
    Guesses,
    by_margin,
    guesses_of,
    hidden_of,
)
from labelapp.selectors.browse_query import Query
from labelapp.selectors.browse_sql import Found, Known, Place

PAGE = 60
WINDOW = 20_000  # rows of an index looked at in one statement
FETCHED = 10_000  # of those whose scores are looked at after the database
SPAN = 40_000  # scores looked at in one go
CANDIDATES = 1_000  # images that the database is asked about at once, after their scores
SECONDS = 0.05  # a page that is not full goes on for so long
ROUNDS = 2
MAX_CURSOR = 1_500


@dataclass(frozen=True)
class Step:
    """What one look found. `after` is None at the end; `looked` counts the rows behind it."""

    found: list[Found]
    after: Place | None
    looked: int = 0


@dataclass(frozen=True)
class Page:
    """A page: its images in order, and the cursor of what follows; empty at the end."""

    found: list[Found]
    cursor: str
    looked: int
    no_model: bool = False  # the query asks a model, and there is none that may be shown


@dataclass(frozen=True)
class Tile:
    """One image as the grid shows it. A class is an index; `guess` only where it may be seen."""

    image_id: int
    seq: int
    name: str
    width: int
    height: int
    label: int | None = None
    source: str = ""
    purpose: str = ""
    agreement: float | None = None
    margin: float | None = None
    guess: int | None = None
    excluded: bool = False


def page(project: Project, query: Query, cursor: str = "", size: int = PAGE) -> Page:
    """Return the next page behind `cursor`. Raises InvalidInputError for a cursor not of ours."""
    walk = Walk.of(project, query)
    if walk is None:
        return Page([], "", 0, no_model=True)
    after, looked = _decode(cursor, walk)
    found: list[Found] = []
    began, rounds = time.monotonic(), 0
    while True:
        step = walk.step(after, size - len(found))
        found += step.found
        after, rounds = step.after, rounds + 1
        looked += step.looked
        over = rounds >= ROUNDS or time.monotonic() - began > SECONDS
        if after is None or len(found) >= size or over:
            return Page(found, "" if after is None else _encode(after, looked, walk), looked)


def sweep(
    project: Project, query: Query, after: Place | None = None, size: int = 1_000
) -> Iterator[Step]:
    """Yield all images that pass, in steps; `Step.after` is from where another sweep goes on."""
    walk = Walk.of(project, query)
    if walk is None:
        return
    while True:
        step = walk.step(after, size)
        yield step
        if step.after is None:
            return
        after = step.after


@dataclass(frozen=True)
class Walk:
    """How a query's images are found: by an index of the database, or along the scores."""

    project: Project
    query: Query
    known: Known
    guesses: Guesses | None = None
    order: ByMargin | None = None

    @classmethod
    def of(cls, project: Project, query: Query) -> Walk | None:
        """Return the walk; None where the query asks a model and there is none to ask."""
        known = browse_sql.known_of(project, query)
        if not query.asks_model:
            return cls(project, query, known)
        guesses = guesses_of(project)
        if guesses is None:
            return None
        sorts = query.sort in {"unsure", "sure"}
        order = by_margin(project, guesses) if sorts and not query.stored else None
        return cls(project, query, known, guesses, order)

    @property
    def stamp(self) -> str:
        """What a cursor belongs to: this query and, along an order by margin, this model."""
        model = "" if self.order is None or self.guesses is None else self.guesses.key
        text = f"{self.query.encoded()}|{model}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def step(self, after: Place | None, limit: int) -> Step:
        """Look at the next rows and return up to `limit` images."""
        if self.guesses is None:
            return self._by_index(after, limit)
        if self.order is not None:
            return self._along(self.guesses, after, limit)
        if _narrow(self.query, self.known):
            return self._by_index_and_guess(self.guesses, after, limit)
        return self._along(self.guesses, after, limit)

    def _by_index(self, after: Place | None, limit: int) -> Step:
        found = browse_sql.window(self.project, self.query, self.known, after, WINDOW, limit)
        if len(found) == limit:
            return Step(found, Place(found[-1].key, found[-1].seq))
        end = browse_sql.end_of(self.project, self.query, self.known, after, WINDOW)
        return Step(found, end, WINDOW)

    def _by_index_and_guess(self, guesses: Guesses, after: Place | None, limit: int) -> Step:
        size = min(WINDOW, FETCHED)
        rows = browse_sql.window(self.project, self.query, self.known, after, size, size)
        says = guesses.many([row.seq for row in rows])
        said = [row for row, guess in zip(rows, says, strict=True) if self._fits(guess)]
        found = self._shown(said, limit)
        if len(found) == limit:
            return Step(found, Place(found[-1].key, found[-1].seq))
        end = browse_sql.end_of(self.project, self.query, self.known, after, size)
        return Step(found, end, size)

    def _fits(self, guess: Guess | None) -> bool:
        return guess is not None and self._wanted(guess.class_index, guess.margin)

    def _wanted(self, index: int, margin: float) -> bool:
        query = self.query
        if query.guess not in {None, index}:
            return False
        if query.stored:
            return True  # the database looks at the stored margin
        low, high = query.low, query.high
        return (low is None or margin >= low) and (high is None or margin <= high)

    def _along(self, guesses: Guesses, after: Place | None, limit: int) -> Step:
        """Follow the scores themselves: by number, or by margin; then ask the database."""
        down = self.query.sort in {"last", "sure"}
        total = guesses.n if self.order is None else len(self.order)
        start = 0 if after is None else after.seq + 1  # of the walk, from either end
        seqs, places = self._candidates(guesses, start, total, down=down)
        end = min(start + SPAN, total) if len(seqs) < CANDIDATES else places[-1] + 1
        rows = browse_sql.among(self.project, self.query, self.known, seqs)
        passing = [rows[seq] for seq in seqs if seq in rows]
        found = self._shown(passing, limit)
        if len(found) == limit:
            end = places[seqs.index(found[-1].seq)] + 1
        place = Place(None, end - 1) if end < total else None
        return Step(found, place, end - start)

    def _candidates(
        self, guesses: Guesses, start: int, total: int, *, down: bool
    ) -> tuple[list[int], list[int]]:
        """Return up to CANDIDATES images of the next SPAN that the scores let pass.

        And their places in the walk, which counts from the end that it begins at.
        """
        count = max(0, min(SPAN, total - start))
        first = total - start - count if down else start
        if self.order is not None:
            rows = self.order.rows(first, count, self.query)
        else:
            classes, margins = guesses.part(first, count)
            rows = [
                (at, first + at)
                for at in range(count)
                if classes[at] < UNSEEN and self._wanted(classes[at], margins[at])
            ]
        if down:
            rows = [(count - 1 - at, seq) for at, seq in reversed(rows)]
        rows = rows[:CANDIDATES]
        return [seq for _, seq in rows], [start + at for at, _ in rows]

    def _shown(self, rows: list[Found], limit: int) -> list[Found]:
        """Return the first `limit` that may be found by what the model says of them."""
        found: list[Found] = []
        for start in range(0, len(rows), 4 * PAGE):
            part = rows[start : start + 4 * PAGE]
            hidden = hidden_of(self.project, [row.image_id for row in part])
            found += [row for row in part if row.image_id not in hidden]
            if len(found) >= limit:
                return found[:limit]
        return found


def _narrow(query: Query, known: Known) -> bool:
    """Tell whether an index leaves far fewer images than there are scores."""
    source = browse_sql.source_of(query, known)
    return bool(source.fixed or source.key) or query.where == "excluded"


# --- cursors -----------------------------------------------------------------------------------


def _encode(after: Place, looked: int, walk: Walk) -> str:
    raw = json.dumps([walk.stamp, after.key, after.seq, looked], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def _decode(cursor: str, walk: Walk) -> tuple[Place | None, int]:
    """Return the place of a cursor; the beginning where the model has changed since."""
    if not cursor:
        return None, 0
    try:
        padded = cursor[:MAX_CURSOR] + "=" * (-len(cursor) % 4)
        stamp, key, seq, looked = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        place = Place(key, int(seq))
        fine = isinstance(key, str | int | float | None) and not isinstance(key, bool)
        fine = fine and 0 <= place.seq < 2**31 and 0 <= int(looked) < 2**40
    except (ValueError, TypeError, OverflowError):
        fine = False
    if not fine or not _key_fits(key, walk):
        raise InvalidInputError(_("The list cannot go on from there: load the page again."))
    return (place, int(looked)) if stamp == walk.stamp else (None, 0)


def _key_fits(key: object, walk: Walk) -> bool:
    """Tell whether the key is one of this order: no database compares text with numbers."""
    source = browse_sql.source_of(walk.query, walk.known)
    if not source.key or walk.order is not None:
        return key is None
    if source.text:
        return isinstance(key, str) and "\x00" not in key and len(key) <= 500
    return isinstance(key, int | float)


# --- what the page shows of them ---------------------------------------------------------------


def tiles(project: Project, found: Sequence[Found], *, clear: bool = False) -> list[Tile]:
    """Return these images as the grid shows them, in order.

    `clear`: they were found by what the model says, so nothing of it is withheld.
    """
    hidden = set() if clear else hidden_of(project, [row.image_id for row in found])
    guesses = guesses_of(project)
    rows = Image.objects.filter(pk__in=[row.image_id for row in found])
    rows = rows.select_related("label", "exclusion").only(
        *("seq", "name", "width", "height", "exclusion__seq"),
        *("label__class_index", "label__source", "label__purpose"),
        *("label__agreement", "label__confidence"),
    )
    made = {row.pk: _tile(row, None if row.pk in hidden else guesses) for row in rows}
    return [made[row.image_id] for row in found if row.image_id in made]


def _tile(image: Image, guesses: Guesses | None) -> Tile:
    label = getattr(image, "label", None)
    guess = None if guesses is None else guesses.of(image.seq)
    margin = None if guess is None else guess.margin
    if label is not None and label.source == "machine":
        margin = label.confidence
    return Tile(
        image_id=image.pk,
        seq=image.seq,
        name=image.name,
        width=image.width,
        height=image.height,
        label=None if label is None else label.class_index,
        source="" if label is None else label.source,
        purpose="" if label is None else label.purpose,
        agreement=None if label is None else label.agreement,
        margin=margin,
        guess=None if guess is None else guess.class_index,
        excluded=getattr(image, "exclusion", None) is not None,
    )
