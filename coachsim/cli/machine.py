"""What a command has to do with the machine it runs on: says that a service is ready, and whom a file is closed to."""

from __future__ import annotations

import os
import pwd
import socket


def tell_systemd(serving: str) -> None:
    """Says to the systemd that waits for this process (``Type=notify``) that it is ready; else nothing.

    ``serving`` is the line that ``systemctl status`` shows.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # a name that is in no folder
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(f"READY=1\nSTATUS={serving}".encode(errors="replace"), address)


def closed_to(error: BaseException) -> str:
    """Whom a file that could not be opened is closed to, as a sentence with a space before it; empty for other errors.

    Commands run as the floor's user where root typed them (``coachsim-admin``), so it is worth saying.
    """
    if not isinstance(error, PermissionError) and not isinstance(error.__cause__, PermissionError):
        return ""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a number without a name, as in a container
        user = str(os.geteuid())
    return f" This command runs as the user {user}."
