from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mcal_engine import datasets
from mcal_engine.datasets import balanced_draw, load
from mcal_engine.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 9, 7), dtype=np.uint8)
LABELS = np.arange(12) % 3


def npz(folder: Path, **arrays) -> Path:
    np.savez_compressed(folder / "set.npz", **arrays)
    return folder / "set.npz"


def encoded(image: np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def idx(array: np.ndarray, *, kind: int = 8) -> bytes:
    head = bytes((0, 0, kind, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def idx_folder(folder: Path, *, zipped: bool = False) -> Path:
    for part, rows in (("train", slice(0, 8)), ("t10k", slice(8, 12))):
        for name, array in (("images-idx3", IMAGES[rows]), ("labels-idx1", LABELS[rows])):
            content = idx(array)
            path = folder / f"{part}-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def picture_folder(folder: Path, **groups: list[np.ndarray]) -> Path:
    for name, pictures in groups.items():
        (folder / name).mkdir()
        for number, picture in enumerate(pictures):
            (folder / name / f"{number}.png").write_bytes(encoded(picture))
    return folder


def jpeg_arrays(pictures: list[bytes], labels: list[int]) -> dict[str, np.ndarray]:
    offsets = np.cumsum([0] + [len(p) for p in pictures]).astype(np.uint32)
    data = np.frombuffer(b"".join(pictures), np.uint8)
    return {"data": data, "offsets": offsets, "labels": np.array(labels)}


# --- .npz ------------------------------------------------------------------------------------


def test_grey_arrays_get_a_channel_axis(tmp_path):
    found = load(npz(tmp_path, images=IMAGES, labels=LABELS))
    assert found.images.shape == (12, 9, 7, 1)
    assert found.labels.dtype == np.int64
    np.testing.assert_array_equal(found.images[..., 0], IMAGES)
    assert found.class_names == ("0", "1", "2")


def test_colour_arrays_and_class_names_are_kept(tmp_path):
    colour = np.repeat(IMAGES[..., None], 3, axis=3)
    names = np.array(["cat", "dog", "eel", "never seen"])
    found = load(npz(tmp_path, images=colour, labels=LABELS, class_names=names))
    assert found.images.shape == (12, 9, 7, 3)
    assert found.class_names == ("cat", "dog", "eel", "never seen")


def test_jpeg_bytes_are_decoded(tmp_path):
    flat = [np.full((8, 8, 3), level, np.uint8) for level in (10, 200)]
    found = load(npz(tmp_path, **jpeg_arrays([encoded(p, "JPEG") for p in flat], [0, 1])))
    assert found.images.shape == (2, 8, 8, 3)
    assert found.images.mean(axis=(1, 2, 3)).round() == pytest.approx([10, 200], abs=2)


def test_only_the_drawn_pictures_are_decoded(tmp_path):
    good = encoded(IMAGES[0], "JPEG")
    pictures, labels = [good] * 40, [0, 1] * 20
    drawn = set(balanced_draw(np.array(labels), 4, 5).tolist())
    pictures = [p if i in drawn else b"broken" for i, p in enumerate(pictures)]
    assert len(load(npz(tmp_path, **jpeg_arrays(pictures, labels)), limit=4, seed=5).labels) == 4


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES}, "no array `labels`"),
        ({"labels": LABELS}, "neither `images` nor `data`"),
        ({"images": IMAGES[:5], "labels": LABELS}, "5 images do not go with 12 labels"),
        ({"images": IMAGES.astype(float), "labels": LABELS}, "must be uint8"),
        ({"images": IMAGES[:, 0], "labels": LABELS}, "N x H x W"),
        ({"images": IMAGES, "labels": LABELS / 2}, "whole numbers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "negative"),
        ({"images": IMAGES, "labels": LABELS * 0}, "one class"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "empty"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["a", "b"]}, "2 class names"),
        ({"data": IMAGES.ravel(), "offsets": [0, 5], "labels": LABELS}, "one longer"),
        ({"data": IMAGES.ravel(), "offsets": [0, 9, 4], "labels": [0, 1]}, "do not cut"),
        ({"data": IMAGES.ravel(), "offsets": [0, 9, 10**6], "labels": [0, 1]}, "do not cut"),
        ({"data": IMAGES.ravel(), "offsets": [0, 9, 18], "labels": [0, 1]}, "picture 0"),
    ],
)
def test_a_wrong_npz_is_refused_in_plain_words(tmp_path, arrays, words):
    with pytest.raises(DataError, match=words):
        load(npz(tmp_path, **arrays))


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.array([{}, {}], dtype=object), labels=[0, 1])
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "set.npz")


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    (tmp_path / "set.npz").write_bytes(b"PK but not really")
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "set.npz")


