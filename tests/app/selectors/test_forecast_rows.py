"""The forecast pages over the rows of a project: the ledger to the cent, labels, pictures."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import transaction

from labelapp.models import (
    DaysClosed,
    GoldItem,
    Iteration,
    Label,
    LabelBatch,
    LedgerDay,
    LedgerEntry,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
)
from labelapp.models import TestMark as Mark
from labelapp.selectors import (
    forecast,
    forecast_counts,
    forecast_history,
    forecast_ledger,
    forecast_pictures,
    predictions,
)
from labelapp.selectors.forecast_facts import gather
from tests.app import dashboard_data as data
from tests.app.conftest import add_images, make_cast, make_project


@pytest.fixture(autouse=True)
def _fresh():
    for module in (forecast_history, forecast_ledger, forecast_counts, predictions):
        module.forget()


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """A running project whose rows no test changes for the next."""
    with django_db_blocker.unblock(), transaction.atomic():
        cast = make_cast()
        project = make_project(cast)
        run = data.running(project, iterations=7)
        yield cast, project, run
        transaction.set_rollback(True)


@pytest.fixture
def rows(world, db):
    """The world; what a test changes is taken back."""
    return world


def test_earlier_forecasts_are_judged_by_the_newest(rows):
    _cast, project, _run = rows
    page = forecast.forecast_page(project)
    totals = page["totals"]
    assert [row["number"] for row in totals["rows"]] == [3, 4, 5, 6, 7]
    truth = totals["rows"][-1]["value"]
    assert (totals["final"], totals["truth"], totals["judged"]) == (False, truth, 4)
    assert totals["held80"] == sum(
        row["low80"] - 0.005 <= truth <= row["high80"] + 0.005 for row in totals["rows"][:-1]
    )
    assert page["charts"]["foresight"]["rows"]  # plans 3 and 6 kept their curves
    assert {row["number"] for row in page["charts"]["foresight"]["rows"]} == {4, 7}
    assert all(page["said"][key] for key in ("curves", "cost", "history", "sizes", "foresight"))


def spend(project, *entries):
    """Book (day, purpose, person, labels, amount); the counter follows."""
    known = LedgerEntry.objects.filter(project=project).count()
    for place, (day, purpose, user, quantity, amount) in enumerate(entries):
        LedgerEntry.objects.create(
            project=project,
            key=f"training:{known}:net{place}" if purpose == "compute" else f"a:{known}:{place}",
            purpose=purpose,
            quantity=Decimal(quantity),
            unit_price=Decimal("0.04"),
            amount=Decimal(amount),
            user=user,
            created=datetime(2026, 3, day, 12, tzinfo=UTC),
        )
    column = {True: "compute_spend", False: "label_spend"}
    counter = ProjectCounter.objects.get(project=project)
    for _day, purpose, _user, _quantity, amount in entries:
        name = column[purpose == "compute"]
        setattr(counter, name, getattr(counter, name) + Decimal(amount))
    counter.save()


@pytest.fixture
def money(rows):
    """A second project with bookings of two days, the first one closed."""
    cast, _project, _run = rows
    project = make_project(cast)
    ann, ben = cast.annotator, cast.second_annotator
    spend(
        project,
        (1, "test", ann, "3", "0.120001"),
        (1, "test", ben, "2", "0.08"),
        (1, "compute", None, "0.5", "1.8"),
        (2, "ahead", ann, "4", "0.16"),
    )
    return cast, project


def read(project):
    spent = gather(project).spent
    return forecast_ledger.sums(project, spent), spent


def test_days_add_up_to_the_ledger_to_the_cent(money):
    cast, project = money
    lines, spent = read(project)
    assert lines.total.amount == spent == Decimal("2.160001")
    days = lines.days
    assert list(days) == [date(2026, 3, 1), date(2026, 3, 2)]
    assert days[date(2026, 3, 1)]["test"].amount == Decimal("0.200001")
    assert {k: line.amount for k, line in lines.people.items()} == {
        cast.annotator.pk: Decimal("0.280001"),
        cast.second_annotator.pk: Decimal("0.08"),
    }
    assert [(row["arch"], row["line"].amount) for row in forecast_ledger.by_machine(project)] == [
        ("net2", Decimal("1.8"))
    ]
    # booked over from ahead to the training set: nothing is charged, nobody is paid twice
    spend(project, (2, "ahead", None, "-4", "-0.16"), (2, "train", None, "4", "0.16"))
    page = forecast.ledger_page(project)
    assert page["charts"]["days"]["groups"]["train"] == [0.0, pytest.approx(0.16)]
    assert [row["name"] for row in page["people"]] == ["Ann", "Ben"]
    assert page["total"] == "$2.16"


def test_closed_days_are_read_from_their_sums_and_new_entries_once(
    money, django_assert_max_num_queries
):
    cast, project = money
    for line in (
        ("test", cast.annotator, 3, "0.120001"),
        ("test", cast.second_annotator, 2, "0.08"),
        ("compute", None, "0.5", "1.8"),
    ):
        LedgerDay.objects.create(
            project=project,
            day=date(2026, 3, 1),
            purpose=line[0],
            user=line[1],
            entries=1,
            quantity=Decimal(line[2]),
            amount=Decimal(line[3]),
        )
    DaysClosed.objects.create(project=project, ledger=date(2026, 3, 1))
    # what the sums say stands, even where the entries themselves were archived
    LedgerEntry.objects.filter(
        project=project, created__lt=datetime(2026, 3, 2, tzinfo=UTC)
    ).delete()
    lines, spent = read(project)
    assert lines.total.amount == spent
    spend(project, (2, "train", cast.annotator, "1", "0.04"))
    spent = gather(project).spent
    with django_assert_max_num_queries(2):
        lines = forecast_ledger.sums(project, spent)
    assert lines.total.amount == spent == Decimal("2.200001")
    late = LedgerEntry.objects.filter(project=project).order_by("-pk")[0]
    spend(project, (2, "train", cast.annotator, "1", "0.04"))
    # one that committed after a later number had been read: found by the counter's sum
    LedgerEntry.objects.filter(pk=late.pk).update(created=late.created - timedelta(hours=2))
    assert read(project)[0].total.amount == Decimal("2.240001")


def test_the_ledgers_file_has_every_entry(money):
    _cast, project = money
    head, *lines = list(forecast_ledger.entries_csv(project))
    assert head[0] == "time"
    assert sum(line[4] for line in lines) == Decimal("2.160001")
    assert [line[6] for line in lines] == ["Ann", "Ben", "", "Ann"]


def label(project, image, index, purpose="train", batch=None, source="human"):
    return Label(
        image=image,
        project=project,
        seq=image.seq,
        class_index=index,
        source=source,
        purpose=purpose,
        batch=batch,
    )


def test_labels_are_counted_in_parts_and_again_when_they_changed(rows, monkeypatch):
    cast, *_ = rows
    project = make_project(cast)
    images = add_images(project, 25)
    Label.objects.bulk_create(
        [
            label(project, im, im.seq % 3, source="machine" if im.seq % 2 else "human")
            for im in images
        ]
    )
    for bound in ("PART", "LEAST", "MOST"):
        monkeypatch.setattr(forecast_counts, bound, 10)
    counter = ProjectCounter.objects.get(project=project)
    seen = [forecast_counts.counts(project, counter) for _look in range(3)]
    assert [found.whole for found in seen] == [False, False, True]
    assert [found.seen for found in seen] == [10, 20, 25]
    truth = Counter((im.seq % 3, "machine" if im.seq % 2 else "human") for im in images)
    assert seen[-1].table == truth
    Label.objects.filter(seq=0, project=project).update(class_index=2)
    counter.answers += 1
    assert forecast_counts.counts(project, counter).table == truth  # not at once again
    monkeypatch.setattr(forecast_counts.time, "monotonic", lambda: 1e9)
    found = [forecast_counts.counts(project, counter) for _look in range(3)][-1]
    assert found.of_class(2, "human") == truth[2, "human"] + 1


@pytest.mark.parametrize(
    ("size", "took", "next_one"),
    [
        (25_000, 0.04, 25_000),
        (25_000, 0.4, 2_500),
        (25_000, 60.0, 2_000),
        (25_000, 0.0, 100_000),
        (2_000, 0.01, 8_000),
        (2_000, 0.0, 8_000),
    ],
)
def test_a_request_counts_as_many_labels_as_it_has_time_for(size, took, next_one):
    assert forecast_counts.suited(size, took) == next_one


# --- pictures: what may be shown while the run goes on ---------------------------------------------


@pytest.fixture
def mistaken(rows, settings):
    """Ten images that people call circle and the newest model square, in different standings."""
    cast, *_ = rows
    project = make_project(cast)
    images = add_images(project, 10)
    run = Run.objects.create(
        project=project, n=10, config={}, state={}, waiting_for="", request_kind="label"
    )
    folder = settings.MEDIA_ROOT / "models" / "m"
    folder.mkdir(parents=True)
    np.save(folder / "pred.npy", np.ones(10, dtype=np.uint16))
    model = ModelVersion.objects.create(
        run=run, iteration=2, arch="cnn_small", folder="models/m", sha256="0" * 64
    )
    Iteration.objects.create(
        run=run,
        number=2,
        train_size=4,
        delta=2,
        record={"train_size": 4},
        seconds=1,
        dollars=1,
        model=model,
        profile={"seq": [9], "label": [0], "pred": [1], "confidence": [0.9]},
    )
    purposes = {0: "train", 1: "train", 2: "audit", 3: "ahead", 4: "train", 5: "train"}
    for seq, purpose in purposes.items():
        batch = LabelBatch.objects.create(
            run=run,
            project=project,
            request_id=f"r{seq}",
            purpose=purpose,
            size=1,
            remaining=0,
            iteration=1 if seq == 5 else 2,
        )
        label(project, images[seq], 0, purpose, batch).save()
    label(project, images[9], 0, "test").save()
    Mark.objects.create(run=run, image=images[1], seq=1)
    Mark.objects.create(run=run, image=images[9], seq=9)
    GoldItem.objects.create(
        project=project,
        image=images[4],
        label_class=project.classes.get(index=0),
        source="uploaded",
    )
    return project


def seqs(project):
    return sorted(forecast_pictures.pictures(gather(project), [(0, 1), (1, 0)]).get((0, 1), []))


def test_no_test_audit_gold_or_learnt_image_stands_behind_a_mistake(mistaken):
    # 0 and 3 joined after the training; 1 is marked, 2 audited, 4 gold, 5 was learnt from
    assert seqs(mistaken) == [0, 3]


def test_where_predictions_are_never_shown_no_mistake_has_pictures(mistaken):
    Project.objects.filter(pk=mistaken.pk).update(predictions=False)
    mistaken.refresh_from_db()
    assert seqs(mistaken) == []


def test_when_the_run_has_ended_all_but_the_test_images_are_shown(mistaken):
    # 1 and 9 are marked and not in B: the project can be opened again, and they measure it then
    mistaken.status = Project.Status.FINISHED
    mistaken.save()
    assert seqs(mistaken) == [0, 2, 3, 4]
    marked = mistaken.images.get(seq=1)
    mistaken.run.train_items.create(image=marked, seq=1, iteration=3)
    assert seqs(mistaken) == [0, 1, 2, 3, 4]
