"""What must not stand in a log: the secrets in the addresses of invitations, reset links and the like."""

from __future__ import annotations

import logging
import re

_SECRET_LINK = re.compile(r"(/(?:invite|reset|unsubscribe)/)[^/\s]+")


class HideSecretLinks(logging.Filter):
    """Cuts the token out of every line: Django logs the address of each refused request.

    A reset link whose first password was too weak is still good.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the line where needed; let all lines pass."""
        line = record.getMessage()
        if _SECRET_LINK.search(line):
            record.msg, record.args = _SECRET_LINK.sub(r"\1***", line), ()
        return True
