"""Zip archives that strangers send."""

from __future__ import annotations

import random
import stat
import zipfile

import pytest

from labelapp.errors import BadArchiveError
from labelapp.formats.archives import ArchiveLimits, ZipSource, clean_name, is_junk
from tests.app.pictures import make_zip


def names(path, limits=None):
    with ZipSource(path, limits) as source:
        return [entry.name for entry in source.entries]


def test_folders_are_part_of_the_name_and_the_order_is_the_archives(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"cat/2.png": b"x", "cat/": b"", "dog/1 ä.png": b"y"})
    assert names(path) == ["cat/2.png", "dog/1 ä.png"]


def test_the_bytes_of_an_entry_come_back(tmp_path):
    with ZipSource(make_zip(tmp_path / "a.zip", {"a.png": b"abc"})) as source:
        assert source.read(source.entries[0]) == b"abc"


def test_litter_of_operating_systems_is_ignored_without_a_word(tmp_path):
    files = {"__MACOSX/a/._1.png": b"x", "a/.DS_Store": b"x", "Thumbs.db": b"x", "a/1.png": b"x"}
    assert names(make_zip(tmp_path / "a.zip", files)) == ["a/1.png"]


@pytest.mark.parametrize("files", [{}, {"folder/": b""}, {"__MACOSX/x": b""}])
def test_an_archive_without_files_is_refused(tmp_path, files):
    with pytest.raises(BadArchiveError, match="empty"):
        names(make_zip(tmp_path / "a.zip", files))


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/etc/passwd", "C:/x.png", "..\\evil.png", "a/.."]
)
def test_a_path_that_leads_outside_refuses_the_whole_archive(tmp_path, name):
    with pytest.raises(BadArchiveError, match="nothing was imported"):
        names(make_zip(tmp_path / "a.zip", {"good.png": b"x", name: b"x"}))


def test_something_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(BadArchiveError):
        names(path)


def test_a_zip_cut_off_in_its_middle_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"{i}.png": b"x" * 500 for i in range(20)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BadArchiveError):
        names(path)


def test_whatever_is_broken_in_an_archive_is_said_with_the_one_error(tmp_path):
    chance = random.Random(1)
    whole = make_zip(tmp_path / "a.zip", {f"d/ä{i}.png": bytes(200) for i in range(4)}).read_bytes()
    path = tmp_path / "broken.zip"
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.choice([len(data), chance.randrange(len(data))])])
        try:
            with ZipSource(path) as source:
                for entry in source.entries:
                    source.read(entry)
        except BadArchiveError:
            refused += 1
    assert refused > 200


def test_an_archive_of_which_nothing_came_is_refused(tmp_path):
    with pytest.raises(BadArchiveError):
        ZipSource(tmp_path / "never.zip")


def test_too_many_files_are_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"{i}.png": b"x" for i in range(5)})
    with pytest.raises(BadArchiveError, match="more than 4"):
        names(path, ArchiveLimits(files=4))


def test_too_many_bytes_are_refused_before_anything_is_unpacked(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"1.png": b"x" * 1000})
    with pytest.raises(BadArchiveError, match="larger than"):
        names(path, ArchiveLimits(total_bytes=999))


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.bmp", b"\0" * 5_000_000)
    with pytest.raises(BadArchiveError, match="bomb"):
        names(path, ArchiveLimits(ratio_floor=1_000_000))
    assert names(path) == ["1.bmp"]  # small enough to be harmless: unpacked, and then no image


def test_an_encrypted_archive_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"1.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BadArchiveError, match="encrypted"):
        names(path)


def test_a_symbolic_link_is_marked(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with ZipSource(path) as source:
        assert source.entries[0].is_link


def test_an_entry_with_a_wrong_checksum_raises_for_that_entry_only(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"1.png": b"AAAA" * 20, "2.png": b"fine"})
    path.write_bytes(path.read_bytes().replace(b"AAAA" * 20, b"AAAB" * 20))
    with ZipSource(path) as source:
        with pytest.raises(BadArchiveError, match=r"1\.png"):
            source.read(source.entries[0])
        assert source.read(source.entries[1]) == b"fine"


def test_utf8_names_that_do_not_say_so_are_read(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("aaaaaa.png", b"x")
    path.write_bytes(path.read_bytes().replace(b"aaaaaa", "äöü".encode()))
    assert names(path) == ["äöü.png"]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a/b.png", "a/b.png"),
        ("/a//./b.png", "a/b.png"),
        ("../../b.png", "b.png"),
        ("a\\b.png", "a/b.png"),
        ("a\nb\0.png", "a\ufffdb\ufffd.png"),
        ("x\udcff.png", "x\ufffd.png"),
        ("gnp\u202e.exe", "gnp\ufffd.exe"),
        ("ä ö.png", "ä ö.png"),
        ("..", ""),
    ],
)
def test_names_are_cleaned(raw, clean):
    assert clean_name(raw) == clean


def test_a_name_that_only_looks_like_litter_stays():
    assert not is_junk("photos/DS_Store.png")
    assert is_junk("photos/._1.png")
