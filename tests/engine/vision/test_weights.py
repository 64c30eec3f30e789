"""Pre-trained weights: where they come from, what is refused, and that nothing is fetched unasked."""

from __future__ import annotations

import hashlib
import socket

import numpy as np
import pytest
import torch

from mcal_engine.errors import DataError, WeightsError
from mcal_engine.vision import checkpoints, nets_published, weights
from mcal_engine.vision.checkpoints import Model, NetSpec
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.nets import build
from mcal_engine.vision.weights import Source, last_linear

CPU = torch.device("cpu")
GREY = Normalisation((30.0,), (60.0,))


def fresh(arch="cnn_small", *, channels=1, classes=7, side=12):
    return build(arch, channels=channels, classes=classes, side=side)


def put(folder, net="cnn_small", *, name=None, channels=1, side=12, arch=None, digest=None):
    """Write a checkpoint of ours with its SHA-256 beside it; return the network."""
    made = fresh(net, channels=channels, side=side).eval()
    spec = NetSpec(arch or net, channels, 7, side, flip=False)
    path = folder / f"{name or net}.pt"
    found = checkpoints.save(Model(spec, made, GREY), path)
    path.with_name(path.name + ".sha256").write_text(f"{digest or found}  {path.name}\n")
    return made


def publish(folder, net, state):
    """Write a file as torchvision would name it; return its path."""
    path = folder / "state.pth"
    torch.save(state, path)
    name = f"{net}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"
    return path.rename(folder / name)


def published_state(net, side=64):
    return build(f"{net}.original", channels=3, classes=1000, side=side).net.state_dict()


def only(monkeypatch, *names):
    """Let torchvision have weights of these file names."""
    found = {name: f"https://download.pytorch.org/models/{name}" for name in names}
    monkeypatch.setattr(weights, "published_files", lambda _net: found)


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


# --- nothing is fetched unasked ----------------------------------------------------------------


@pytest.mark.usefixtures("no_sockets")
class TestNothingIsFetched:
    def test_without_a_folder(self):
        with pytest.raises(WeightsError, match="No folder of weights was named") as found:
            weights.load("resnet18", Source(), channels=3, side=32)
        assert "resnet18-f37072fd.pth" in str(found.value)
        assert "MCAL_ALLOW_WEIGHT_DOWNLOAD" in str(found.value)
        assert found.value.code == "bad_weights"

    def test_with_an_empty_folder(self, tmp_path):
        with pytest.raises(WeightsError, match=f"Looked for in {tmp_path}"):
            weights.load("vit_b_16", Source(tmp_path), channels=3, side=32)

    def test_of_a_network_that_torchvision_has_no_weights_of(self, tmp_path):
        with pytest.raises(
            WeightsError, match=r"expected cnn_small\.pt with cnn_small\.pt\.sha256"
        ):
            weights.load("cnn_small", Source(tmp_path, download=True), channels=1, side=12)


def test_every_published_network_has_a_file_name_that_carries_its_hash():
    for net in nets_published.SIDES:
        names = weights.published_files(net)
        assert names
        assert all(len(weights._hash_of(name)) == 8 for name in names)
        assert all(url.startswith("https://download.pytorch.org/") for url in names.values())
    assert next(iter(weights.published_files("resnet18"))) == "resnet18-f37072fd.pth"


def test_a_download_that_is_allowed_goes_into_the_folder_under_its_name(tmp_path, monkeypatch):
    source = tmp_path / "elsewhere"
    source.mkdir()
    path = publish(source, "resnet18", published_state("resnet18"))
    only(monkeypatch, path.name)
    asked = []

    def fetch(address, target, *, hash_prefix, progress):
        asked.append((address, hash_prefix, progress))
        (tmp_path / "folder" / path.name).write_bytes(path.read_bytes())
        assert target == str(tmp_path / "folder" / path.name)

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    into = Source(tmp_path / "folder", download=True, side=64)
    found = weights.load("resnet18", into, channels=3, side=32)
    again = weights.load("resnet18", into, channels=3, side=32)  # it is there now
    assert asked == [(f"https://download.pytorch.org/models/{path.name}", path.stem[-8:], False)]
    assert found.sha256 == again.sha256


