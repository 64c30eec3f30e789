"""Stored English sentences in the page's language: decisions of the engine, why something failed.

The engine and the worker write English, once, for nobody in particular; whoever reads a page gets
it in their language. A sentence without a pattern here stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from django.utils.formats import number_format
from django.utils.translation import get_language, gettext, gettext_noop, ngettext

from labelapp.selectors.candidate_words import candidate_name

PATTERNS: tuple[str, ...] = (
    # Decisions of the engine (mcal_engine/rules.py, race.py, auditing.py): after "The engine ...".
    gettext_noop(
        "stops: %(reason)s; the money leaves %(images)s to the machine and an expected error of %(percent)s of all images"
    ),
    gettext_noop("stops: %(reason)s, people label the rest"),
    gettext_noop("stops and lets the machine label %(images)s: %(reason)s"),
    gettext_noop("adds %(images)s to training, the fixed batch of this run"),
    gettext_noop("adds %(images)s to training because a forecast needs %(trainings)s"),
    gettext_noop("adds %(images)s to training to make sure before it stops, since %(reason)s"),
    gettext_noop(
        "adds %(images)s to training because training on %(n)s is expected to leave %(percent)s of all images wrong within the budget, against %(percent2)s"
    ),
    gettext_noop(
        "adds %(images)s to training because nothing can be machine-labelled yet and the curves may still fall"
    ),
    gettext_noop(
        "adds %(images)s to training because training on %(n)s is expected to let the machine label %(more)s than now and save %(dollars)s"
    ),
    gettext_noop(
        "adds %(images)s to training because training on %(n)s is expected to save %(dollars)s"
    ),
    # Reasons to stop: inside the sentences above.
    gettext_noop("every image that can be labelled is in the training set"),
    gettext_noop("the cost of stopping has risen twice in a row"),
    gettext_noop("two plans in a row agree that %(reason)s"),
    gettext_noop("the limit of %(n)s round is reached"),
    gettext_noop("the limit of %(n)s rounds is reached"),
    gettext_noop("labels cost nothing, so no machine label can save anything"),
    gettext_noop("the budget has no room for another round"),
    gettext_noop("training costs more than a tenth of labelling by hand and no plan is cheaper"),
    gettext_noop("another training would cost more than all that it could still save"),
    gettext_noop("labels cost nothing"),
    gettext_noop("the budget pays for every label"),
    gettext_noop("no machine-labelled set is worth its audit under the error target"),
    gettext_noop("no machine-labelled set met the error target"),
    gettext_noop("under so small an error target the audit takes nearly every image"),
    gettext_noop("%(n)s test images are too few to show that any set meets the error target"),
    gettext_noop("no plan saves 1 % or more over stopping now"),
    gettext_noop("the training set has reached the size that is expected to be cheapest"),
    gettext_noop("another round is unlikely to lower the total cost"),
    gettext_noop("no plan within the budget is likely to leave fewer images wrong"),
    gettext_noop("no plan within the budget leaves 1 % fewer images wrong"),
    gettext_noop("none of the first images could be labelled, so there is nothing to train on"),
    gettext_noop("the audit could not certify any set"),
    gettext_noop("the budget does not pay for what the audit leaves to people"),
    gettext_noop("the manager asked for it"),
    gettext_noop("the manager lets people label the rest"),
    gettext_noop("%(reason)s, even if the model never erred"),
    gettext_noop("%(reason)s, and %(reason2)s"),
    # Why a run cannot be steered (mcal_engine/steering.py).
    gettext_noop("the model is frozen: its audit or the end is going on"),
    gettext_noop("the machine labels are already chosen"),
    gettext_noop("the machine labels are already chosen: open the run again first"),
    gettext_noop("people are labelling the rest: let them finish, then open again"),
    gettext_noop("the run is still open"),
    gettext_noop("these images are part of the run by now"),
    # What the worker says of a step of steering (services/steering_jobs.py), and why it ended.
    gettext_noop("Reading the machine's labels"),
    gettext_noop("Working out what is open again"),
    gettext_noop("Withdrawing the machine's labels"),
    gettext_noop("Giving the machine its labels back"),
    gettext_noop("Merging the classes"),
    gettext_noop("Taking it back"),
    gettext_noop(
        "The run has moved on since you looked. Here is what it would mean now; decide again."
    ),
    gettext_noop("Labels were paid for it since, so it stands."),
    # Promises of certificates.
    gettext_noop("certified"),
    gettext_noop("bounded by an audit"),
    gettext_noop("estimated with a margin"),
    gettext_noop("estimate without a margin"),
    # Why several answers could not be put together (engine_people.py, mcal_engine/people/).
    gettext_noop("The answers cannot be put together in this way: %(reason)s."),
    gettext_noop("CROWDLAB needs a model that has scored the images"),
    gettext_noop("CROWDLAB needs a model's probabilities of the images"),
    gettext_noop("the newest model has not scored all of these images"),
    gettext_noop("too many images and people for CROWDLAB here; use Dawid-Skene"),
    # Lines of a job's log.
    gettext_noop("Attempt %(n)s on %(text)s, process %(text2)s"),
    gettext_noop("Set aside: the worker is being stopped"),
    gettext_noop("Done"),
    gettext_noop("%(reason)s: process %(text)s"),
    gettext_noop("%(arch)s: step %(n)s of %(n2)s, loss %(text)s, accuracy %(percent)s"),
    gettext_noop("%(arch)s: step %(n)s of %(n2)s"),
    gettext_noop("%(arch)s: scoring %(images)s"),
    gettext_noop("%(arch)s: trained in %(seconds)s s, scored all images in %(seconds2)s s"),
    # Files of pre-trained weights, and what does not fit on the disk (mcal_engine/vision/).
    gettext_noop(
        "There are no pre-trained weights of %(text)s: expected %(text2)s or %(text3)s with %(text4)s. Looked for in %(text5)s: copy it there. Nothing was downloaded: that has to be allowed (MCAL_ALLOW_WEIGHT_DOWNLOAD=true, or --allow-download)."
    ),
    gettext_noop(
        "There are no pre-trained weights of %(text)s: expected %(text2)s or %(text3)s with %(text4)s. No folder of weights was named (MCAL_WEIGHTS_DIR, or --weights DIR). Nothing was downloaded: that has to be allowed (MCAL_ALLOW_WEIGHT_DOWNLOAD=true, or --allow-download)."
    ),
    gettext_noop(
        "There are no pre-trained weights of %(text)s: expected %(text3)s with %(text4)s. Looked for in %(text5)s: copy it there."
    ),
    gettext_noop(
        "There are no pre-trained weights of %(text)s: expected %(text3)s with %(text4)s. No folder of weights was named (MCAL_WEIGHTS_DIR, or --weights DIR)."
    ),
    gettext_noop(
        "%(text)s is half-written or was changed: its SHA-256 begins with %(text2)s, expected is %(text3)s. Copy the file anew."
    ),
    gettext_noop(
        "The weights %(text)s cannot be trusted: %(text2)s needs its SHA-256 in %(text3)s beside it."
    ),
    gettext_noop("The weights of %(text)s take images of %(n)s channels; these have %(n2)s."),
    gettext_noop("The weights %(text)s cannot be used: %(text2)s"),
    gettext_noop(
        "%(text)s holds weights of %(text2)s, not of %(text3)s. Put the right file there."
    ),
    gettext_noop("%(text)s could not be fetched into %(text2)s: %(text3)s"),
    gettext_noop(
        "The features take %(n)s MiB; at most %(n2)s MiB may be kept. Choose a network with fewer features, or allow more."
    ),
    gettext_noop(
        "The disk is full: the features take %(n)s MiB in %(text)s, and %(n2)s MiB are free. Free some space."
    ),
    gettext_noop("The features cannot be kept in %(text)s: %(text2)s"),
    gettext_noop(
        "%(n)s members take %(text)s on disk; at most %(text2)s are allowed. Ask for fewer, or allow more."
    ),
    gettext_noop("%(n)s members take %(text)s; %(text2)s are free. Free some space."),
    gettext_noop("The members outgrew the %(text)s allowed, at number %(n)s."),
    gettext_noop("The disk is full: %(text)s could not be kept."),
    # Jobs, imports, exports.
    gettext_noop("it was cancelled."),
    gettext_noop("Trying again: %(reason)s"),
    gettext_noop("The training was cancelled. Resume to train again."),
    gettext_noop("The training failed: %(reason)s. Resume to try again."),
    gettext_noop("The next step could not be computed: %(reason)s. Resume to try again."),
    gettext_noop("Packing the images: %(percent)s"),
    gettext_noop("Training on %(images)s"),
    gettext_noop("Training %(arch)s (%(n)s of %(n2)s) on %(images)s"),
    gettext_noop("The training program was killed by signal %(n)s (out of memory?): %(text)s"),
    gettext_noop("The training program was killed by signal %(n)s (out of memory?)"),
    gettext_noop("The training program was killed by signal %(n)s: %(text)s"),
    gettext_noop("The training program was killed by signal %(n)s"),
    gettext_noop("The training program ended with code %(n)s: %(text)s"),
    gettext_noop("The training program ended with code %(n)s"),
    gettext_noop("Given up: %(n)s workers ended while doing this."),
    gettext_noop("Deleting the rows"),
    gettext_noop("Waiting for the project's jobs to end"),
    gettext_noop("Deleting the files: %(n)s images so far"),
    gettext_noop("%(n)s of %(n2)s files"),
    gettext_noop("Cancelled."),
    gettext_noop("Cancelled; the images that were in stay."),
    gettext_noop("The upload was never finished."),
    gettext_noop("It stopped with an unexpected error; see the log."),
    gettext_noop("The disk is full. Free some space, then press Continue: nothing is lost."),
    gettext_noop("The disk is full. Free some space, then export again."),
    gettext_noop("The disk is full. Free some space"),
    gettext_noop("Reading or writing files failed: %(text)s."),
    gettext_noop("Writing the file failed: %(text)s."),
    gettext_noop("There is no such search."),
    gettext_noop(
        "The files of this search are not there any more (a backup does not hold them). "
        "Search again."
    ),
    gettext_noop("The files of this search do not go together. Search again."),
    gettext_noop(
        "The parts of a search can be exported only while the project is finished: they follow "
        "from labels of the test set."
    ),
    # A search for the best training set (services/curation_program.py, curations.py).
    gettext_noop("Waiting: a training goes first"),
    gettext_noop("The search begins"),
    gettext_noop("Searching"),
    gettext_noop("Training %(n)s of %(n2)s, to choose: %(images)s"),
    gettext_noop("Training %(n)s of %(n2)s, to compare: %(images)s"),
    gettext_noop("Found the part: %(seconds)s s of computing in all"),
    gettext_noop(
        "The project was opened again, or archived. The search can go on once it has finished."
    ),
    gettext_noop(
        "The disk is full. Free some space, then let the search go on: finished steps stay."
    ),
    gettext_noop("The disk is full: nothing more can be kept in %(text)s."),
    gettext_noop("The search program was killed by signal %(n)s (out of memory?): %(text)s"),
    gettext_noop("The search program was killed by signal %(n)s (out of memory?)"),
    gettext_noop("The search program was killed by signal %(n)s: %(text)s"),
    gettext_noop("The search program was killed by signal %(n)s"),
    gettext_noop("The search program ended with code %(n)s: %(text)s"),
    gettext_noop("The search program ended with code %(n)s"),
    gettext_noop("There is no label that could take part."),
    gettext_noop("%(text)s is not what the search wrote: it was damaged."),
    gettext_noop("part.npy and subset.npy do not name the same images."),
    gettext_noop("part.npy has %(n)s rows, %(n2)s are expected."),
    gettext_noop(
        "%(n)s labelled images are too few: the first stage would hold %(n2)s of them, and %(n3)s classes need %(n4)s"
    ),
    # Files that did not become images (labelapp/formats/pictures.py, services/import_batches.py).
    gettext_noop("The file is empty."),
    gettext_noop("This is not a JPEG, PNG, WebP, GIF, BMP or TIFF image."),
    gettext_noop("The image is broken or cut off."),
    gettext_noop("The image has more pixels than this installation accepts. (%(text)s)"),
    gettext_noop("The image has more pixels than this installation accepts."),
    gettext_noop(
        "The image is smaller than %(n)s pixels on a side: nothing to recognise. (%(text)s)"
    ),
    gettext_noop("The file is larger than an image may be."),
    gettext_noop("This is a link to another file; links are not followed."),
    gettext_noop("The file cannot be read."),
    gettext_noop("The file cannot be read. %(text)s"),
    gettext_noop("The name is longer than %(n)s characters."),
    gettext_noop("The same image as %(text)s; it keeps its row in the export and costs nothing."),
    # Archives (labelapp/formats/archives.py).
    gettext_noop("This is not a zip archive, or it is broken."),
    gettext_noop("The archive is broken here."),
    gettext_noop("%(text)s cannot be unpacked."),
    gettext_noop("The archive holds more than %(n)s files."),
    gettext_noop("The archive is empty: it holds no files."),
    gettext_noop("Unpacked, the archive is larger than %(n)s bytes."),
    gettext_noop("The archive unpacks to an absurd size: a zip bomb?"),
    gettext_noop("The archive has a path that leads out of its folder; nothing was imported."),
    gettext_noop("The archive is encrypted; upload it without a password."),
)
"""English as it is written, the more special first. %(reason)s is itself one of these."""

_INTEGER = r"-?[\d,]+"
_PLACES: dict[str, str] = {
    "reason": r".+?",
    "images": rf"{_INTEGER} images?",
    "more": rf"{_INTEGER} more images?",
    "trainings": rf"{_INTEGER} more trainings?",
    "percent": r"[\d.]+ ?%",
    "dollars": r"\$[\d,]+(?:\.\d+)?",
    "n": _INTEGER,
    "seconds": r"\d+\.\d",
    "text": r".+?",
    "arch": r"[a-z0-9][\w.:+=-]*",
}


def stored_words(text: str) -> str:
    """Return a stored English text in the page's language; itself where it has no pattern."""
    if not text:
        return text
    for english, pattern in _compiled(named=(get_language() or "en").startswith("en")):
        if found := pattern.fullmatch(text):
            values = {name: _value(name, value) for name, value in found.groupdict().items()}
            return gettext(english) % values if values else gettext(english)
    return text