def test_an_archive_that_would_unpack_to_too_much_is_refused(tmp_path, monkeypatch):
    path = npz(tmp_path, images=IMAGES, labels=LABELS)
    monkeypatch.setattr(datasets, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(DataError, match="refused"):
        load(path)


def test_lzma_members_load_like_any_npz(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_LZMA) as archive:
        for name, array in (("images", IMAGES), ("labels", LABELS)):
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{name}.npy", buffer.getvalue())
    assert len(load(tmp_path / "set.npz").labels) == 12


# --- IDX -------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
def test_both_idx_parts_are_joined_in_order(tmp_path, zipped):
    found = load(idx_folder(tmp_path, zipped=zipped))
    np.testing.assert_array_equal(found.images[..., 0], IMAGES)
    np.testing.assert_array_equal(found.labels, LABELS)


def test_idx_files_without_labels_are_refused(tmp_path):
    idx_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="train-labels-idx1-ubyte cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (idx(LABELS, kind=9), "does not start like an IDX file of 1"),
        (b"", "does not start like"),
        (idx(LABELS)[:-1], "cut short"),
        (idx(LABELS) + b"x", "too long"),
    ],
)
def test_a_broken_idx_file_is_refused(tmp_path, content, words):
    idx_folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=words):
        load(tmp_path)


def test_a_broken_gzip_file_is_refused(tmp_path):
    idx_folder(tmp_path, zipped=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="t10k-images"):
        load(tmp_path)


# --- image folders ---------------------------------------------------------------------------


def test_a_folder_per_class_is_read_in_alphabetical_order(tmp_path):
    found = load(picture_folder(tmp_path, dog=[IMAGES[0]], cat=[IMAGES[1], IMAGES[2]]))
    assert found.class_names == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(found.images[..., 0], IMAGES[[1, 2, 0]])


def test_one_coloured_picture_makes_all_coloured(tmp_path):
    colour = np.dstack([IMAGES[0]] * 3)
    assert load(picture_folder(tmp_path, a=[IMAGES[1]], b=[colour])).images.shape[3] == 3


def test_large_pictures_shrink_into_a_square_with_their_proportions(tmp_path):
    wide = np.full((50, 100), 255, np.uint8)
    found = load(picture_folder(tmp_path, a=[wide], b=[wide]))
    assert found.images.shape == (2, 64, 64, 1)
    assert found.images[0, :, :, 0].mean(axis=1).tolist() == [0] * 16 + [255] * 32 + [0] * 16


def test_pictures_of_several_sizes_get_one(tmp_path):
    found = load(picture_folder(tmp_path, a=[IMAGES[0]], b=[IMAGES[0].T, IMAGES[1, :3, :3]]))
    assert found.images.shape == (3, 9, 9, 1)


def test_pictures_are_turned_upright(tmp_path):
    tag = Image.Exif()
    tag[0x0112] = 6
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(encoded(IMAGES[0], exif=tag))
    found = load(tmp_path).images[0, :, :, 0]
    np.testing.assert_array_equal(found, np.rot90(IMAGES[0], -1))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    deep = IMAGES[0].astype(np.uint16) * 256
    found = load(picture_folder(tmp_path, a=[deep], b=[deep]))
    np.testing.assert_array_equal(found.images[0, :, :, 0], IMAGES[0])


def test_a_broken_picture_is_named(tmp_path):
    picture_folder(tmp_path, a=[IMAGES[0]], b=[IMAGES[0]])
    whole = (tmp_path / "a" / "0.png").read_bytes()
    (tmp_path / "a" / "0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a/0\.png"):
        load(tmp_path)


def test_a_picture_of_too_many_pixels_is_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "MAX_PIXELS", 50)
    with pytest.raises(DataError, match="7 x 9 pixels"):
        load(picture_folder(tmp_path, a=[IMAGES[0]], b=[IMAGES[0]]))


def test_a_folder_of_one_class_is_refused(tmp_path):
    with pytest.raises(DataError, match="one class"):
        load(picture_folder(tmp_path, a=[IMAGES[0], IMAGES[1]]))


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="one folder of pictures per class"):
        load(tmp_path)


# --- all of them -----------------------------------------------------------------------------


def test_a_path_that_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="There is nothing at"):
        load(tmp_path / "nowhere")


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "set.csv").write_text("a,b")
    with pytest.raises(DataError, match=r"set\.csv is neither"):
        load(tmp_path / "set.csv")


def test_a_limit_below_two_is_refused(tmp_path):
    with pytest.raises(DataError, match="at least 2"):
        load(npz(tmp_path, images=IMAGES, labels=LABELS), limit=1)


def test_a_limit_draws_equally_from_each_class_in_the_original_order(tmp_path):
    found = load(npz(tmp_path, images=IMAGES, labels=LABELS), limit=6)
    assert np.bincount(found.labels).tolist() == [2, 2, 2]
    places = [int(np.flatnonzero((i[..., 0] == IMAGES).all(axis=(1, 2)))[0]) for i in found.images]
    assert places == sorted(places)


def test_a_small_class_gives_all_it_has():
    labels = np.array([0] * 50 + [1] * 3)
    drawn = balanced_draw(labels, 13, 0)
    assert np.bincount(labels[drawn]).tolist() == [10, 3]


def test_the_draw_depends_on_its_seed_alone():
    labels = np.arange(300) % 5
    np.testing.assert_array_equal(balanced_draw(labels, 50, 1), balanced_draw(labels, 50, 1))
    assert set(balanced_draw(labels, 50, 1)) != set(balanced_draw(labels, 50, 2))


def test_a_limit_above_the_size_takes_everything():
    assert balanced_draw(LABELS, 100, 0).tolist() == list(range(12))


def test_reading_data_needs_no_torch():
    code = "import mcal_engine.datasets, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
