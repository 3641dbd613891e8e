"""server.json: how the command line finds the server that is running on a data folder, and is let in by it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from coachsim.errors import CoachsimError, ServerUnavailable

FILE_NAME = "server.json"
_TIMEOUT_S = 120.0
_FIND_S = 60.0


class ServerFile:
    """The file that a running server keeps in its data folder, readable by its owner only."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME

    def write(self, url: str, token: str) -> None:
        """Says where the server is; replaces what a crashed one left."""
        unfinished = self._path.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"url": url, "token": token, "pid": os.getpid()}, file)
        unfinished.replace(self._path)

    def remove(self) -> None:
        """The server is gone."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers, and the token that makes us its admin."""

    url: str
    token: str

    @classmethod
    def find(cls, data_dir: Path) -> RunningServer | None:
        """The server on this folder; None where none runs, whatever a crashed one left behind.

        Raises ``ServerUnavailable`` where one runs and does not answer: taken for none, it would be in the way.
        """
        try:
            said = json.loads((data_dir / FILE_NAME).read_text(encoding="utf-8"))
            server = cls(said["url"], said["token"])
            answer = httpx.get(f"{server.url}/api/me", headers=server._headers, timeout=_FIND_S)
        except httpx.ReadTimeout:
            raise ServerUnavailable(
                f"The server at {server.url} runs, and has not answered for {_FIND_S:.0f} s. Try again when it does."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, httpx.TransportError):
            return None
        return server if answer.status_code == 200 else None

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str) -> bytes:
        """What the server has at ``path``; raises its error."""
        return self._ask("GET", path)

    def post(self, path: str, **content: Any) -> dict[str, Any]:
        """Asks the server to do something; raises its error."""
        done: dict[str, Any] = self._read(self._ask("POST", path, **content))
        return done

    def _ask(self, method: str, path: str, **content: Any) -> bytes:
        try:
            answer = httpx.request(method, self.url + path, headers=self._headers, timeout=_TIMEOUT_S, **content)
        except httpx.TransportError as error:
            raise self._no_answer(error) from error
        if not answer.is_success:
            said = self._read(answer.content).get("error", {})
            raise CoachsimError(said.get("message", f"The server answered {answer.status_code}."))
        return answer.content

    def _read(self, content: bytes) -> Any:
        try:
            return json.loads(content or b"{}")
        except ValueError as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: Exception) -> ServerUnavailable:
        return ServerUnavailable(f"The server at {self.url} did not answer: {error}.")
