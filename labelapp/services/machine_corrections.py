"""A reviewer corrects a label that the machine gave: it is a person's label from then on.

The certificate's promise stands: it counts what the machine delivered, and a corrected image was
delivered as it was. So the label keeps its model, which marks it as corrected, and the exported
certificate lists what changed (selectors.exports), for the verifier to judge what was delivered.
"""

from __future__ import annotations

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError
from labelapp.models import Label, Project, ProjectCounter, Review, TrainItem
from labelapp.selectors.projects import Access


def label_of(image_id: int) -> Label | None:
    """Return the machine's label of an image, locked; None where it has none."""
    rows = Label.objects.filter(image_id=image_id, source=Label.Source.MACHINE)
    return rows.select_for_update(of=("self",)).first()


def correct(*, access: Access, label: Label, class_index: int) -> None:
    """Let a person's class stand in place of the machine's. Call it inside a transaction.

    Raises ConflictError before the run has finished: the machine's labels are being checked.
    """
    if access.project.status != Project.Status.FINISHED:
        raise ConflictError(
            _("The machine's labels can be corrected once the run has finished: wait for its end.")
        )
    Label.objects.filter(pk=label.pk).update(
        class_index=class_index,
        source=Label.Source.HUMAN,
        purpose="residual",
        method="review",
        user_id=access.user.pk,
        created=timezone.now(),
    )
    _count(access.project, 1)


def is_corrected(label: Label) -> bool:
    """Tell whether the machine had delivered another label of this image.

    Where the project was opened again since, the image is in B: a person's label like all others.
    """
    if label.source != Label.Source.HUMAN or label.model_id is None:
        return False
    return not TrainItem.objects.filter(image_id=label.image_id).exists()


def undo(*, project: Project, review: Review, label: Label) -> None:
    """Give the machine its label back. Raises ConflictError where the run is open again."""
    if project.status != Project.Status.FINISHED:
        raise ConflictError(_("The label has changed since: the decision stands."))
    Label.objects.filter(pk=label.pk).update(
        class_index=review.before,
        source=Label.Source.MACHINE,
        purpose="machine",
        method="",
        user=None,
        created=timezone.now(),
    )
    _count(project, -1)


def _count(project: Project, corrected: int) -> None:
    ProjectCounter.objects.filter(project=project).update(
        machine=F("machine") - corrected, residual=F("residual") + corrected
    )
