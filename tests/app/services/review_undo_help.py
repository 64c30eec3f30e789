"""What the tests of taking back a reviewer's decision share."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from labelapp.models import Exclusion, Label, LabelBatch, ProjectCounter, Review, Task
from labelapp.services import labelling, questions
from labelapp.services.review_decisions import Decision
from tests.app.services.labelling_help import answer

ACCEPT, STAR, EXCLUDE = Decision("accept"), Decision("class", class_index=2), Decision("exclude")
BACK = Decision("send_back", note="look again")


def say(who, image_id: int, index: int = 1, **changes) -> dict[str, object]:
    """Let this person answer the image's newest slot; return what became of it."""
    task = Task.objects.filter(image_id=image_id).order_by("-pk")[0]
    return labelling.submit(
        access=who, answers=[answer(who, task.pk, **{"class": index, **changes})]
    ).results[0]


def labelled(*people, index: int = 1) -> int:
    """Let these people give the next image a class, all the same one; return the image."""
    image = labelling.next_tasks(access=people[0], count=1).held[0].image_id
    for who in people:
        assert say(who, image, index)["ok"]
    return image


def asked(who, image_id: int, reason: str = "disagreement") -> Review:
    task = Task.objects.filter(image_id=image_id).order_by("pk")[0]
    questions.ask(
        project_id=who.project.pk, image_id=image_id, reason=reason, task_id=task.pk, person_id=None
    )
    return Review.objects.latest("pk")


def finish(batch: LabelBatch) -> None:
    LabelBatch.objects.filter(pk=batch.pk).update(
        state="done", closed=timezone.now() - timedelta(seconds=1)
    )


def everything(project) -> dict[str, object]:
    """All that a decision can change and an undo must bring back."""
    counter = ProjectCounter.objects.filter(project=project)
    return {
        "labels": list(
            Label.objects.order_by("pk").values_list(
                *["image", "class_index", "method", "votes", "agreement", "answer", "user"],
                *["batch", "purpose", "seq", "source"],
            )
        ),
        "tasks": list(Task.objects.order_by("pk").values_list("pk", "state", "wanted", "slot")),
        "batches": list(LabelBatch.objects.values_list("pk", "state", "size", "remaining")),
        "reviews": list(
            Review.objects.order_by("pk").values_list(
                *["pk", "state", "outcome", "before", "after", "note"],
                *["reviewer", "task", "person", "closed"],
            )
        ),
        "excluded": list(Exclusion.objects.values_list("image", flat=True)),
        "counter": list(
            counter.values("label_spend", "train", "test", "residual", "audit", "ahead", "excluded")
        ),
    }
