"""Pre-trained weights in a project: what trains on them, and what their files may lack."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelapp.models import Event, LedgerEntry, Project
from labelapp.selectors import stored_words
from labelapp.selectors.dashboard import overview
from labelapp.selectors.runs import run_status
from labelapp.services import runs, training_errors
from mcal_engine.errors import WeightsError
from mcal_engine.vision import checkpoints, weights
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.nets import build
from mcal_engine.vision.weights import Source
from tests.app.tasks import driving

SIDE = 16


def write_weights(folder: Path, arch: str = "cnn_small", classes: int = 5) -> Path:
    """Write what `pretrain` writes: a network's checkpoint from another set, and its hash."""
    net = build(arch, channels=1, classes=classes, side=SIDE)
    model = Model(
        NetSpec(arch, 1, classes, SIDE, flip=False), net, Normalisation((128.0,), (64.0,))
    )
    path = folder / "cnn_small.pt"
    digest = checkpoints.save(model, path)
    path.with_name("cnn_small.pt.sha256").write_text(f"{digest}  cnn_small.pt\n")
    return path


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    found = tmp_path / "weights"
    found.mkdir()
    settings.WEIGHTS_DIR = str(found)
    write_weights(found)
    return found


def reach_training(ready: Project, cast) -> None:
    Project.objects.filter(pk=ready.pk).update(arch="cnn_small+frozen", rivals=[])
    ready.refresh_from_db()
    driving.start(ready, cast.owner)
    while ready.run.request_kind == "label":
        driving.answer_all(ready, cast.annotator)
        driving.do_one(ready.jobs.filter(kind="advance", state="waiting").first())
        ready.run.refresh_from_db()


@pytest.mark.django_db
def test_a_half_written_file_stops_the_run_at_once_and_a_whole_one_lets_it_go_on(
    ready, cast, folder, owner, settings
):
    """With the real training program."""
    reach_training(ready, cast)
    labels = ready.counter.label_spend
    path = folder / "cnn_small.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert driving.do_jobs() == ["train failed"]  # another attempt would fail alike
    told = run_status(ready)
    assert told.state == "failed"
    assert f"{path} is half-written or was changed" in told.message
    assert told.message.endswith("Copy the file anew. Resume to try again.")
    assert "half-written" in overview(ready)["status"]["message"]
    types = set(Event.objects.filter(project=ready).values_list("type", flat=True))
    assert "run.failed" in types
    assert "training.failed" not in types  # that news says that it is tried again
    assert not LedgerEntry.objects.filter(project=ready, purpose="compute").exists()

    path.write_bytes(whole)
    runs.resume_run(access=owner)
    assert "train done" in driving.do_jobs()
    ready.counter.refresh_from_db()
    assert ready.counter.label_spend == labels  # nothing was bought twice
    model = ready.run.models.get()
    assert model.arch == "cnn_small+frozen"
    features = Path(settings.JOBS_ROOT) / ready.public_id / "features"
    assert len(list(features.glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("code", "message", "hopeless"),
    [
        ("bad_weights", "/w/x.pt holds weights of a, not of b. Put the right file there.", True),
        ("disk_full", "The disk is full: member 3 could not be kept.", False),
        ("disk_full", "6 members take 9.0 MiB; 1.0 MiB are free. Free some space.", False),
        ("bad_data", "The features cannot be kept in /f: The disk is full.", False),
    ],
)
def test_only_what_no_other_attempt_would_change_is_hopeless(code, message, hopeless):
    found = training_errors.of_result({"ok": False, "code": code, "message": message})
    assert isinstance(found, training_errors.HopelessError) == hopeless
    assert str(found) == message


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def unsealed(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").unlink()


def of_another_network(path: Path) -> None:
    write_weights(path.parent, "paper_cnn18")


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (Path.unlink, r"expected cnn_small\.pt with cnn_small\.pt\.sha256\. Looked for"),
        (cut, "half-written or was changed.*Copy the file anew"),
        (unsealed, r"needs its SHA-256 in cnn_small\.pt\.sha256 beside it"),
        (of_another_network, "holds weights of paper_cnn18, not of cnn_small"),
    ],
)
def test_every_fault_of_a_file_says_what_to_do_in_words_that_pages_know(folder, breaks, words):
    breaks(folder / "cnn_small.pt")
    with pytest.raises(WeightsError, match=words) as found:
        weights.load("cnn_small", Source(folder), channels=1, side=SIDE)
    said = str(found.value)
    assert any(pattern.fullmatch(said) for _, pattern in stored_words._compiled(named=False))
