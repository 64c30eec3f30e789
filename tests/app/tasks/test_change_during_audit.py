"""Another promise while people check the machine: the check ends, nothing bought is lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from labelapp.models import Label, LedgerEntry, TrainItem
from labelapp.selectors.dashboard import overview
from labelapp.selectors.runs import recount
from labelapp.services import run_settings
from labelapp.services.terms import Terms
from tests.app.tasks import driving

pytestmark = pytest.mark.django_db


def go_to_the_audit(project, user) -> None:
    """Let people and the worker take turns until an audit has asked for its first images."""
    for _ in range(60):
        driving.do_jobs()
        batch = project.run.batches.order_by("-pk").first()
        if batch.purpose == "audit":
            return
        driving.answer_all(project, user)
    raise AssertionError("no audit came")


def test_a_new_target_ends_the_audit_and_the_next_one_certifies_it(
    ready, cast, owner, fake_trainer, settings
):
    driving.start(ready, cast.owner)
    go_to_the_audit(ready, cast.annotator)
    assert overview(ready)["audit"]["done"] == 0
    terms = Terms(0.08, 0.95, Decimal("0.04"), Decimal("3.6"), "USD")
    run_settings.change_settings(access=owner, terms=terms)
    assert "The promise was changed" in overview(ready)["audit"]["text"]

    driving.run_to_the_end(ready, cast.annotator)
    first, second = ready.run.commitments.order_by("pk")
    assert (first.content["attempt"], second.content["attempt"]) == (1, 2)
    first_checked = Label.objects.filter(batch__commitment=first, purpose="audit")
    joined = TrainItem.objects.filter(image_id__in=first_checked.values("image_id"))
    assert joined.count() == first_checked.count() > 0
    content = ready.run.certificate.content
    assert (content["epsilon"], content["attempt"]) == (0.08, 2)
    assert content["frozen"] == second.content["frozen"]

    ready.counter.refresh_from_db()
    expected = recount(ready)
    assert {name: getattr(ready.counter, name) for name in expected} == expected
    bought = Label.objects.filter(project=ready, source="human").count()
    assert LedgerEntry.objects.filter(project=ready).exclude(purpose="compute").count() == bought
    for model in ready.run.models.filter(sha256__in=[first.model, second.model]):
        assert (Path(settings.MEDIA_ROOT) / model.folder / "entropy.npy").exists()
