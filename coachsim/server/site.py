"""Site: all that the handlers of one running server share."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import IdentityProvider

from coachsim.adviser import Adviser
from coachsim.client import LocalClient
from coachsim.events import AgentChanged, Event
from coachsim.host import FloorHost
from coachsim.keeping import Keeping
from coachsim.models import COMMAND_LINE
from coachsim.server.accounts import Account, Accounts, in_order
from coachsim.server.comings import SIGNED_IN, Comings
from coachsim.server.hashing import Hashing
from coachsim.server.kept_templates import KeptTemplates
from coachsim.server.limits import Rates
from coachsim.server.metrics import Metrics
from coachsim.server.practice_accounts import ShownAccount
from coachsim.server.proxies import Proxies
from coachsim.server.seats import Seats
from coachsim.server.sessions import Caller, Sessions
from coachsim.server.stalls import Stalls
from coachsim.server.store import Store, StoreError
from coachsim.server.stream import Streams
from coachsim.server.throttle import Throttle
from coachsim.settings import ATTENTION_FILE

if TYPE_CHECKING:
    from coachsim.practice import Practice

SECRET_FILE = "cookie_secret"
_LOOK_S = 1.0
_logger = logging.getLogger(__name__)
_WRITE_SEEN_S = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is run: what ``coachsim serve`` was told."""

    data_dir: Path
    address: str = "127.0.0.1"
    port: int = 8800
    roster: Path | None = None
    desk: bool = True
    desk_file: Path | None = None  # where a desk apart says how to reach it; None = a desk of its own
    proxies: Proxies | None = None  # whom to believe about a request; None = nobody
    identity_provider: str | None = None
    sign_out_path: str | None = None  # where signing out leads if others signed the visitor in
    practice: Path | None = None  # the scenario of a practice floor
    speed: float = 60.0
    seed: int = 1
    orphan_after: float = 90.0  # seconds after which a kernel without a page is ended

    @property
    def passwords(self) -> bool:
        """Whether people sign in here, with a password, and not at a sign-on of the site's own."""
        return self.identity_provider is None and (self.proxies is None or self.proxies.sign_on_header is None)


