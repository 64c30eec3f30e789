"""Decoding what strangers send."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from labelapp.formats import pictures
from labelapp.formats.pictures import PROBLEMS, PictureError, decode, read_picture
from tests.app.pictures import encoded, huge_png_header, jpeg, picture, png

PIXELS = 100_000_000


def read(data: bytes, max_pixels: int = PIXELS):
    return read_picture(data, max_pixels=max_pixels)


def code_of(data: bytes, max_pixels: int = PIXELS) -> str:
    with pytest.raises(PictureError) as caught:
        read(data, max_pixels)
    assert PROBLEMS[caught.value.code] in caught.value.message
    return caught.value.code


def shown(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(read(data).display))


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("JPEG", ".jpg"),
        ("PNG", ".png"),
        ("WEBP", ".webp"),
        ("GIF", ".gif"),
        ("BMP", ".bmp"),
        ("TIFF", ".tif"),
    ],
)
def test_each_allowed_format_is_read_with_its_size(kind, suffix):
    found = read(encoded(picture(1, (40, 30)), kind))
    assert (found.width, found.height, found.suffix) == (40, 30, suffix)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]
)
def test_each_pixel_format_becomes_grey_or_colour(mode):
    source = picture(1, (20, 10), "L")
    image = source if mode == "L" else source.convert(mode)
    kind = "TIFF" if mode in {"CMYK", "I", "F", "PA"} else "PNG"
    if mode == "PA":
        image, kind = source.convert("RGBA"), "PNG"
    flat = decode(encoded(image, kind), max_pixels=PIXELS)
    assert flat.mode in {"L", "RGB"}
    assert flat.size == (20, 10)


def test_sixteen_bits_keep_their_scale_and_are_not_clipped():
    ramp = Image.fromarray(np.linspace(0, 65_535, 100).reshape(10, 10).astype(np.uint16))
    values = np.asarray(decode(encoded(ramp), max_pixels=PIXELS))
    assert values.min() == 0
    assert values.max() == 255
    assert 120 < values.mean() < 135


def test_floating_point_grey_is_stretched_between_its_extremes():
    image = Image.fromarray(np.linspace(-3, 7, 100, dtype=np.float32).reshape(10, 10))
    values = np.asarray(decode(encoded(image, "TIFF"), max_pixels=PIXELS))
    assert (values.min(), values.max()) == (0, 255)


def test_transparent_pixels_become_white_not_black():
    clear = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    assert decode(encoded(clear), max_pixels=PIXELS).getpixel((0, 0)) == (255, 255, 255)


def test_a_palette_with_a_transparent_colour_is_flattened():
    image = Image.new("P", (10, 10), 0)
    image.putpalette([10, 20, 30] * 256)
    assert decode(encoded(image, transparency=0), max_pixels=PIXELS).getpixel((5, 5)) == (
        255,
        255,
        255,
    )


def test_the_first_frame_of_an_animation_counts():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data, max_pixels=PIXELS).getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_the_size_and_the_pixels(orientation):
    image = Image.new("RGB", (60, 40), "white")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, "JPEG", exif=exif, quality=95)
    found = read(data)
    assert (found.width, found.height) == ((40, 60) if orientation >= 5 else (60, 40))
    corners = {
        1: (0, 0),
        2: (1, 0),
        3: (1, 1),
        4: (0, 1),
        5: (0, 0),
        6: (1, 0),
        7: (1, 1),
        8: (0, 1),
    }
    upright = decode(data, max_pixels=PIXELS)
    right, low = corners[orientation]
    red = upright.getpixel((right * (upright.width - 1), low * (upright.height - 1)))
    assert red[0] > 200
    assert red[1] < 90


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_a_very_large_image_is_made_smaller_before_anything_copies_it(monkeypatch, kind, mode):
    monkeypatch.setattr(pictures, "WORKING_PIXELS", 60)
    image = Image.new("RGB", (60, 40), "white")
    image.paste("black", (0, 0, 20, 40))
    exif = Image.Exif()
    exif[0x0112] = 6  # the left side is up
    data = encoded(
        image.convert(mode), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})
    )
    small = decode(data, max_pixels=PIXELS).convert("L")
    assert small.width * small.height <= 60
    assert small.height > small.width
    assert (small.getpixel((0, 0)), small.getpixel((0, small.height - 1))) == (0, 255)
    assert (read(data).width, read(data).height) == (40, 60)


def test_a_transparent_colour_stays_transparent_in_a_very_large_image(monkeypatch):
    monkeypatch.setattr(pictures, "WORKING_PIXELS", 60)
    image = Image.new("RGB", (60, 40), (1, 2, 3))
    data = encoded(image, "PNG", transparency=(1, 2, 3))
    assert decode(data, max_pixels=PIXELS).getpixel((2, 2)) == (255, 255, 255)


def test_the_display_copy_carries_no_metadata():
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    copy = shown(jpeg(1, (400, 300), exif=exif, comment=b"secret"))
    assert not copy.getexif()
    assert b"secret" not in read(jpeg(1, (400, 300), exif=exif, comment=b"secret")).display
    assert "icc_profile" not in copy.info


def test_a_tiny_image_is_enlarged_by_a_whole_factor_with_every_pixel_a_square():
    source = picture(3, (28, 20), "L")
    copy = shown(encoded(source))
    assert copy.size == (28 * 9, 20 * 9)
    back = copy.resize((28, 20), Image.Resampling.NEAREST)
    assert np.array_equal(np.asarray(back), np.asarray(source))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((300, 200), (300, 200)), ((1024, 10), (1024, 10)), ((3000, 1500), (1024, 512))],
)
def test_larger_images_are_never_enlarged_and_at_most_1024_long(size, expected):
    assert shown(jpeg(1, size)).size == expected


def test_a_very_long_image_keeps_at_least_one_pixel_across():
    assert shown(png(1, (5000, 4))).size == (1024, 1)


def test_an_empty_file_is_refused():
    assert code_of(b"") == "empty_file"


@pytest.mark.parametrize(
    "data", [b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\0" * 500]
)
def test_other_files_are_not_images(data):
    assert code_of(data) == "not_an_image"


def test_an_allowed_name_does_not_help_a_format_that_is_not_allowed():
    assert code_of(encoded(picture(1), "PPM")) == "not_an_image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7])
def test_a_file_cut_off_anywhere_is_corrupt(kind, share):
    data = encoded(picture(1, (64, 64)), kind)
    cut = data[: max(4, int(len(data) * share))]
    assert code_of(cut) in {"corrupt_image", "not_an_image"}


def test_a_jpeg_cut_off_in_its_middle_is_called_corrupt():
    data = jpeg(1, (300, 300))
    assert code_of(data[: len(data) // 2]) == "corrupt_image"


def test_hostile_bytes_after_a_good_header_never_raise_anything_else():
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        data = bytearray(encoded(picture(1, (32, 32)), kind))
        for _ in range(60):
            broken = bytearray(data)
            for at in rng.integers(4, len(data), 8):
                broken[at] = int(rng.integers(256))
            with contextlib.suppress(PictureError):  # any other error fails the test
                assert read(bytes(broken), max_pixels=1_000_000).display


def test_thirty_thousand_pixels_square_are_refused_from_the_header_alone():
    assert code_of(huge_png_header(30_000, 30_000)) == "too_many_pixels"


def test_more_pixels_than_the_limit_are_refused_with_the_size_in_words():
    with pytest.raises(PictureError, match="40 x 30"):
        read(jpeg(), max_pixels=1000)


@pytest.mark.parametrize("size", [(1, 1), (3, 100), (100, 3)])
def test_an_image_of_a_few_pixels_is_refused(size):
    assert code_of(png(1, size)) == "too_small"


def test_the_same_bytes_give_the_same_copy():
    assert read(png(5)).display == read(png(5)).display
