"""The price of an image: overlap planned and measured, gold, and when the run hears of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labelapp import engine, pricing
from labelapp.models import LedgerEntry, Project, ProjectCounter, Run
from labelapp.services import runs
from tests.app.conftest import add_images
from tests.app.services.test_engine_bridge import label

pytestmark = pytest.mark.django_db


def settled(project: Project, **terms) -> Project:
    Project.objects.filter(pk=project.pk).update(**terms)
    project.refresh_from_db()
    return project


def booked(project: Project, images: int, answers: int, purpose: str = "train") -> None:
    """Let so many images be complete after so many answers."""
    ProjectCounter.objects.filter(project=project).update(train=images)
    LedgerEntry.objects.create(
        project=project,
        key=f"answer:{purpose}",
        purpose=purpose,
        quantity=answers,
        unit_price=Decimal("0.04"),
        amount=answers * Decimal("0.04"),
    )


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, "0.04"),
        ({"overlap": 3}, "0.12"),
        ({"overlap": 3, "overlap_share": 0.1}, "0.048"),
        ({"overlap": 3, "overlap_share": 0.0}, "0.04"),
        ({"overlap": 2, "overlap_max": 2}, "0.08"),
        ({"overlap": 1, "overlap_max": 3}, "0.04"),  # nobody can disagree with one answer
        ({"gold_share": 0.1}, "0.044"),
        ({"overlap": 2, "gold_share": 0.05}, "0.084"),
    ],
)
def test_the_planned_answers_and_the_gold_are_in_the_price(project, terms, expected):
    assert pricing.per_image(settled(project, **terms)) == Decimal(expected)


def test_before_50_images_a_tenth_is_expected_to_disagree(project):
    settled(project, overlap=2, overlap_max=5)
    assert pricing.answers_per_image(project) == Decimal("2.15")
    booked(project, images=49, answers=200)
    assert pricing.answers_per_image(project) == Decimal("2.15")


def test_then_it_is_what_people_needed_so_far(project):
    settled(project, overlap=2, overlap_max=5)
    booked(project, images=950, answers=2850)
    expected = (Decimal("2.15") * 50 + 2850) / 1000
    assert pricing.answers_per_image(project) == expected


def test_gold_and_reviews_are_no_answers_of_images(project):
    settled(project, overlap=2, overlap_max=5)
    booked(project, images=950, answers=1900)
    before = pricing.answers_per_image(project)
    booked(project, images=950, answers=500, purpose="gold")
    booked(project, images=950, answers=500, purpose="review")
    assert pricing.answers_per_image(project) == before


def test_the_estimate_stays_between_what_is_planned_and_the_most(project):
    settled(project, overlap=2, overlap_max=3)
    booked(project, images=1000, answers=1000)  # many half-done images were withdrawn
    assert pricing.answers_per_image(project) == 2
    booked(project, images=1000, answers=9000, purpose="residual")
    assert pricing.answers_per_image(project) == 3


def test_without_adaptive_overlap_nothing_is_read(project, django_assert_num_queries):
    settled(project, overlap=3)
    with django_assert_num_queries(0):
        pricing.per_image(project)


def test_pages_show_the_price_that_the_run_plans_with(project):
    settled(project, overlap=2)
    assert pricing.as_planned(project, None) == Decimal("0.08")
    assert pricing.as_planned(project, 0.09) == Decimal("0.09")


@pytest.mark.parametrize(("now", "moved"), [("0.081", False), ("0.0817", True), ("0.07", True)])
def test_two_percent_are_worth_a_new_plan(now, moved):
    assert pricing.has_moved(0.08, Decimal(now)) is moved


# --- what the run hears --------------------------------------------------------------------------


@pytest.fixture
def run(project) -> Run:
    """A run of 400 images with adaptive overlap whose test labels are all in."""
    settled(project, overlap=2, overlap_max=5)
    images = add_images(project, 400)
    config, step = engine.first_step(project, images=400, classes=3)
    run = Run.objects.create(
        project=project,
        n=400,
        config=config,
        state=step.state,
        waiting_for=step.outstanding.id,
        request_kind="label",
    )
    label(images, step.outstanding.buy)
    run.test_marks.bulk_create(
        run.test_marks.model(run=run, image=images[seq], seq=seq) for seq in step.outstanding.mark
    )
    return run


def price_of(state: dict) -> float:
    return state["state"]["config"]["prices"]["label"]


def test_a_run_starts_with_the_expected_price(run):
    assert price_of(run.state) == pytest.approx(0.086)


def test_a_step_hears_of_a_price_that_has_moved(run, project):
    booked(project, images=200, answers=600)
    assert price_of(engine.next_step(run).state) == pytest.approx((2.15 * 50 + 600) / 250 * 0.04)


def test_a_price_that_hardly_moved_stays(run, project):
    booked(project, images=200, answers=432)
    assert price_of(engine.next_step(run).state) == price_of(run.state)


def test_the_first_purchase_is_shown_at_this_price(project):
    settled(project, overlap=3, gold_share=0.5)
    add_images(project, 400)
    first = runs.first_purchase(project)
    assert first.dollars == (first.test + first.seed) * Decimal("0.18")
