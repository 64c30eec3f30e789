"""Managers bring gold in, take confirmed test images, switch items off and remove them."""

from __future__ import annotations

import pytest

from labelapp.errors import ForbiddenError, NotFoundError
from labelapp.formats.csv_gold import read_gold
from labelapp.models import AuditLog, GoldItem, ImageAlias, Label, Review, Task
from labelapp.selectors.gold import problem_words
from labelapp.selectors.projects import access as find_access
from labelapp.services import gold, gold_items

pytestmark = pytest.mark.django_db


@pytest.fixture
def access(cast, project, batch):
    return find_access(cast.manager, project.public_id)


def send(access, *lines: str) -> gold_items.Upload:
    text = "\n".join(["file_name,label", *lines])
    return gold_items.upload(access=access, content=text.encode())


def codes(found: gold_items.Upload) -> list[tuple[int, str]]:
    return [(p.line, p.code) for p in found.problems]


def test_a_file_makes_its_images_gold(access, cast):
    found = send(access, "img_00003.png,square", "img_00004.png,STAR")
    assert (found.added, found.problems) == (2, [])
    rows = GoldItem.objects.order_by("image__seq").values_list("image__seq", "label_class__name")
    assert list(rows) == [(3, "square"), (4, "star")]
    assert set(GoldItem.objects.values_list("source", "created_by")) == {
        ("uploaded", cast.manager.pk)
    }
    assert AuditLog.objects.get(action="gold.uploaded").after == {"added": 2, "changed": 0}


def test_the_same_file_again_changes_nothing(access):
    lines = ("img_00003.png,square", "img_00004.png,star")
    send(access, *lines)
    again = send(access, *lines)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert AuditLog.objects.filter(action="gold.uploaded").count() == 1


def test_another_class_replaces_the_first(access):
    send(access, "img_00003.png,square")
    assert send(access, "img_00003.png,circle").changed == 1
    assert GoldItem.objects.get().label_class.name == "circle"


def test_one_wrong_row_and_nothing_is_stored(access):
    found = send(access, "img_00003.png,square", "none.png,square", "img_00004.png,dragon", ",x")
    assert codes(found) == [(3, "unknown_file"), (4, "unknown_class"), (5, "missing_value")]
    assert not GoldItem.objects.exists()


def test_an_image_named_twice_is_told(access):
    found = send(access, "img_00003.png,square", "img_00003.png,star")
    assert codes(found) == [(3, "duplicate")]


def test_an_image_named_by_its_other_name_is_told(access, images):
    ImageAlias.objects.create(image=images[3], name="copy.png")
    found = send(access, "img_00003.png,square", "copy.png,square")
    assert codes(found) == [(3, "duplicate")]
    assert send(access, "copy.png,square").added == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"name,class\na,b\n", "no_columns"),
        (b"", "no_columns"),
        (b"file_name,label\n\n", "no_rows"),
        (b"\xff\xfe\x00f", "not_text"),
        (b"file_name,label\na\0b,c\n", "not_text"),
        (b"x" * (8 * 1024**2 + 1), "too_large"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(access, content, code):
    found = gold_items.upload(access=access, content=content)
    assert codes(found) == [(0, code)]
    assert problem_words(found.problems[0]) != code


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_and_columns_are_read(separator):
    text = separator.join(["label", "note", "File_Name"]) + "\r\n"
    text += separator.join(["cat", "sure", '"a b.png"']) + "\r\n"
    table = read_gold(b"\xef\xbb\xbf" + text.encode())
    assert [(r.line, r.file_name, r.label) for r in table.rows] == [(2, "a b.png", "cat")]


def test_names_that_an_export_defused_are_found():
    assert read_gold(b"file_name,label\n'=a.png,cat\n").rows[0].file_name == "=a.png"


def label(project, image, *, purpose="test", votes=2, agreement=1.0, index=1) -> Label:
    return Label.objects.create(
        image=image,
        project=project,
        seq=image.seq,
        class_index=index,
        source="human",
        purpose=purpose,
        votes=votes,
        agreement=agreement,
    )


def test_only_confirmed_test_images_become_gold(access, project, images):
    label(project, images[0])
    label(project, images[1], votes=1, agreement=None)
    label(project, images[2], votes=3, agreement=2 / 3)
    label(project, images[3], purpose="train")
    label(project, images[4], votes=1, agreement=None, index=2)
    Review.objects.create(
        project=project,
        image=images[4],
        reason="sample",
        state="done",
        outcome="accepted",
        before=2,
    )
    assert gold_items.adopt(access=access) == 2
    rows = GoldItem.objects.order_by("image_id").values_list(
        "image_id", "label_class__index", "source"
    )
    assert list(rows) == [(images[0].pk, 1, "agreed"), (images[4].pk, 2, "reviewed")]
    assert gold_items.adopt(access=access) == 0


def test_an_item_that_is_switched_off_is_asked_no_more(access, cast, project):
    send(access, "img_00003.png,square")
    item = GoldItem.objects.get()
    project.gold_first = 1
    project.save(update_fields=["gold_first"])
    gold.plant(access=find_access(cast.annotator, project.public_id), accepted=0)
    gold_items.set_active(access=access, item_id=item.pk, active=False)
    assert Task.objects.get(batch__purpose="gold").state == Task.State.DROPPED
    assert not GoldItem.objects.get().active


def test_an_item_is_removed(access):
    send(access, "img_00003.png,square")
    gold_items.remove(access=access, item_id=GoldItem.objects.get().pk)
    assert not GoldItem.objects.exists()
    assert AuditLog.objects.get(action="gold.removed").before == {"label": "square"}


def test_items_of_other_projects_are_not_found(access, cast):
    send(access, "img_00003.png,square")
    other = type(access.project).objects.create(name="Other")
    type(access.project.counter).objects.create(project=other)
    other.memberships.create(user=cast.outsider, role="owner")
    stranger = find_access(cast.outsider, other.public_id)
    with pytest.raises(NotFoundError):
        gold_items.remove(access=stranger, item_id=GoldItem.objects.get().pk)


def test_annotators_touch_no_gold(cast, project, batch):
    ann = find_access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        send(ann, "img_00003.png,square")
