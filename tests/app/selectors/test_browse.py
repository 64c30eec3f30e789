"""The browser of images against a plain-Python oracle, and what its cursors promise."""

from __future__ import annotations

import itertools
import random

import pytest

from labelapp.errors import InvalidInputError
from labelapp.models import Exclusion, Label, Project
from labelapp.selectors import browse, browse_guess
from labelapp.selectors.browse_query import Query, browse_url, parse
from tests.app.browse_world import World, fits, make_world

FILTERS = [
    {},
    {"label": 1},
    {"guess": 2},
    {"label": 0, "guess": 1},
    {"source": "human"},
    {"source": "machine"},
    *({"where": place} for place in ("test", "train", "machine", "excluded", "unlabelled")),
    {"low": 0.2, "high": 0.6},
    {"high": 0.5, "source": "machine"},
    {"guess": 1, "source": "machine", "low": 0.3},
    {"split": True},
    {"iteration": 2},
    {"iteration": 1, "label": 2},
    {"name": "DOGS/00"},
    {"name": "^cats"},
    {"name": "_100%", "guess": 0},
    {"name": "^Ünder", "label": 1},
    {"where": "unlabelled", "guess": 0},
]
SORTS = ["", "last", "unsure", "sure", "split", "label", "name"]


@pytest.fixture
def world(cast, monkeypatch) -> World:
    monkeypatch.setattr(browse, "WINDOW", 61)  # many windows, many ends
    monkeypatch.setattr(browse, "SPAN", 67)
    monkeypatch.setattr(browse, "CANDIDATES", 29)
    monkeypatch.setattr(browse, "SECONDS", 0)
    monkeypatch.setattr("labelapp.selectors.browse_guess.MANY", 20)
    return make_world(cast, n=200)


def walk(project: Project, query: Query, size: int = 19) -> list[int]:
    found, cursor = [], ""
    for _ in range(500):
        page = browse.page(project, query, cursor, size)
        found += [row.seq for row in page.found]
        cursor = page.cursor
        if not cursor:
            return found
    raise AssertionError("the walk has no end")


def expected(world: World, query: Query, *, finished: bool = False) -> list[int]:
    truths = [t for t in world.truths if fits(t, query, finished=finished)]
    stored = query.source == "machine" or query.where == "machine"

    def margin(t):
        return t.margin if stored else t.guess[1]

    keys = {
        "last": lambda t: -t.image.seq,
        "unsure": lambda t: (margin(t), t.image.seq),
        "sure": lambda t: (-margin(t), -t.image.seq),
        "split": lambda t: (t.agreement, t.image.seq),
        "label": lambda t: (t.label, t.image.seq),
        "name": lambda t: (t.image.name.encode(), t.image.seq),
    }
    if query.sort == "split":
        truths = [t for t in truths if t.agreement is not None and t.agreement < 1]
    if query.sort == "label":
        truths = [t for t in truths if t.label is not None]
    if query.sort == "" and query.name.startswith("^"):
        return [t.image.seq for t in sorted(truths, key=keys["name"])]
    return [t.image.seq for t in sorted(truths, key=keys.get(query.sort, lambda t: t.image.seq))]


def test_every_filter_in_every_order_finds_what_plain_python_finds(world):
    ann = world.cast.annotator.pk
    filters = [*FILTERS, {"person": ann}, {"person": ann, "guess": 1}, {"person": ann, "label": 0}]
    for chosen, sort in itertools.product(filters, SORTS):
        query = Query(**chosen, sort=sort)
        if query.name.startswith("^") and sort == "last":
            continue  # in the order of the names
        assert walk(world.project, query) == expected(world, query), query


def test_what_measures_the_machine_is_found_by_guess_only_after_the_end(world):
    hidden = {t.image.seq for t in world.truths if t.hidden}
    queries = [Query(guess=g) for g in range(3)] + [Query(sort="unsure"), Query(low=0, high=1)]
    for query in queries:
        assert hidden.isdisjoint(walk(world.project, query))
    rows = browse.page(world.project, Query(), size=300).found
    for tile in browse.tiles(world.project, rows):
        assert tile.seq not in hidden or tile.guess is None
    Project.objects.filter(pk=world.project.pk).update(status="finished")
    world.project.refresh_from_db()
    for query in queries:
        assert walk(world.project, query) == expected(world, query, finished=True)


