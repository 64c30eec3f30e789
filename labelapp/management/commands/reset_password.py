"""`manage.py reset_password EMAIL`: a one-time link for somebody who forgot the password."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from labelapp.errors import AppError
from labelapp.management import network
from labelapp.management.instance import running_address
from labelapp.models import User
from labelapp.services.accounts import RESET_HOURS, create_reset_link

_HOST, _PORT = settings.ENV.host, settings.ENV.port


class Command(BaseCommand):
    """Prints a link; no mail server is needed."""

    help = "Print a one-time link with which a person sets a new password."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("email", help="the person's e-mail")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link, on this machine's address and on the local network's."""
        person = User.objects.filter(email=options["email"].strip().lower()).first()
        owner = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        if person is None or owner is None:
            raise CommandError(f"there is nobody with the e-mail {options['email']}")
        try:
            _, token = create_reset_link(actor=owner, user_id=person.pk)
        except AppError as error:
            raise CommandError(error.message) from error
        path = reverse("password_link", args=[token])
        address = running_address(Path(settings.DATA_DIR))
        self.stdout.write(f"{person} sets a new password here, once, within {RESET_HOURS} hours:")
        self.stdout.write(f"    {address or network.reach(_HOST, _PORT).here}{path}")
        self.stdout.write("From another machine: the same with this machine's address in front.")