def test_a_download_that_fails_says_so(tmp_path, monkeypatch):
    def fail(*_args, **_more):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(WeightsError, match=r"could not be fetched into .*: no route to host"):
        weights.load("resnet18", Source(tmp_path, download=True), channels=3, side=32)


# --- a checkpoint of ours ----------------------------------------------------------------------


def test_our_weights_come_back_behind_a_resize_with_a_fresh_last_layer(tmp_path):
    there = put(tmp_path)
    found = weights.load("cnn_small", Source(tmp_path), channels=1, side=28)
    assert (found.arch, found.side, found.channels) == ("cnn_small.resized", 12, 1)
    assert found.normalisation == GREY
    net = build(found.arch, channels=1, classes=3, side=12).eval()
    head = dict(net.named_modules())[last_linear(net)].weight.clone()
    found.start(net)
    assert torch.equal(dict(net.named_modules())[last_linear(net)].weight, head)
    inputs = torch.randn(2, 1, 12, 12)
    assert torch.equal(net.net[:-1](inputs), there[:-1](inputs))
    assert net(torch.randn(2, 1, 28, 31)).shape == (2, 3)


def test_our_weights_go_before_torchvisions(tmp_path):
    put(tmp_path, "resnet18", channels=3, side=20)
    assert weights.load("resnet18", Source(tmp_path), channels=3, side=32).arch.endswith("resized")


def test_grey_images_go_into_weights_of_three_channels_and_not_the_other_way(tmp_path):
    put(tmp_path, channels=3)
    assert weights.load("cnn_small", Source(tmp_path), channels=1, side=12).channels == 3
    put(tmp_path, channels=1)
    with pytest.raises(WeightsError, match="images of 1 channels; these have 3"):
        weights.load("cnn_small", Source(tmp_path), channels=3, side=12)


def load_ours(folder):
    return weights.load("cnn_small", Source(folder), channels=1, side=12)


def test_a_hash_must_stand_beside_the_file(tmp_path):
    put(tmp_path)
    (tmp_path / "cnn_small.pt.sha256").unlink()
    with pytest.raises(WeightsError, match=r"needs its SHA-256 in cnn_small\.pt\.sha256"):
        load_ours(tmp_path)
    (tmp_path / "cnn_small.pt.sha256").write_text("")
    with pytest.raises(WeightsError, match="needs its SHA-256"):
        load_ours(tmp_path)


def test_a_wrong_hash_is_refused(tmp_path):
    put(tmp_path, digest="0" * 64)
    with pytest.raises(WeightsError, match=r"half-written or was changed.*expected is 00000000"):
        load_ours(tmp_path)


def test_a_half_written_file_is_refused(tmp_path):
    put(tmp_path)
    path = tmp_path / "cnn_small.pt"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="half-written"):
        load_ours(tmp_path)


def test_what_is_no_checkpoint_is_refused_and_never_run(tmp_path):
    path = tmp_path / "cnn_small.pt"
    path.write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "cnn_small.pt.sha256").write_text(digest)
    with pytest.raises(WeightsError, match="not a checkpoint"):
        load_ours(tmp_path)


def test_another_network_under_this_name_is_refused(tmp_path):
    put(tmp_path, "paper_cnn18", name="cnn_small")
    with pytest.raises(WeightsError, match="holds weights of paper_cnn18, not of cnn_small"):
        load_ours(tmp_path)


def test_a_checkpoint_whose_last_layer_has_other_classes_than_it_says_is_refused(tmp_path):
    put(tmp_path)
    content = torch.load(tmp_path / "cnn_small.pt", weights_only=True)
    content["spec"]["classes"] = 9
    torch.save(content, tmp_path / "cnn_small.pt")
    digest = hashlib.sha256((tmp_path / "cnn_small.pt").read_bytes()).hexdigest()
    (tmp_path / "cnn_small.pt.sha256").write_text(digest)
    with pytest.raises(WeightsError, match="does not fit"):
        load_ours(tmp_path)


