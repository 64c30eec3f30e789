"""More like these: the nearest open images, never of batches that measure or keep their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from PIL import Image as Pillow

from labelapp.errors import InvalidInputError
from labelapp.models import LabelBatch, Project, Task
from labelapp.selectors import similar as vectors
from labelapp.services import labelling, similar
from labelapp.services.pool_tensor import pool_folder
from tests.app.conftest import open_batch
from tests.app.model_help import add_model
from tests.app.services.labelling_help import entry

HUES = np.arange(20) % 4  # four groups: 0, 4, 8 ... look alike


@pytest.fixture
def ann(project, images, cast):
    open_batch(project, images, "train")
    return entry(project, cast.annotator)


@pytest.fixture
def model(ann, project):
    rng = np.random.default_rng(1)
    features = np.eye(4)[HUES] + rng.normal(0, 0.05, (20, 4))
    return add_model(project, np.tile([1, 0, 0], (20, 1)), features)


def task_of(seq: int) -> int:
    return Task.objects.get(image__seq=seq).pk


def more(who, *selected: int, count: int = 4, **changes):
    ids = [task_of(seq) for seq in selected]
    return similar.more_like(access=who, selected=ids, count=count, **changes)


def seqs(found) -> list[int]:
    rows = dict(Task.objects.values_list("pk", "image__seq"))
    return [rows[task.task_id] for task in found.held]


def test_the_nearest_come_first_and_are_leased(model, ann, cast):
    found = more(ann, 0)
    assert set(seqs(found)) == {4, 8, 12, 16}
    assert found.searched == 19
    assert found.left == 20
    assert Task.objects.filter(lease_user=cast.annotator).count() == 4


def test_several_images_are_looked_for_together(model, ann):
    assert set(seqs(more(ann, 0, 1, count=8))) == {4, 8, 12, 16, 5, 9, 13, 17}


def test_what_the_client_has_and_what_others_hold_is_left_out(model, ann, project, cast):
    ben = entry(project, cast.second_annotator)
    more(ben, 0, count=2)
    taken = set(Task.objects.filter(lease_user=cast.second_annotator).values_list("pk", flat=True))
    mine = more(ann, 0, count=1)
    holding = [mine.held[0].task_id]
    found = more(ann, 0, count=1, holding=holding)
    assert found.lost == []
    ids = {task.task_id for task in found.held}
    assert len(ids) == 1
    assert not ids & (taken | set(holding))


@pytest.mark.parametrize("purpose", ["test", "audit", "gold", "ahead"])
def test_batches_that_measure_or_keep_their_order_give_none(model, ann, purpose):
    LabelBatch.objects.update(purpose=purpose)
    found = more(ann, 0)
    assert (found.held, found.searched, found.left) == ([], 0, 0)


@pytest.mark.parametrize("changes", [{"status": "paused"}, {"status": "finished"}])
def test_a_project_that_gives_out_nothing_gives_none(model, ann, project, cast, changes):
    Project.objects.update(**changes)
    assert more(entry(project, cast.annotator), 0).held == []


def test_a_look_is_bounded(model, ann, monkeypatch):
    monkeypatch.setattr(similar, "MOST_SEARCHED", 10)
    found = more(ann, 0, count=20)
    assert found.searched == 9
    assert max(seqs(found)) < 10


@pytest.mark.parametrize("selected", [[], list(range(1, 202)), [-1], [2**70]])
def test_a_wrong_selection_is_refused(ann, selected):
    with pytest.raises(InvalidInputError):
        similar.more_like(access=ann, selected=selected, count=1)


def test_tasks_of_other_projects_are_no_help(model, ann):
    assert similar.more_like(access=ann, selected=[10**9], count=5).held == []


def test_a_skipped_image_does_not_come_back(model, ann, project):
    from tests.app.services.labelling_help import answer  # noqa: PLC0415

    labelling.claim(access=ann, count=20)
    labelling.submit(access=ann, answers=[answer(ann, task_of(4), "skip")])
    assert 4 not in seqs(more(ann, 0, count=20))


# --- before there are features --------------------------------------------------------------------


def paint(images) -> None:
    """Write pictures in four colours, some brighter than others."""
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
    for image in images:
        picture = Pillow.new("RGB", (16, 16), colours[image.seq % 4])
        picture.putpixel((image.seq % 16, 3), (255, 255, 255))
        path = Path(settings.MEDIA_ROOT) / image.display_key
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def test_before_a_model_the_colours_decide(ann, images):
    paint(images)
    found = more(ann, 1)
    assert set(seqs(found)) == {5, 9, 13, 17}
    assert found.searched == 19


def test_decoding_is_bounded_and_remembered(ann, images, monkeypatch):
    paint(images)
    vectors._small.clear()
    monkeypatch.setattr(vectors, "DECODED", 5)
    assert more(ann, 0, count=0).searched == 5
    assert more(ann, 0, count=0).searched == 10


def test_images_without_a_file_are_passed_over(ann, images):
    paint(images)
    vectors._small.clear()
    (Path(settings.MEDIA_ROOT) / images[5].display_key).unlink()
    (Path(settings.MEDIA_ROOT) / images[9].display_key).write_bytes(b"\x89PNG broken")
    assert set(seqs(more(ann, 1, count=2))) == {13, 17}


def test_the_packed_images_do_as_well(ann, project):
    folder = pool_folder(project)
    folder.mkdir(parents=True)
    pixels = np.zeros((20, 32, 28, 3), dtype=np.uint8)
    pixels[np.arange(20), :, :, HUES % 3] = 200
    np.save(folder / "20.npy", pixels)
    found = more(ann, 0, count=3)
    assert all(HUES[seq] % 3 == 0 for seq in seqs(found))