def test_test_images_keep_their_secret_after_the_end_for_a_project_can_be_opened_again(world):
    Project.objects.filter(pk=world.project.pk).update(status="finished")
    world.project.refresh_from_db()
    tests = {t.image.seq for t in world.truths if t.tests}
    others = {t.image.seq for t in world.truths if t.hidden and not t.tests and t.guess}
    assert tests
    assert others
    for guess in range(3):
        assert tests.isdisjoint(walk(world.project, Query(guess=guess)))
    shown = browse.tiles(world.project, browse.page(world.project, Query(), size=300).found)
    kept = {tile.seq for tile in shown if tile.guess is None}
    seen = {tile.seq for tile in shown} - kept
    assert kept & tests
    assert seen & others
    assert tests.isdisjoint(seen)
    assert others.isdisjoint(kept)
    joined = next(t for t in world.truths if t.tests)
    world.run.train_items.create(image=joined.image, seq=joined.image.seq, iteration=1)
    assert world.run.test_marks.filter(image=joined.image).exists()
    assert browse_guess.hidden_of(world.project, [joined.image.pk]) == set()


def test_nothing_is_guessed_where_the_project_shows_no_predictions(world):
    world.project.predictions = False
    assert browse.page(world.project, Query(guess=1)).no_model
    rows = browse.page(world.project, Query(), size=300).found
    assert {tile.guess for tile in browse.tiles(world.project, rows)} == {None}


def test_cursors_neither_skip_nor_repeat_while_rows_change(world):
    chance = random.Random(5)
    query, found, cursor = Query(label=1), [], ""
    before = expected(world, query)
    touched: set[int] = set()
    while True:
        page = browse.page(world.project, query, cursor, 5)
        found += [row.seq for row in page.found]
        cursor = page.cursor
        if not cursor:
            break
        for label in chance.sample(list(Label.objects.filter(project=world.project)), 3):
            touched.add(label.seq)
            if chance.random() < 0.5:
                label.class_index = 1
                label.save(update_fields=["class_index"])
            else:
                Exclusion.objects.get_or_create(
                    image_id=label.image_id, project=world.project, seq=label.seq
                )
                label.delete()
    assert len(found) == len(set(found))
    assert set(before) - touched <= set(found)


def test_a_cursor_of_something_else_is_refused_or_starts_anew(world):
    first = browse.page(world.project, Query(sort="name"), size=5)
    again = browse.page(world.project, Query(sort="name", label=1), first.cursor, 5)
    assert again == browse.page(world.project, Query(sort="name", label=1), "", 5)
    for wrong in ("x", "ü", "W10", "WyJhIiwxLDIsM10", "W251bGwsbnVsbCwiYSIsMF0"):
        with pytest.raises(InvalidInputError):
            browse.page(world.project, Query(), wrong, 5)


def test_a_merged_class_counts_as_its_heir(world):
    classes = {c.index: c for c in world.project.classes.all()}
    type(classes[2]).objects.filter(pk=classes[2].pk).update(merged_into=classes[1], archived=True)
    both = sorted(expected(world, Query(label=1)) + expected(world, Query(label=2)))
    assert walk(world.project, Query(label=1)) == both


def test_addresses_say_what_they_ask_and_nonsense_is_refused():
    link = browse_url("p", label=0, where="audit", split=True, low=0.1, name="", person=None)
    assert link == "/p/p/browse/?label=0&in=audit&low=0.1&split=1"
    query = parse({"label": "0", "in": "audit", "low": "0.1", "split": "1"})
    assert query == Query(label=0, where="audit", low=0.1, split=True)
    assert parse(query.params()) == query
    assert query.without("in") == Query(label=0, low=0.1, split=True)
    for wrong in ({"label": "-1"}, {"in": "x"}, {"low": "nan"}, {"sort": "seq"}, {"name": "a\x00"}):
        with pytest.raises(InvalidInputError):
            parse(wrong)
    with pytest.raises(InvalidInputError):
        browse_url("p", colour="red")
