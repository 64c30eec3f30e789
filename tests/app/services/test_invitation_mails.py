from __future__ import annotations

from smtplib import SMTPException

import pytest
from django.core import mail

from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import AuditLog, Invitation, User
from labelapp.selectors.people import invitation_for
from labelapp.selectors.projects import access
from labelapp.services import accounts, invitation_mails
from labelapp.services.invitation_mails import addresses_in


@pytest.fixture
def manager(cast, project, settings):
    settings.MAIL_ON = True
    return access(cast.manager, project.public_id)


def link_of(token: str) -> str:
    return f"https://labels.example/invite/{token}/"


def invite(by, *emails: str, role: str = "annotator"):
    return invitation_mails.invite_by_mail(
        access=by, role=role, emails=list(emails), link_of=link_of
    )


def token_in(text: str) -> str:
    return text.split("/invite/")[1].split("/", maxsplit=1)[0]


def test_addresses_are_read_as_people_paste_them():
    assert addresses_in("A@x.org, b@x.org\n a@X.org;c@x.org") == ["a@x.org", "b@x.org", "c@x.org"]
    with pytest.raises(InvalidInputError, match="nonsense"):
        addresses_in("a@x.org nonsense")


def test_each_address_gets_a_link_of_its_own_that_proves_it(manager):
    sent = invite(manager, "a@x.org", "b@x.org", role="viewer")
    assert [(one.email, one.mailed, one.link) for one in sent] == [
        ("a@x.org", True, ""),
        ("b@x.org", True, ""),
    ]
    assert [message.to for message in mail.outbox] == [["a@x.org"], ["b@x.org"]]
    assert "as viewer" in mail.outbox[0].body
    token = token_in(mail.outbox[0].body)
    assert invitation_for(token).email == "a@x.org"
    new = {"token": token, "display_name": "A", "password": "a b c d e f g"}
    with pytest.raises(InvalidInputError) as caught:
        accounts.join_with_new_account(email="c@x.org", **new)
    assert set(caught.value.fields) == {"email"}
    user, joined = accounts.join_with_new_account(email="A@x.org", **new)
    assert joined.role == "viewer"
    assert user.emailaddress_set.get().verified


def test_without_mail_the_links_are_shown_instead(manager, settings):
    settings.MAIL_ON = False
    (sent,) = invite(manager, "a@x.org")
    assert not sent.mailed
    assert invitation_for(token_in(sent.link)).mailed_at is None
    user, _joined = accounts.join_with_new_account(
        token=token_in(sent.link), email="a@x.org", display_name="A", password="a b c d e f g"
    )
    assert not user.emailaddress_set.exists()  # the manager saw the link too: nothing is proven


def test_what_could_not_be_sent_is_shown_and_sent_again(manager, monkeypatch):
    def refused(*_args, **_named):
        raise SMTPException("no such host")

    with monkeypatch.context() as broken:
        broken.setattr(mail.EmailMessage, "send", refused)
        sent = invite(manager, "a@x.org", "b@x.org")
    assert [one.mailed for one in sent] == [False, False]
    again = {"access": manager, "invitation_id": Invitation.objects.first().pk, "link_of": link_of}
    done = invitation_mails.send_again(**again)
    assert done.mailed
    assert invitation_for(token_in(mail.outbox[0].body)).email == done.email
    with pytest.raises(NotFoundError):  # the first link ended when the second was made
        invitation_for(token_in(next(one.link for one in sent if one.email == done.email)))
    with pytest.raises(ConflictError, match="wait a minute"):
        invitation_mails.send_again(**again)
    assert AuditLog.objects.filter(action="invitation.sent_again").count() == 1


def test_there_is_a_limit_and_roles_are_checked(cast, project, manager, monkeypatch):
    with pytest.raises(InvalidInputError):
        invite(manager, *(f"{n}@x.org" for n in range(21)))
    monkeypatch.setattr(invitation_mails, "A_DAY", 2)
    invite(manager, "a@x.org")
    with pytest.raises(InvalidInputError):
        invite(manager, "b@x.org", "c@x.org")
    with pytest.raises(ForbiddenError):
        invite(manager, "d@x.org", role="owner")
    with pytest.raises(ForbiddenError):
        invite(access(cast.annotator, project.public_id), "d@x.org")
    assert [message.to for message in mail.outbox] == [["a@x.org"]]
    assert not User.objects.filter(email="a@x.org").exists()
