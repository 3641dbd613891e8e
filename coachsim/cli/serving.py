"""``coachsim desk``, and the options of ``coachsim serve`` for a desk apart, the proxy in front and its sign-on."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coachsim.server.proxies import Proxies

_THIS_MACHINE = "127.0.0.1,::1"


def set_up_logging(*, verbose: bool = False) -> None:
    """One line for each thing that happened; ``verbose``: for each request too."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("tornado.application").setLevel(logging.WARNING)
    logging.getLogger("tornado.access").setLevel(logging.WARNING)
    logging.getLogger("coachsim.access").setLevel(logging.INFO if verbose else logging.WARNING)


def add_desk_option(serve: argparse.ArgumentParser) -> None:
    """Adds ``--desk-file`` to the parser of ``serve``."""
    serve.add_argument(
        "--desk-file", type=Path, metavar="FILE", help="use the desk that 'coachsim desk' runs with this file"
    )


def add_desk_command(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``desk``."""
    parser.add_argument(
        "--desk-file", type=Path, required=True, metavar="FILE", help="says to 'coachsim serve' where the desk listens"
    )
    parser.add_argument(
        "--front", default="http://127.0.0.1:8800", metavar="URL", help="where 'coachsim serve' listens on this machine"
    )


def desk(arguments: argparse.Namespace) -> None:
    """``coachsim desk``: runs until it is stopped. ``--data`` is a folder of the desk's own."""
    from coachsim.server import desk_apart

    set_up_logging()
    asyncio.run(desk_apart.run(arguments.desk_file, arguments.front, arguments.data))


def add_proxy_options(serve: argparse.ArgumentParser) -> None:
    """Adds them to the parser of ``serve``."""
    serve.add_argument(
        "--behind-proxy",
        nargs="?",
        const=_THIS_MACHINE,
        metavar="ADDRESS,…",
        help="believe X-Forwarded-For and -Proto from the proxy at these addresses or networks (this machine's)",
    )
    serve.add_argument(
        "--proxy-secret", type=Path, metavar="FILE", help="and only if it shows this file's content as X-Coach-Proxy"
    )
    serve.add_argument(
        "--sign-on-header",
        metavar="NAME",
        help="the proxy signs people in, and names them in this header: no passwords",
    )
    serve.add_argument(
        "--identity-provider", metavar="MODULE:CLASS", help="a jupyter_server IdentityProvider instead of passwords"
    )
    serve.add_argument(
        "--sign-out-path", metavar="PATH", help="where signing out leads if others signed people in (/oauth2/sign_out)"
    )


def proxies_of(arguments: argparse.Namespace) -> Proxies | None:
    """Whom to believe about a request; ends with wrong use where the options do not fit together."""
    from coachsim.server.proxies import Proxies

    if arguments.behind_proxy is None and (arguments.proxy_secret or arguments.sign_on_header):
        arguments.wrong_use("--proxy-secret and --sign-on-header belong to --behind-proxy")
    if arguments.sign_on_header and arguments.identity_provider:
        arguments.wrong_use("--sign-on-header and --identity-provider both say who people are: give one")
    if arguments.desk_file is not None and not arguments.desk:
        arguments.wrong_use("--desk-file belongs to a server with a desk: leave --no-desk out")
    path = arguments.sign_out_path
    if path is not None:
        if not (arguments.sign_on_header or arguments.identity_provider):
            arguments.wrong_use("--sign-out-path belongs to --sign-on-header or --identity-provider")
        if not path.startswith("/") or path.startswith(("//", "/\\")):
            arguments.wrong_use("--sign-out-path is a path on this site, like /oauth2/sign_out")
    if arguments.behind_proxy is None:
        return None
    return Proxies.of(arguments.behind_proxy, arguments.proxy_secret, arguments.sign_on_header)
