from __future__ import annotations

import pytest
from django.urls import reverse

from labelapp.models import Guideline
from tests.app.conftest import add_images


@pytest.fixture
def page(project) -> str:
    return reverse("project_guidelines", args=[project.public_id])


@pytest.fixture
def manager(cast, project, images, sign_in):
    return sign_in(cast.manager)


def form(base: int = 0, **fields: str) -> dict[str, str]:
    return {"base_version": str(base), "text": "Look closely.", **fields}


def test_everyone_in_the_project_reads_them(cast, page, manager, sign_in):
    manager.post(page, form(class_0_text="round things", class_0_examples="3, 5 and 7"))
    text = sign_in(cast.annotator).get(page).text
    assert "Look closely." in text
    assert "round things" in text
    for number in (3, 5, 7):
        assert f"/images/{number}/display/" in text
    assert "?edit" not in text


def test_the_form_shows_what_is_saved(page, manager):
    manager.post(page, form(class_1_text="four sides", class_1_examples="2,1"))
    text = manager.get(page + "?edit").text
    assert "four sides" in text
    assert 'value="1, 2"' in text
    assert 'name="base_version" value="1"' in text


def test_annotators_do_not_edit(cast, project, page, sign_in):
    client = sign_in(cast.annotator)
    assert client.get(page + "?edit").status_code == 403
    assert client.post(page, form()).status_code == 403
    assert not Guideline.objects.exists()


def test_old_versions_stay_readable(page, manager):
    manager.post(page, form(text="first words"))
    manager.post(page, form(base=1, text="second words"))
    text = manager.get(page + "?version=1").text
    assert "first words" in text
    assert "This is an old version" in text


@pytest.mark.parametrize("version", ["7", "x", "-1", "99999999999999"])
def test_a_version_that_is_not_there_is_not_found(page, manager, version):
    assert manager.get(f"{page}?version={version}").status_code == 404


def test_a_second_writer_keeps_the_own_text_on_the_screen(page, manager):
    manager.post(page, form(text="first"))
    answer = manager.post(page, form(base=0, text="my long text"))
    assert answer.status_code == 409
    assert "my long text" in answer.text
    assert Guideline.objects.count() == 1


def test_wrong_numbers_are_shown_beside_their_class(page, manager):
    answer = manager.post(page, form(class_2_examples="999"))
    assert answer.status_code == 400
    assert "no images with these numbers: 999" in answer.text


def test_saving_without_a_change_says_so(page, manager):
    manager.post(page, form())
    manager.post(page, form(base=1))
    assert "no new version" in manager.get(page).text
    assert Guideline.objects.count() == 1


def test_the_picker_shows_sixty_images_at_a_time(project, manager):
    add_images(project, 60)
    url = reverse("guideline_picker", args=[project.public_id])
    first = manager.get(url).text
    assert first.count('class="pick"') == 60
    assert "?from=60" in first
    assert manager.get(url + "?from=60").text.count('class="pick"') == 20


def test_the_picker_is_for_writers(cast, project, sign_in):
    url = reverse("guideline_picker", args=[project.public_id])
    assert sign_in(cast.annotator).get(url).status_code == 403


def test_text_is_never_markup(page, manager):
    evil = "<img src=x onerror=alert(1)>"
    manager.post(page, form(text=evil, class_0_text=evil))
    assert evil not in manager.get(page).text
    assert evil not in manager.get(page + "?edit").text
