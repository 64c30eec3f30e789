"""The pages of the search for the best training set."""

from __future__ import annotations

import pytest
from django.urls import reverse

from labelapp.models import Job, Label, LabelClass, Project
from labelapp.selectors import curation_words, curations
from labelapp.services import curations as service
from labelapp.services.curation_settings import CurationSettings
from labelapp.web.curate_form import CurateForm, usual, values_of
from tests.app.conftest import add_images
from tests.app.curation_world import finish, searched

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(project):
    finish(project, add_images(project, 200))
    return project


def address(project, name="project_curate", *more):
    return reverse(name, args=[project.public_id, *more])


def text_of(client, url, code=200, **query):
    answer = client.get(url, query)
    assert answer.status_code == code
    return answer.content.decode()


def form_of(project, **changed):
    return {**values_of(usual(project, None)), "compare": "on", **changed}


def test_before_the_end_the_page_says_when_it_can_be_used(project, cast, sign_in):
    client = sign_in(cast.manager)
    text = text_of(client, address(project))
    assert "When the project is finished" in text
    assert "curate-form" not in text
    finish(project, add_images(project, 200))
    done = searched(project, cast.manager)
    Project.objects.filter(pk=project.pk).update(status="running")  # opened again
    text = text_of(client, address(project))
    assert "has been opened again" in text
    assert "88.25" not in text
    pictures = client.get(address(project, "curate_images", done.pk))
    assert pictures.status_code == 302
    refused = client.post(address(project, "curate_start"), form_of(project))
    assert refused.status_code == 409
    assert b"needs a finished project" in refused.content


def test_nothing_was_searched_yet(world, cast, sign_in):
    text = text_of(sign_in(cast.manager), address(world))
    assert all(figure in text for figure in ("86.40", "88.25", "89.29"))
    assert 'id="curate-form"' in text
    assert 'name="share" value="50"' in text
    viewer = cast.annotator.memberships.get(project=world)
    viewer.role = "viewer"
    viewer.save()
    text = text_of(sign_in(cast.annotator), address(world))
    assert 'id="curate-form"' not in text
    assert "Owners and managers" in text


def test_a_result_is_shown_with_intervals_classes_and_files(world, cast, sign_in):
    done = searched(world, cast.manager)
    client = sign_in(cast.manager)
    text = text_of(client, address(world))
    assert "1.85&nbsp;points" in text.replace("\u00a0", "&nbsp;")
    assert "95 % interval" in text
    assert "Kept: 80" in text
    assert "Left out: 80" in text
    assert "Held out: 40" in text
    assert "circle" in text
    assert f"curation={done.pk}&amp;part=kept" in text
    assert f"manage.py transfer {done.pk} --arch" in text
    assert "Labels of this project were changed since" not in text
    alone = searched(world, cast.manager, repeats=1)
    text = text_of(client, address(world))
    assert "compared once" in text
    assert f"?search={done.pk}" in text
    assert "95 % interval 1" in text_of(client, address(world), search=done.pk)
    assert text_of(client, address(world), 404, search=alone.pk + 100)
    assert text_of(client, address(world), 400, search="x")


def test_without_a_comparison_and_without_its_files(world, cast, sign_in):
    client = sign_in(cast.manager)
    searched(world, cast.manager, compare=False)
    assert "Nothing was compared" in text_of(client, address(world))
    bare = searched(world, cast.manager, files=False)
    text = text_of(client, address(world))
    assert "not there any more" in text
    assert "88.25" in text
    assert "not there any more" in text_of(client, address(world, "curate_images", bare.pk), 404)


def test_a_label_that_changed_since_is_said_however_it_came(world, cast, sign_in):
    searched(world, cast.manager)
    client = sign_in(cast.manager)
    Label.objects.filter(project=world, seq=7).update(class_index=0)  # no event, no review
    assert "were changed since" in text_of(client, address(world))
    Label.objects.filter(project=world, seq=7).update(class_index=1)
    assert "were changed since" not in text_of(client, address(world))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"share": "100"}, "100 % are all images"),
        ({"share": "0"}, "above 0"),
        ({"share": ""}, "required"),
        ({"share": "nan"}, "Enter a number"),
        ({"repeats": "0"}, "Give a whole number from 1 to 10"),
        ({"acquirer_seeds": "1"}, "cannot disagree with itself"),
        ({"model_way": "frozen", "model_seeds": "3"}, "members would agree"),
        ({"model_way": "tuned"}, "weights"),
        ({"held_out": "0"}, "these images judge"),
        ({"scheme": "x"}, "Select a valid choice"),
    ],
)
def test_a_form_that_cannot_be_used_keeps_what_was_typed(world, cast, sign_in, wrong, said):
    client = sign_in(cast.manager)
    sent = form_of(world, outliers="3.5", **wrong)
    answer = client.post(address(world, "curate_start"), sent)
    assert answer.status_code == 400
    text = answer.content.decode()
    assert said in text
    assert 'name="outliers" value="3.5"' in text
    assert not world.curations.exists()
    assert said in text_of(client, address(world, "curate_estimate"), **sent)