# --- torchvision's -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "net",
    [
        "resnet18",
        "squeezenet1_1",
        *(
            pytest.param(net, marks=pytest.mark.slow)
            for net in ("googlenet", "densenet121", "efficientnet_b0", "inception_v3")
        ),
        *(
            pytest.param(net, marks=pytest.mark.slow)
            for net in ("resnet50", "convnext_tiny", "vit_b_16")
        ),
    ],
)
def test_a_file_as_torchvision_makes_it_is_loaded_whole(net, tmp_path, monkeypatch):
    """The real network, saved by torchvision's own builder: names, heads in the middle and all."""
    models = weights.torchvision_models()
    more = {"init_weights": False} if net in {"googlenet", "inception_v3"} else {}
    state = getattr(models, net)(weights=None, **more).state_dict()
    path = publish(tmp_path, net, state)
    only(monkeypatch, path.name)
    found = weights.load(net, Source(tmp_path), channels=1, side=32)
    assert (found.arch, found.side) == (f"{net}.original", 96)
    assert found.normalisation == weights.IMAGENET
    built = build(found.arch, channels=3, classes=5, side=96).eval()
    found.start(built)
    wanted = built.net.state_dict()
    head = last_linear(built.net)
    for name, value in wanted.items():
        if not name.startswith(f"{head}.") and name != "encoder.pos_embedding":
            assert torch.equal(value, state[name]), name
    assert built(torch.randn(1, 3, 32, 40)).shape == (1, 5)


def small_net(tmp_path, monkeypatch, change):
    state = published_state("squeezenet1_1")
    change(state)
    path = publish(tmp_path, "squeezenet1_1", state)
    only(monkeypatch, path.name)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("features.0.bias"), "it lacks features.0.bias"),
        (lambda s: s.update({"features.0.weight": torch.ones(64, 1, 3, 3)}), "64x1x3x3"),
        (lambda s: s.update({"layer9.weight": torch.ones(2)}), "too much: layer9.weight"),
        (lambda s: s.update({"features.0.bias": 3}), "no table of tensors"),
    ],
)
def test_a_published_file_that_does_not_fit_is_refused_by_name(
    change, words, tmp_path, monkeypatch
):
    path = small_net(tmp_path, monkeypatch, change)
    with pytest.raises(WeightsError, match=words) as found:
        weights.load("squeezenet1_1", Source(tmp_path), channels=3, side=32)
    assert str(path) in str(found.value)


def test_a_half_fetched_published_file_is_refused(tmp_path, monkeypatch):
    path = small_net(tmp_path, monkeypatch, lambda state: None)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsError, match="half-written"):
        weights.load("squeezenet1_1", Source(tmp_path), channels=3, side=32)


def test_names_of_old_densenet_files_are_read():
    old = "features.denseblock1.denselayer1.norm.1.weight"
    named = weights._as_named_today({old: torch.ones(1)}, ())
    assert list(named) == ["features.denseblock1.denselayer1.norm1.weight"]


@pytest.mark.parametrize(
    ("net", "image", "side"),
    [("resnet18", 28, 96), ("resnet18", 96, 224), ("inception_v3", 300, 299), ("vit_b_16", 32, 96)],
)
def test_images_are_brought_to_the_usual_side(net, image, side):
    assert nets_published.usual_side(net, image) == side


@pytest.mark.parametrize(
    ("net", "channels", "side", "words"),
    [
        ("cnn_small", 3, 64, "no weights of cnn_small"),
        ("resnet18", 1, 64, "3 channels"),
        ("vit_b_16", 3, 100, "in steps of 16"),
        ("inception_v3", 3, 64, "75 pixels"),
    ],
)
def test_published_networks_say_what_they_cannot_take(net, channels, side, words):
    with pytest.raises(DataError, match=words):
        nets_published.published(net, channels, 5, side)


def test_the_resize_keeps_the_shape_unless_squares_are_wanted():
    from mcal_engine.vision.nets_sized import Resized  # noqa: PLC0415

    inside = torch.nn.Identity()
    images = torch.from_numpy(np.ones((1, 1, 20, 30), dtype=np.float32))
    assert Resized(inside, 40)(images).shape == (1, 1, 40, 60)
    assert Resized(inside, 10)(images).shape == (1, 1, 10, 15)
    assert Resized(inside, 16, square=True)(images).shape == (1, 1, 16, 16)
    assert torch.allclose(Resized(inside, 40)(images), torch.ones(1))
