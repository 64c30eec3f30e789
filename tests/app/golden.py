"""The golden data set: everything that made a label format stumble, in one project."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime

from django.db.models import F

from labelapp.models import (
    Answer,
    Image,
    ImageAlias,
    Label,
    LabelBatch,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.services.image_files import write_media
from tests.app.pictures import encoded, picture

NAMES = [
    "deep/er/img 1.png",  # nested, a space
    "a/same.png",  # the same basename in two folders
    "b/same.png",
    "stem.jpg",  # the same stem with two suffixes
    "stem.png",
    "ünïcödé/画像.png",
    "=cmd|calc.png",  # a spreadsheet would run it
    "no label.png",
]
WHEN = datetime(2026, 1, 31, 12, 0, 5, tzinfo=UTC)


def golden(project: Project, annotator, second) -> list[Image]:
    """Fill the project: images 0-3 and 6 by people, 4-5 by the machine, 7 unlabelled.

    Image 0 is a test mark, image 1 a mark that was trained on; image 2 has a duplicate and two
    answers that disagree; image 5 has no confidence.
    """
    project.classes.filter(index=1).update(name="big square")
    images = [_image(project, seq, name) for seq, name in enumerate(NAMES)]
    ProjectCounter.objects.filter(project=project).update(images=len(images))
    ImageAlias.objects.create(image=images[2], name="copies/of same.png")
    run = Run.objects.create(
        project=project, n=8, config={}, state={}, waiting_for="", request_kind="finished"
    )
    seed = _batch(run, "seed", 0, images[:4])
    later = _batch(run, "train", 3, [images[6]])
    for image, index in zip(images[:4], (0, 1, 2, 0), strict=True):
        _human(image, index, annotator, seed)
    _human(images[6], 1, second, later)
    _answer(images[2], 1, second, seed)
    model = ModelVersion.objects.create(run=run, iteration=4, arch="x", folder="", sha256="")
    for image, confidence in ((images[4], 0.875), (images[5], None)):
        Label.objects.create(
            image=image,
            project=project,
            seq=image.seq,
            class_index=2,
            source="machine",
            confidence=confidence,
            model=model,
            purpose="machine",
            created=WHEN,
        )
    for image in images[:2]:
        TestMark.objects.create(run=run, image=image, seq=image.seq)
    TrainItem.objects.create(run=run, image=images[1], seq=1, iteration=0)
    return images


def finish(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(status=Project.Status.FINISHED)
    project.refresh_from_db()


def _image(project: Project, seq: int, name: str) -> Image:
    size = (20 + seq, 10 + seq)
    data = encoded(picture(seq, size), "JPEG" if name.endswith("jpg") else "PNG")
    sha256 = hashlib.sha256(data).hexdigest()
    key = f"projects/{project.public_id}/original/{sha256}"
    write_media(key, data)
    return Image.objects.create(
        project=project,
        seq=seq,
        sha256=sha256,
        name=name,
        width=size[0],
        height=size[1],
        size=len(data),
        original_key=key,
        display_key=key,
    )


def _batch(run: Run, purpose: str, iteration: int, images: list[Image]) -> LabelBatch:
    batch = LabelBatch.objects.create(
        run=run,
        project=run.project,
        request_id=purpose,
        iteration=iteration,
        purpose=purpose,
        size=len(images),
        remaining=0,
        state="done",
    )
    for rank, image in enumerate(images):
        Task.objects.create(batch=batch, project=run.project, image=image, rank=rank, state="done")
    return batch


def _answer(image: Image, index: int, user, batch: LabelBatch) -> Answer:
    return Answer.objects.create(
        id=uuid.uuid4(),
        task=batch.tasks.get(image=image),
        batch=batch,
        project=image.project,
        image=image,
        user=user,
        kind="class",
        created=WHEN,
        label_class=image.project.classes.get(index=index),
        how="key",
    )


def _human(image: Image, index: int, user, batch: LabelBatch) -> None:
    Label.objects.create(
        image=image,
        project=image.project,
        seq=image.seq,
        class_index=index,
        source="human",
        answer=_answer(image, index, user, batch),
        batch=batch,
        purpose=batch.purpose,
        user=user,
        created=WHEN,
    )
    ProjectCounter.objects.filter(project=image.project).update(answers=F("answers") + 1)
