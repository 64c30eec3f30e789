"""What the tests of the reviewers' queue share."""

from __future__ import annotations

from labelapp.models import Review
from labelapp.services import labelling, questions
from tests.app.services.labelling_help import answer


def labelled(who, count: int = 1, index: int = 1) -> list[int]:
    """Let this person label the next images; return the images' ids."""
    held = labelling.next_tasks(access=who, count=count).held
    given = [answer(who, task.task_id, **{"class": index}) for task in held]
    labelling.submit(access=who, answers=given)
    return [task.image_id for task in held]


def asked(who, image_id: int, reason: str = "disagreement", person=None) -> Review:
    questions.ask(
        project_id=who.project.pk,
        image_id=image_id,
        reason=reason,
        task_id=None,
        person_id=person,
    )
    return Review.objects.latest("pk")


def passed_on(who, kind: str = "unsure") -> Review:
    """Let this person say that they cannot tell; return the question."""
    task = labelling.next_tasks(access=who, count=1).held[0]
    labelling.submit(access=who, answers=[answer(who, task.task_id, kind)])
    return Review.objects.latest("pk")
