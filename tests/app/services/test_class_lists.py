from __future__ import annotations

import pytest

from labelapp.errors import InvalidInputError
from labelapp.services.class_lists import KEYS, MAX_CLASSES, assign, check_names, split_names


def problem(names: list[str]) -> str:
    with pytest.raises(InvalidInputError) as caught:
        check_names(names)
    return str(caught.value.fields["classes"])


def test_a_list_has_one_class_per_line():
    assert split_names("cat\n  dog \r\n\n sea  lion\n") == ["cat", "dog", "sea lion"]


def test_a_single_line_is_separated_by_commas():
    assert split_names("cat, dog;bird\tfish,") == ["cat", "dog", "bird", "fish"]


def test_commas_stay_in_names_when_there_are_several_lines():
    assert split_names("cats, big\ncats, small") == ["cats, big", "cats, small"]


def test_keys_are_digits_then_letters_then_none():
    classes = assign([f"class {n}" for n in range(40)])
    assert [c.key for c in classes[:11]] == [*"1234567890", "a"]
    assert classes[35].key == "z"
    assert [c.key for c in classes[36:]] == [""] * 4


def test_no_key_is_given_twice():
    assert len(set(KEYS)) == len(KEYS) == 36


def test_the_first_hundred_colours_differ():
    colours = [c.colour for c in assign([str(n) for n in range(100)])]
    assert len(set(colours)) == 100
    assert all(len(colour) == 7 and colour.startswith("#") for colour in colours)


def test_one_class_is_refused():
    assert "'cat'" in problem(["cat"])


def test_no_class_is_refused():
    assert "none" in problem([])


def test_a_thousand_classes_are_possible_and_one_more_is_not():
    check_names([str(n) for n in range(MAX_CLASSES)])
    assert "1,001" in problem([str(n) for n in range(MAX_CLASSES + 1)])


def test_repeated_classes_are_named_whatever_their_case():
    assert "Cat, cat" in problem(["Cat", "dog", "cat"])


def test_a_name_that_is_too_long_is_refused():
    assert "120" in problem(["x" * 121, "dog"])
