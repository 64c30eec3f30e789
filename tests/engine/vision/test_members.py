"""Members on disk: precision, hashes, bounds, a full disk, files that are not what they were."""

from __future__ import annotations

import errno
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mcal_engine.errors import DataError, DiskFullError
from mcal_engine.vision import checkpoints, members
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.learner import seeded
from mcal_engine.vision.members import Shelf, member_bytes
from mcal_engine.vision.nets import build

CPU = torch.device("cpu")


def model(seed: int = 0, classes: int = 4) -> Model:
    spec = NetSpec("cnn_small", channels=1, classes=classes, side=12, flip=False)
    with seeded(seed, CPU):
        net = build("cnn_small", channels=1, classes=classes, side=12)
    return Model(spec, net.eval(), Normalisation((90.0,), (60.0,)))


def shelf(folder, count: int = 3, **more) -> Shelf:
    made = Shelf(folder, **more)
    for seed in range(count):
        made.add(model(seed))
    return made


def weights(one: Model) -> torch.Tensor:
    return torch.cat([v.flatten().float() for v in one.net.state_dict().values()])


def test_members_come_back_rounded_to_half_precision(tmp_path):
    kept = shelf(tmp_path).members()
    target = model(9)
    for number in range(3):
        kept.load_into(target, number)
        assert torch.equal(weights(target), weights(model(number)).half().float())
    assert next(target.net.parameters()).dtype == torch.float32


def test_a_weight_too_large_for_half_precision_becomes_the_largest():
    huge = model()
    with torch.no_grad():
        next(huge.net.parameters()).fill_(1e6)
    content = checkpoints.to_bytes(huge, half=True)
    target = model(1)
    checkpoints.load_into(target, content, "huge")
    assert next(target.net.parameters()).max() == torch.finfo(torch.float16).max


def test_a_member_is_a_checkpoint_that_can_be_read_alone(tmp_path):
    shelf(tmp_path)
    alone = checkpoints.load(tmp_path / "members" / "001.pt", CPU)
    assert alone.spec == model().spec
    assert torch.equal(weights(alone), weights(model(1)).half().float())


def test_a_member_takes_no_more_than_was_reckoned(tmp_path):
    made = shelf(tmp_path, 1)
    size = (tmp_path / "members" / "000.pt").stat().st_size
    assert made.bytes == size <= member_bytes(model().net)
    parameters = sum(p.numel() for p in model().net.parameters())
    assert size < 2 * parameters + 40_000


def test_the_list_of_members_names_the_ensemble_and_can_be_checked_by_hand(tmp_path):
    kept = shelf(tmp_path).members()
    assert kept.keep(tmp_path) == kept.sha256
    assert members.read(tmp_path) == kept
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--check", "--strict", members.MANIFEST]
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)


def test_an_ensemble_is_kept_in_another_folder_too(tmp_path):
    (tmp_path / "other").mkdir()
    made = shelf(None)
    made.members().keep(tmp_path / "other")
    members.read(tmp_path / "other").load_into(model(), 2)


def test_a_temporary_shelf_goes_with_its_object():
    made = shelf(None)
    folder = made.folder
    assert folder.exists()
    del made
    assert not folder.exists()


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "0" * 64 + "  members/001.pt\n", "0" * 64 + "  ../000.pt\n"],
)
def test_a_list_that_is_none_is_refused(tmp_path, text):
    (tmp_path / members.MANIFEST).write_text(text)
    with pytest.raises(DataError, match=r"members\.sha256"):
        members.read(tmp_path)
    (tmp_path / members.MANIFEST).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        members.read(tmp_path)


@pytest.mark.parametrize("change", ["cut", "other", "gone"])
def test_a_member_that_is_not_as_it_was_kept_is_refused(tmp_path, change):
    kept = shelf(tmp_path).members()
    path = tmp_path / "members" / "001.pt"
    if change == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif change == "other":
        shutil.copy(tmp_path / "members" / "000.pt", path)
    else:
        path.unlink()
    with pytest.raises(DataError, match=r"member 001\.pt"):
        kept.load_into(model(), 1)


def test_a_member_of_another_class_count_is_refused(tmp_path):
    kept = shelf(tmp_path).members()
    other = model(classes=7)
    before = weights(other)
    with pytest.raises(DataError, match="classes=4"):
        kept.load_into(other, 0)
    assert torch.equal(before, weights(other))


def test_half_a_file_with_the_right_hash_is_no_checkpoint(tmp_path):
    kept = shelf(tmp_path).members()
    path = tmp_path / "members" / "000.pt"
    path.write_bytes(path.read_bytes()[:500])
    cut = replace(kept, hashes=(members.hashlib.sha256(path.read_bytes()).hexdigest(),))
    with pytest.raises(DataError, match="is not a checkpoint"):
        cut.load_into(model(), 0)


# --- room -------------------------------------------------------------------------------------


def test_what_does_not_fit_into_the_bound_is_refused_beforehand(tmp_path):
    one = member_bytes(model().net)
    made = Shelf(tmp_path, most_bytes=5 * one)
    made.check_room(model().net, 5)
    with pytest.raises(DiskFullError, match=r"6 members take .* MiB on disk; at most"):
        made.check_room(model().net, 6)
    with pytest.raises(DataError):
        Shelf(tmp_path, most_bytes=0)


def test_members_that_are_there_count_towards_the_bound(tmp_path):
    one = member_bytes(model().net)
    made = shelf(tmp_path, 2, most_bytes=3 * one)
    made.check_room(model().net, 1)
    with pytest.raises(DiskFullError):
        made.check_room(model().net, 2)


def test_what_the_disk_has_no_room_for_is_refused_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(members.shutil, "disk_usage", lambda path: SimpleNamespace(free=9))
    with pytest.raises(DiskFullError, match=r"0\.0 MiB are free"):
        Shelf(tmp_path).check_room(model().net, 1)


def test_members_that_outgrow_the_bound_are_refused_as_they_come(tmp_path):
    one = len(checkpoints.to_bytes(model(), half=True))
    with pytest.raises(DiskFullError, match="outgrew"):
        shelf(tmp_path, 3, most_bytes=2 * one + 100)
    assert len(list((tmp_path / "members").iterdir())) == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_in_words_and_leaves_no_half_file(tmp_path, monkeypatch, code):
    made = shelf(tmp_path, 1)

    def full(descriptor):
        raise OSError(code, "full")

    monkeypatch.setattr(members.os, "fsync", full)
    monkeypatch.setattr("mcal_engine.vision.files.tempfile.mkstemp", lambda **more: full(0))
    with pytest.raises(DiskFullError, match="The disk is full: member 1"):
        made.add(model(1))
    assert [path.name for path in (tmp_path / "members").iterdir()] == ["000.pt"]
    made.discard()
    assert not (tmp_path / "members").exists()