@lru_cache(maxsize=2)
def _compiled(*, named: bool) -> list[tuple[str, re.Pattern[str]]]:
    """Return the sentences with their patterns; `named`: those with a candidate's name alone.

    The names are the engine's, so these sentences are put into words in English, too.
    """
    found = [one for one in PATTERNS if not named or "%(arch)s" in one]
    return [(english, _pattern(english)) for english in found]


def _pattern(english: str) -> re.Pattern[str]:
    parts = re.split(r"%\((\w+)\)s", english)
    return re.compile(
        "".join(
            f"(?P<{part}>{_PLACES[part.rstrip('2345')]})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        ),
        re.DOTALL,
    )


def _value(name: str, value: str) -> str:
    say = _SAY.get(name.rstrip("2345"))
    return say(value) if say else value


def _reason(text: str) -> str:
    """Return a reason that stands inside a sentence: its own full stop may be gone."""
    words = stored_words(text)
    return words if words != text else stored_words(f"{text}.").removesuffix(".")


def _number(text: str) -> str:
    exact = Decimal(text.replace(",", ""))
    digits = -int(exact.as_tuple().exponent)
    return number_format(exact, max(0, digits), use_l10n=True, force_grouping=True)


def _first(text: str) -> int:
    return int(text.split(" ", maxsplit=1)[0].replace(",", ""))


def _images(text: str) -> str:
    n = _first(text)
    return ngettext("%(n)s image", "%(n)s images", n) % {"n": _number(str(n))}


def _more(text: str) -> str:
    n = _first(text)
    return ngettext("%(n)s more image", "%(n)s more images", n) % {"n": _number(str(n))}


def _trainings(text: str) -> str:
    n = _first(text)
    return ngettext("%(n)s more training", "%(n)s more trainings", n) % {"n": _number(str(n))}


def dollars(text: str) -> str:
    """Return an amount as the engine wrote it, "$1,234.50", as the page's language writes it."""
    return gettext("%(symbol)s%(amount)s") % {"symbol": "$", "amount": _number(text[1:])}


def _percent(text: str) -> str:
    return f"{_number(text.rstrip(' %'))}\u00a0%"


_SAY: dict[str, Callable[[str], str]] = {
    "reason": _reason,
    "images": _images,
    "more": _more,
    "trainings": _trainings,
    "dollars": dollars,
    "percent": _percent,
    "n": _number,
    "seconds": _number,
    "arch": candidate_name,
}
