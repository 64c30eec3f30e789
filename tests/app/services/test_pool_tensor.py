"""The array of all images: one shape, upright, made once, whole or not there."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from labelapp.models import Image
from labelapp.services import pool_tensor

pytestmark = pytest.mark.django_db


@pytest.fixture
def add(project, settings):
    """Return a function that adds a picture to the project."""

    def make(picture: Pillow.Image, **options) -> Image:
        seq = project.images.count()
        path = Path(settings.MEDIA_ROOT) / f"{seq}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, **options)
        turned = options.get("exif") is not None
        width, height = reversed(picture.size) if turned else picture.size
        return Image.objects.create(
            project=project,
            seq=seq,
            sha256=f"{seq:064d}",
            name=f"picture {seq}",
            width=width,
            height=height,
            size=1,
            original_key=path.name,
            display_key=path.name,
        )

    return make


def packed(project, n=None, report=lambda share: None) -> np.ndarray:
    return np.load(pool_tensor.ensure(project, n or project.images.count(), report))


def grey(width: int, height: int, level: int = 200) -> Pillow.Image:
    return Pillow.new("L", (width, height), level)


def test_equal_small_images_keep_their_size_and_grey_stays_one_channel(project, add):
    add(grey(28, 20, 10))
    add(grey(28, 20, 99))
    array = packed(project)
    assert (array.shape, array.dtype) == ((2, 20, 28, 1), np.uint8)
    assert array[:, 0, 0, 0].tolist() == [10, 99]


def test_one_colour_image_makes_all_three_channels(project, add):
    add(grey(28, 28))
    add(Pillow.new("RGB", (28, 28), (255, 0, 10)))
    array = packed(project)
    assert array.shape == (2, 28, 28, 3)
    assert array[1, 0, 0].tolist() == [255, 0, 10]


def test_large_images_are_scaled_to_64_and_padded(project, add):
    add(grey(300, 150))
    array = packed(project)
    assert array.shape == (1, 64, 64, 1)
    assert array[0, 0, 0, 0] == pool_tensor.PADDING
    assert array[0, 32, 32, 0] == 200


def test_small_images_of_different_sizes_get_the_largest_side(project, add):
    add(grey(20, 30))
    add(grey(40, 10))
    assert packed(project).shape == (2, 40, 40, 1)


def test_tiny_images_are_scaled_up(project, add):
    add(grey(5, 5))
    array = packed(project)
    assert array.shape == (1, 16, 16, 1)
    assert (array == 200).all()


def test_the_exif_orientation_is_applied(project, add):
    picture = grey(40, 20, 0)
    picture.paste(255, (0, 0, 20, 20))  # the left half is white
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise: left becomes top
    add(picture, exif=exif)
    array = packed(project)
    assert array.shape == (1, 40, 20, 1)
    assert array[0, 5, 10, 0] == 255
    assert array[0, 35, 10, 0] == 0


def test_the_array_is_made_once_for_a_number_of_images(project, add):
    add(grey(28, 28))
    reports = []
    packed(project, report=reports.append)
    packed(project, report=reports.append)
    assert reports == [0.0, 1.0]
    add(grey(28, 28))
    packed(project, report=reports.append)
    assert reports == [0.0, 1.0, 0.0, 0.0, 0.5, 1.0]
    assert len(list(pool_tensor.pool_folder(project).iterdir())) == 1


def test_a_missing_original_is_named(project, add, settings):
    image = add(grey(28, 28))
    (Path(settings.MEDIA_ROOT) / image.original_key).unlink()
    with pytest.raises(pool_tensor.PoolError, match=r"image 0 \(picture 0\)"):
        packed(project)


def test_an_interrupted_packing_leaves_no_array(project, add):
    add(grey(28, 28))

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        packed(project, report=stop)
    assert list(pool_tensor.pool_folder(project).glob("*.npy")) == []
    assert packed(project).shape == (1, 28, 28, 1)


def test_a_packing_that_ends_leaves_the_file_of_another_one_alone(tmp_path, monkeypatch):
    """A search that packs, when its project is opened again and a training packs as well."""
    path, opened, begun = tmp_path / "1.npy", threading.Event(), threading.Event()

    def stop(share: float) -> None:
        opened.set()
        begun.wait(10)
        raise KeyboardInterrupt

    def search() -> None:
        with pytest.raises(KeyboardInterrupt):
            pool_tensor._pack(None, 1, path, stop)

    other = threading.Thread(target=search)

    def ended(share: float) -> None:
        begun.set()
        other.join(10)

    def write(_project, _n, out, report) -> None:
        out.write(b"whole")
        report(1.0)

    monkeypatch.setattr(pool_tensor, "_write", write)
    other.start()
    assert opened.wait(10)
    pool_tensor._pack(None, 1, path, ended)
    assert [one.name for one in tmp_path.iterdir()] == ["1.npy"]
    assert path.read_bytes() == b"whole"


def test_it_can_be_stopped_while_it_looks_for_colours(project, add, monkeypatch):
    """In a million grey images that alone takes minutes."""
    add(grey(28, 28))

    def stop(share: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pool_tensor, "_decoded", lambda _image: pytest.fail("it went on"))
    with pytest.raises(KeyboardInterrupt):
        packed(project, report=stop)


def test_a_full_disk_is_an_error_and_leaves_nothing(project, add, monkeypatch):
    """A mapped file would end the worker's process (SIGBUS): the disk is full when it is used."""
    add(grey(28, 28))
    maps = []

    def report(share: float) -> None:
        maps.append(".part" in Path("/proc/self/maps").read_text())
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        packed(project, report=report)
    assert maps == [False]
    assert list(pool_tensor.pool_folder(project).iterdir()) == []


def test_a_missing_row_is_not_filled_with_zeros(project, add):
    add(grey(28, 28))
    Image.objects.update(seq=1)
    with pytest.raises(pool_tensor.PoolError, match="image 0 is missing"):
        packed(project, n=2)
