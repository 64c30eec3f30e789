"""Questions for the reviewers: what people disagree on, skipped, or cannot tell.

Apart from `services.reviews`, where they are decided: answers ask, and reviews answer.
"""

from __future__ import annotations

from labelapp.models import Review


def ask(
    *, project_id: int, image_id: int, reason: str, task_id: int | None, person_id: int | None
) -> None:
    """Put an image before the reviewers; harmless where it waits there for this reason already.

    Call it inside the transaction of the answer that gives the reason.
    """
    Review.objects.bulk_create(
        [
            Review(
                project_id=project_id,
                image_id=image_id,
                reason=reason,
                task_id=task_id,
                person_id=person_id,
            )
        ],
        ignore_conflicts=True,
    )