class Site:
    """The floor, the accounts, the streams and the secrets of one server."""

    def __init__(
        self,
        options: Options,
        host: FloorHost,
        store: Store,
        provider: IdentityProvider,
        secret: bytes,
        practice: Practice | None = None,
    ) -> None:
        self.options = options
        self.host = host
        self.practice = practice
        self.store = store
        self.provider = provider
        self.cookie_secret = secret
        self.accounts = Accounts(store)
        self.sessions = Sessions(store, self.accounts, secret)
        self.throttle = Throttle()
        self.comings = Comings(store)
        self.templates = KeptTemplates(store)
        self.adviser = Adviser(host, practice=practice, attention_file=options.data_dir / ATTENTION_FILE)
        self.rates = Rates(host.settings.requests_per_second)
        self.streams = Streams(host, self.still, self._plays)
        self.seats = Seats(practice, self.streams, self.still)
        self.stalls = Stalls()
        self.metrics = Metrics(host, self.streams, self.stalls)
        self.local_token = secrets.token_urlsafe(32)
        first = options.passwords and not self.accounts.list()
        self.setup_token = secrets.token_urlsafe(24) if first else None
        self.shown: list[ShownAccount] = []
        self.hashing = Hashing()
        self.reading = asyncio.Semaphore(2)  # snapshots of the log that are made at a time
        self._outside: dict[str, str] = {}
        self._sign_out_watchers: list[Callable[[], None]] = [self.streams.check, self.seats.signed_out]
        self._unwatch = host.watch(self._on_event)
        self.adviser.keep_ready()
        self._looking = asyncio.create_task(self._look())
        # A practice floor's days are nobody's record: they are not archived.
        self.keeping = Keeping(host, options.data_dir) if practice is None else None

    # --- who may come in ---

    def may_sign_in(self, account: Account) -> bool:
        """Whether the account is in use and its agent, if it has one, has not been made inactive."""
        row = self.host.floor.agents.get(account.agent_id) if account.agent_id is not None else None
        return not account.disabled and (row is None or row.agent.active)

    def still(self, caller: Caller) -> bool:
        """Whether a caller who was let in still would be, with the same rights."""
        return self.sessions.still(caller) and self.may_sign_in(caller.account)

    def local_caller(self, token: str) -> Caller | None:
        """The command line on this machine, which has read the server's own token from its folder."""
        if not hmac.compare_digest(token.encode(), self.local_token.encode()):
            return None
        return Caller(Account(COMMAND_LINE, frozenset({"admin"}), None), "local", "local")

    def outside_session(self, account: Account) -> str:
        """The session of someone whom the site's own identity provider signed in."""
        raw = self._outside.get(account.name)
        if raw is None or self.sessions.by_cookie(raw) is None:
            raw = self._outside[account.name] = self.sessions.begin(account)
            self.comings.count(SIGNED_IN, account=account.name, subject="sign-on of the site")
        return raw

    def client(self, caller: Caller) -> LocalClient:
        """The floor as this caller may see it."""
        account = caller.account
        return LocalClient(
            self.host,
            practice=self.practice,
            actor=account.name,
            scope=account.scope,
            roles=in_order(account.roles),
            agent_id=account.agent_id,
            templates=self.templates,
            adviser=self.adviser,
        )

    def _plays(self, agent_id: str) -> bool:
        return self.practice is not None and agent_id not in self.practice.seats

    # --- the end of sign-ins ---

    def on_sign_out(self, watcher: Callable[[], None]) -> None:
        """``watcher`` is called when sign-ins may have ended; it asks ``still`` which."""
        self._sign_out_watchers.append(watcher)

    def signed_out(self) -> None:
        """Tells at once whatever is open that sign-ins may have ended."""
        for watcher in self._sign_out_watchers:
            watcher()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, AgentChanged) and not event.agent.active:
            agent_id = event.agent.agent_id
            names = [account.name for account in self.accounts.list() if account.agent_id == agent_id]
            if names:
                self.sessions.end_all_of(names)
                self.signed_out()

    async def _look(self) -> None:
        """Notices what other processes changed in the accounts, and sessions that ran out."""
        seen = self.store.version
        passed = 0.0
        while True:
            await asyncio.sleep(_LOOK_S)
            passed += _LOOK_S
            minute = passed >= _WRITE_SEEN_S
            if minute:
                self.signed_out()
            if self._write_down(sessions=minute) and minute:
                passed = 0.0
            if self.store.version != seen:
                seen = self.store.version
                self.signed_out()

    def _write_down(self, *, sessions: bool) -> bool:
        """Writes what is only in memory yet: who came, and with ``sessions`` which are in use. False where that cannot
        be, as on a full disk: it is kept for the next time.
        """
        try:
            self.comings.write()
            if sessions:
                self.sessions.write_seen()
                if self.host.settings.retention_days is not None:
                    self.comings.forget(self.host.settings.retention_days)
        except StoreError as error:
            if "accounts" not in self.host.fault_kinds:
                _logger.error("who came could not be written down: %s", error)
            self.host.report("accounts", error.message)
            return False
        self.host.report("accounts", None)
        return True

    async def close(self) -> None:
        """Ends the streams and puts the floor away. The accounts stay open for whoever still asks."""
        self._looking.cancel()
        if self.keeping is not None:
            await self.keeping.close()
        await self.adviser.close()
        self.stalls.close()
        self.hashing.close()
        self._unwatch()
        await self.seats.close()
        self.streams.close()
        self._write_down(sessions=True)
        await (self.practice or self.host).close()


def cookie_secret(data_dir: Path) -> bytes:
    """The secret that signs cookies, made at the first start and kept in the data folder for its owner only."""
    path = data_dir / SECRET_FILE
    try:
        return path.read_bytes()
    except FileNotFoundError:
        secret = secrets.token_bytes(64)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
        return secret