def test_the_form_asks_for_what_was_chosen(world, cast, sign_in, monkeypatch):
    asked = []
    monkeypatch.setattr(service, "start", lambda **given: asked.append(given["settings"]))
    sent = form_of(world, share="40", repeats="3", acquirer_checkpoints="5", labels="human")
    answer = sign_in(cast.manager).post(address(world, "curate_start"), sent)
    assert answer.status_code == 302
    assert asked == [
        CurationSettings(
            share=0.4,
            model="cnn_small",
            acquirer="cnn_small+checkpoints=5+seeds=4",
            seeds=(0, 1, 2),
            labels="human",
        )
    ]


def test_settings_survive_the_form():
    asked = CurationSettings(
        share=0.125, acquirer="resnet18+seeds=3", model="cnn_fast", held_out=0.3
    )
    form = CurateForm({**values_of(asked), "compare": "on"})
    assert form.is_valid(), form.errors
    assert form.settings() == asked


def test_a_search_under_way_is_followed_and_its_end_is_told(world, cast, sign_in):
    live = searched(world, cast.manager, state="running")
    client = sign_in(cast.manager)
    text = text_of(client, address(world))
    assert "A search is going on" in text
    assert "No worker is running" in text
    assert 'id="curate-form"' not in text
    answer = client.get(address(world, "curate_status"))
    assert "HX-Refresh" not in answer.headers
    Job.objects.create(
        project=world,
        kind="curate",
        key=f"curate:{live.pk}",
        target=live.pk,
        state="running",
        cancel_requested=True,
        message="Training 1 of 3, to choose: 120 images",
    )
    text = text_of(client, address(world, "curate_status"))
    assert "The search is being cancelled" in text
    assert address(world, "curate_cancel", live.pk) not in text
    assert "120 images" not in text
    type(live).objects.filter(pk=live.pk).update(state="failed")
    assert client.get(address(world, "curate_status")).headers["HX-Refresh"] == "true"
    text = text_of(client, address(world))
    assert "The search failed" in text
    assert "The disk is full" in text
    assert "Continue" in text


def test_pages_of_a_part(
    world, cast, sign_in, django_assert_num_queries, django_assert_max_num_queries
):
    done = searched(world, cast.manager)
    client = sign_in(cast.manager)
    url = address(world, "curate_images", done.pk)
    with django_assert_max_num_queries(20) as first:
        text = text_of(client, url)
    assert text.count('class="pic"') == 60
    assert "1 to 60 of 80" in text
    assert text.index("stage 1") < text.index("stage 2") < text.index("stage 3")
    assert "part=kept&amp;page=2" in text
    with django_assert_num_queries(len(first.captured_queries)):
        text = text_of(client, url, page=2)
    assert "61 to 80 of 80" in text
    assert "61 to 80" in text_of(client, url, page=99)
    text = text_of(client, url, **{"part": "left_out", "class": 1})
    assert "stage" not in text.split('id="pics"')[1]
    assert {"square"} == {name for name in ("circle", "square", "star") if f".png: {name}" in text}
    assert "No image is here" in text_of(client, url, **{"class": 77})
    text_of(client, url, 404, part="x")
    text_of(client, url, 400, page="-1")


def test_a_label_that_changed_since_is_said_on_its_tile(world, cast, sign_in):
    done = searched(world, cast.manager)
    square = LabelClass.objects.get(project=world, index=1)
    Label.objects.filter(project=world, seq=2).update(class_index=0)  # it was a star
    text = text_of(sign_in(cast.manager), address(world, "curate_images", done.pk))
    assert text.count("searched as star") == 1
    star = LabelClass.objects.get(project=world, index=2)
    star.merged_into = square
    star.save()
    text = text_of(sign_in(cast.manager), address(world, "curate_images", done.pk))
    assert "searched as star" in text


def test_a_million_images_are_a_page_in_time(world, cast, monkeypatch):
    """1.3 million entries: one page costs milliseconds, and nothing is copied to the database."""
    import numpy as np  # noqa: PLC0415

    done = searched(world, cast.manager)
    n = 1_300_000
    rows = np.arange(n)
    folder = curations.folder(done)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "labels.npy", rows % 3)
    np.save(folder / "part.npy", np.choose(rows % 4, [-1, 0, 2, 1]).astype(np.int16))
    seqs, total = curations.kept_page(done, "kept", None, 649_990, 60)
    assert total == 650_000
    assert len(seqs) == 10


def test_one_comparison_without_an_error_is_uncertain_too():
    even = {"search - random": {"values": [0.0], "mean": 0.0, "low": None, "high": None}}
    result = {"held_out": 24, "accuracy": {"search": {"mean": 1.0}}, "differences": even}
    assert "13.80" in curation_words.verdicts(result | {"runs": [{}]})[-1]
