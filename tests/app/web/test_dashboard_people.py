"""The people's own error stands beside the certificate, never inside it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labelapp.models import PeopleReport
from labelapp.selectors.dashboard import overview

pytestmark = pytest.mark.django_db


def content(*, together: dict | None, missing: str = "") -> dict:
    """A report as docs/people.md describes it, as far as the overview reads it."""
    return {
        "confidence": 0.95,
        "human_error": {
            "best": 0,
            "sources": [
                {
                    "source": "test_review",
                    "kind": "bound",
                    "share": 0.03,
                    "low": 0.01,
                    "high": 0.06,
                }
            ],
        },
        "combined": {
            "images": 50_000,
            "machine": {
                "labels": 40_000,
                "wrong_at_most": 900,
                "share": 0.018,
                "confidence": 0.95,
            },
            "together": together,
            "missing": missing,
        },
    }


TOGETHER = {"wrong_at_most": 3300, "share": 0.066, "confidence": 0.9, "kind": "bound"}


def page(client, project) -> str:
    return client.get(reverse("project", args=[project.public_id])).text


def test_nothing_is_said_before_it_is_measured(cast, project, sign_in):
    assert overview(project)["people_error"] == []
    assert "dash-people-error" not in page(sign_in(cast.manager), project)


def test_people_and_both_together_are_said(cast, project, sign_in):
    PeopleReport.objects.create(project=project, content=content(together=TOGETHER))
    text = page(sign_in(cast.manager), project)
    assert "The people themselves:" in text
    assert "at most 3,300 of the 50,000 delivered labels are wrong" in text


def test_what_is_missing_is_said(project):
    PeopleReport.objects.create(
        project=project, content=content(together=None, missing="only_human_labels")
    )
    assert overview(project)["people_error"][1].startswith("Together: unknown")


def test_a_report_without_any_measure_says_nothing(project):
    nothing = content(together=None)
    nothing["human_error"] = {"best": None, "sources": []}
    PeopleReport.objects.create(project=project, content=nothing)
    assert overview(project)["people_error"] == []
