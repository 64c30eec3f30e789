from __future__ import annotations

import pytest

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError
from labelapp.models import AuditLog, Event, Guideline
from labelapp.selectors.guidelines import current_guideline, entries_by_class
from labelapp.selectors.projects import access
from labelapp.services.guidelines import MAX_EXAMPLES, Entry, save_guidelines


@pytest.fixture
def save(cast, project, images):
    """Return a function that saves as the manager."""
    manager = access(cast.manager, project.public_id)

    def call(text: str = "", base: int = 0, **entries: Entry):
        by_index = {int(name[1:]): entry for name, entry in entries.items()}
        return save_guidelines(access=manager, text=text, entries=by_index, base_version=base)

    return call


def test_the_first_version_has_number_one(project, save):
    new = save("Look closely.", c0=Entry("round", (3, 1)))
    assert new.version == 1
    assert current_guideline(project) == new
    view = entries_by_class(new)[0]
    assert (view.text, view.examples) == ("round", (1, 3))


def test_a_change_is_a_new_version_and_the_old_one_stays(save):
    first = save("one")
    second = save("two", base=1)
    assert (first.version, second.version) == (1, 2)
    assert Guideline.objects.get(version=1).text == "one"


def test_saving_the_same_again_makes_no_version(save):
    save("one\r\ntwo ", c1=Entry("four sides", (2, 5)))
    assert save("one\ntwo", base=1, c1=Entry("four sides", (5, 2)), c2=Entry()) is None
    assert Guideline.objects.count() == 1


def test_other_examples_are_a_change(save):
    save(c1=Entry("four sides", (2,)))
    assert save(base=1, c1=Entry("four sides", (3,))).version == 2


def test_empty_guidelines_are_not_a_version(save):
    assert save("  ", c0=Entry("")) is None


def test_taking_everything_out_is_a_version(project, save):
    save("one", c0=Entry("round"))
    assert save("", base=1).version == 2
    assert entries_by_class(current_guideline(project)) == {}


def test_a_version_written_meanwhile_is_not_overwritten(save):
    save("one")
    with pytest.raises(ConflictError) as caught:
        save("two", base=0)
    assert caught.value.fields == {"version": 1}
    assert Guideline.objects.get().text == "one"


def test_images_that_do_not_exist_are_named(save):
    with pytest.raises(InvalidInputError) as caught:
        save(c2=Entry("", (1, 77, 2**40)))
    assert "77" in str(caught.value.fields["class_2"])
    assert not Guideline.objects.exists()


def test_a_class_of_another_number_is_refused(save):
    with pytest.raises(InvalidInputError):
        save(c9=Entry("what"))


def test_too_many_examples_are_refused(save):
    with pytest.raises(InvalidInputError):
        save(c0=Entry("", tuple(range(MAX_EXAMPLES + 1))))


def test_annotators_write_no_guidelines(cast, project):
    mine = access(cast.annotator, project.public_id)
    with pytest.raises(ForbiddenError):
        save_guidelines(access=mine, text="mine", entries={}, base_version=0)


def test_a_version_is_an_event_and_an_audit_entry(save):
    save("one")
    assert Event.objects.get().payload == {"what": "guidelines", "version": 1}
    assert AuditLog.objects.get().action == "guidelines.changed"
