"""Why something cannot be asked of a run, or taken back, and what to do instead. In English."""

from __future__ import annotations

from django.utils.translation import gettext_noop

OBSTACLES: dict[str, str] = {
    "archived": gettext_noop("This project is archived. Bring it back first."),
    "not_started": gettext_noop("The run has not started."),
    "finished": gettext_noop("The project is finished. Open it again first."),
    "not_finished": gettext_noop("The run is still going: there is nothing to open again."),
    "chosen": gettext_noop(
        "The machine's labels are chosen and people label the rest. When they are done, the "
        "project can be opened again."
    ),
    "asked": gettext_noop("This is asked for already."),
    "working": gettext_noop("A step of steering is being done: wait for its end."),
    "audited": gettext_noop(
        "This project's promise is always proven by an audit: stop now and the audit follows."
    ),
    "frozen": gettext_noop(
        "An audit is going on: the model and its order are frozen until it has ended."
    ),
}
"""Names of `selectors.steering.obstacle`."""

TOO_LATE: dict[str, str] = {
    "archived": gettext_noop("This project is archived. Bring it back first."),
    "finished": gettext_noop("The project is finished: open it again instead."),
    "spent": gettext_noop("Labels were paid for it since, so it stands."),
    "moved": gettext_noop("The run has gone on with it since, so it stands."),
    "for_good": gettext_noop("This cannot be taken back: other labels build on it."),
    "joined": gettext_noop(
        "The images have joined the run since: exclude those that are not wanted."
    ),
    "importing": gettext_noop("Images are still coming in: wait for the end of the import."),
    "not_newest": gettext_noop("Only what was asked last can be taken back, and only once."),
}
"""Names of `selectors.steering.too_late`."""
