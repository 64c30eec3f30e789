"""What has to hold before a run starts."""

from __future__ import annotations

from django.utils.translation import gettext as _

from labelapp import engine
from labelapp.errors import ConflictError, InvalidInputError, TooFewImagesError
from labelapp.models import Import, Project, ProjectCounter
from labelapp.selectors.candidate_words import candidate_problem
from labelapp.selectors.projects import active_classes
from labelapp.services.training_settings import TrainingSettings


def check_ready(project: Project) -> None:
    """Raise the error that `start_run` would raise for this project, with what to do about it."""
    if project.status != Project.Status.SETUP:
        raise ConflictError(_("The run has already started."))
    if project.archived_at is not None:
        raise ConflictError(_("This project is archived. Bring it back first."))
    live = (Import.State.WAITING, Import.State.RUNNING)
    if project.imports.filter(state__in=live).exists():
        raise ConflictError(_("Images are still being imported. Start when the import has ended."))
    classes = len(active_classes(project))
    if classes < 2:
        raise InvalidInputError(_("A project needs at least two classes."), classes=classes)
    _check_images(project, classes)
    _check_training(project)
    _check_candidates(project)


def _check_images(project: Project, classes: int) -> None:
    """T is at most a tenth of the images, so small projects fail on B_0: 6 images per class."""
    images = image_count(project)
    test, seed = engine.first_purchase(project, images=images, classes=classes)
    needed = max(test + seed, 10)
    if images < needed:
        raise TooFewImagesError(
            _(
                "The project has %(images)s images; with %(classes)s classes at least %(needed)s "
                "are needed (%(test)s to measure the error, %(seed)s for the first training). "
                "Import more images."
            )
            % {"images": images, "classes": classes, "needed": needed, "test": test, "seed": seed},
            images=images,
            needed=needed,
        )


def image_count(project: Project) -> int:
    """Count the images by the counter's row: the project's copy may be of before an import."""
    return ProjectCounter.objects.values_list("images", flat=True).get(project_id=project.pk)


def _check_training(project: Project) -> None:
    """How many images there are is known only now: a round cannot have more labels."""
    wrong = TrainingSettings.of(project.settings).check(image_count(project))
    if wrong:
        raise InvalidInputError(" ".join(wrong.values()), **wrong)


def _check_candidates(project: Project) -> None:
    """Weights may have gone since they were chosen: better said before people label."""
    for name in (project.arch, *project.rivals):
        if problem := candidate_problem(name):
            raise InvalidInputError(problem, arch=problem)
