"""What managers do with gold: bring it in, take confirmed test images, switch it off, remove it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import events
from labelapp.errors import ForbiddenError, NotFoundError
from labelapp.formats.csv_gold import GoldRow, Problem, read_gold
from labelapp.models import GoldItem, Image, ImageAlias, LabelClass, Task
from labelapp.rights import Right
from labelapp.selectors.gold import confirmed_test_images
from labelapp.selectors.projects import Access, active_classes
from labelapp.services import audit
from labelapp.services.gold import PURPOSE

_IN_LIST = 500  # SQLite takes a limited number of parameters


@dataclass(frozen=True)
class Upload:
    """What came of a file: all of it was taken, or nothing and `problems` say why."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    problems: list[Problem] = field(default_factory=list)


def upload(*, access: Access, content: bytes) -> Upload:
    """Make the images that a CSV names gold, all or none; the same file again changes nothing.

    An image that is gold as another class gets the file's class and counts as uploaded; answers
    that were judged stay as they were judged. Raises ForbiddenError.
    """
    _need(access)
    table = read_gold(content)
    images = _images(access, table.rows)
    classes = {c.name.casefold(): c for c in active_classes(access.project)}
    problems = [*table.problems, *_unknown(table.rows, images, classes)]
    problems += _twice(table.rows, images, {p.line for p in problems})
    if problems:
        return Upload(problems=sorted(problems, key=lambda p: p.line))
    wanted = {images[row.file_name]: classes[row.label.casefold()] for row in table.rows}
    return _store(access, wanted, GoldItem.Source.UPLOADED)


def adopt(*, access: Access) -> int:
    """Make test images gold that people confirmed; return how many are new.

    Two people answered them alike and nobody otherwise, or a reviewer confirmed them: single
    human labels are often wrong.
    """
    _need(access)
    rows = list(confirmed_test_images(access.project))
    classes = {c.index: c for c in active_classes(access.project)}
    sources = (GoldItem.Source.REVIEWED, GoldItem.Source.AGREED)
    added = 0
    for source in sources:
        found = [row for row in rows if row.reviewed == (source == GoldItem.Source.REVIEWED)]
        wanted = {r.image_id: classes[r.class_index] for r in found if r.class_index in classes}
        added += _store(access, wanted, source).added if wanted else 0
    return added


def set_active(*, access: Access, item_id: int, active: bool) -> None:
    """Ask this item, or ask it no more. Raises NotFoundError."""
    item = _item(access, item_id)
    if item.active == active:
        return
    with transaction.atomic():
        GoldItem.objects.filter(pk=item.pk).update(active=active)
        if not active:
            _drop_tasks(access, [item.image_id])
        _log(access, "gold.switched", item.image.name, {"active": item.active}, {"active": active})


def remove(*, access: Access, item_id: int) -> None:
    """Make an image gold no more; answers that it judged stay. Raises NotFoundError."""
    item = _item(access, item_id)
    with transaction.atomic():
        _drop_tasks(access, [item.image_id])
        item.delete()
        _log(access, "gold.removed", item.image.name, {"label": item.label_class.name}, {})


def _drop_tasks(access: Access, image_ids: list[int]) -> None:
    """Ask nobody any more who has not answered yet; an answer under way is kept and judged."""
    Task.objects.filter(
        project=access.project,
        batch__purpose=PURPOSE,
        image_id__in=image_ids,
        state=Task.State.ASSIGNED,
    ).update(state=Task.State.DROPPED)


def _images(access: Access, rows: list[GoldRow]) -> dict[str, int]:
    """Return the images behind the names, duplicates' names too."""
    names = [row.file_name for row in rows]
    images = Image.objects.filter(project=access.project)
    aliases = ImageAlias.objects.filter(image__project=access.project)
    found: dict[str, int] = {}
    for start in range(0, len(names), _IN_LIST):
        part = names[start : start + _IN_LIST]
        found |= dict(aliases.filter(name__in=part).values_list("name", "image_id"))
        found |= dict(images.filter(name__in=part).values_list("name", "pk"))
    return found


def _unknown(
    rows: list[GoldRow], images: dict[str, int], classes: dict[str, LabelClass]
) -> Iterable[Problem]:
    for row in rows:
        if row.file_name not in images:
            yield Problem(row.line, "unknown_file", row.file_name)
        if row.label.casefold() not in classes:
            yield Problem(row.line, "unknown_class", row.label)


def _twice(rows: list[GoldRow], images: dict[str, int], wrong: set[int]) -> list[Problem]:
    """Find rows whose file is, under another name, the image of a row before."""
    seen: set[int] = set()
    found = []
    for row in rows:
        image = images.get(row.file_name)
        if image is None or row.line in wrong:
            continue
        if image in seen:
            found.append(Problem(row.line, "duplicate", row.file_name))
        seen.add(image)
    return found


def _store(access: Access, wanted: dict[int, LabelClass], source: str) -> Upload:
    """Write the items in one transaction."""
    with transaction.atomic():
        items = GoldItem.objects.select_for_update().filter(project=access.project)
        there = {item.image_id: item for item in items}
        new = [image for image in wanted if image not in there]
        changed = [
            there[image]
            for image, label_class in wanted.items()
            if image in there and there[image].label_class_id != label_class.pk
        ]
        for item in changed:
            item.label_class, item.source = wanted[item.image_id], source
        GoldItem.objects.bulk_update(changed, ["label_class", "source"], batch_size=_IN_LIST)
        GoldItem.objects.bulk_create(
            [
                GoldItem(
                    project=access.project,
                    image_id=image,
                    label_class=wanted[image],
                    source=source,
                    created_by=access.user,
                )
                for image in new
            ],
            batch_size=_IN_LIST,
        )
        if new or changed:
            counts = {"added": len(new), "changed": len(changed)}
            _log(access, f"gold.{source}", access.project.name, {}, counts)
    return Upload(len(new), len(changed), len(wanted) - len(new) - len(changed))


def _item(access: Access, item_id: int) -> GoldItem:
    _need(access)
    found = GoldItem.objects.select_related("image", "label_class").filter(
        project=access.project, pk=item_id
    )
    item = found.first()
    if item is None:
        raise NotFoundError(_("There is no such gold image."))
    return item


def _need(access: Access) -> None:
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))


def _log(
    access: Access,
    action: str,
    target: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    audit.write(
        user=access.user,
        project=access.project,
        action=action,
        target=target,
        before=dict(before),
        after=dict(after),
    )
    events.record(access.project.pk, "project.changed", {"what": "gold"})
