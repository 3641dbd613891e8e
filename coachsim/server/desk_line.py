"""What a page may say to its kernel: what its widgets say, and nothing else.

A kernel is no sandbox, and runs as the server does. So a browser may make it run nothing: it sends the events of the
widgets that the page's notebook has made, asks for their state, and opens no widget of its own. Voila itself refuses to
execute code, but would let a browser make widgets of any class, and have ipyvue import modules for them.
"""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

_CONTROL = "jupyter.widget.control"  # by it a page that loads asks for the state of all widgets
_METHODS = frozenset({"custom", "update", "request_state", "request_states"})
_OF_IPYVUE = frozenset({"create_widget", "update_ref", "destroy_widget"})
_V1 = "v1.kernel.websocket.jupyter.org"


def is_of_a_widget(channel: Any, kind: Any, content: Any) -> bool:
    """Whether a message is one that the widgets of a page send. Anything may be asked, nonsense too."""
    if channel != "shell" or not isinstance(kind, str) or not isinstance(content, dict):
        return False
    if kind in ("kernel_info_request", "comm_info_request"):
        return True
    if not isinstance(content.get("comm_id"), str):
        return False
    data = content.get("data")
    match kind:
        case "comm_open":
            return content.get("target_name") == _CONTROL
        case "comm_close":
            return isinstance(data, dict)
        case "comm_msg":
            return isinstance(data, dict) and data.get("method") in _METHODS and not _asks_ipyvue(data.get("content"))
    return False


def _asks_ipyvue(content: Any) -> bool:
    return isinstance(content, dict) and not _OF_IPYVUE.isdisjoint(content)


class DeskLine(ZMQChannelsWebsocketConnection):
    """The websocket of a page, which passes over what no widget says. The log is told once for each line."""

    _told = False

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Passes a message on to the kernel, if it may be."""
        try:
            allowed = self.subprotocol == _V1 and is_of_a_widget(*self._read(incoming_msg))
        except (ValueError, LookupError, TypeError, RecursionError):  # bytes that are no message
            allowed = False
        if allowed:
            super().handle_incoming_message(incoming_msg)
        elif not self._told:
            self._told = True
            self.log.warning("Refused what no widget says, from the page of kernel %s.", self.kernel_id)

    def _read(self, said: Any) -> tuple[Any, Any, Any]:
        """Channel, type and content, read as the kernel will read them."""
        parts_said = int.from_bytes(said[:8], "little")
        if 8 * parts_said > len(said):  # or a number alone would fill the memory
            raise ValueError("a message of more parts than it has bytes for")
        channel, parts = deserialize_msg_from_ws_v1(said)  # type: ignore[no-untyped-call]
        return channel, self.session.unpack(parts[0])["msg_type"], self.session.unpack(parts[3])
