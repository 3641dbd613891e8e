"""What a page may say to its kernel: what its widgets say, and nothing by which a kernel runs what a visitor wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

from tests.server.desks import Door, Line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
HTML = {
    "_model_module": "@jupyter-widgets/controls",
    "_model_module_version": "2.0.0",
    "_model_name": "HTMLModel",
    "_view_module": "@jupyter-widgets/controls",
    "_view_module_version": "2.0.0",
    "_view_name": "HTMLView",
    "value": "made by a visitor",
}


async def test_a_page_cannot_make_its_kernel_run_anything(door: Door, tmp_path: Path):
    marker = tmp_path / "it-ran"
    code = f"open({str(marker)!r}, 'w').close()"
    async with door.browser("sup") as sup:
        kernel, _ = await door.render(sup)
        async with door.line(sup, kernel) as line:
            before = set(await line.widgets())
            (page,) = (key for key, state in (await line.widgets()).items() if "template" in state["state"])
            for channel in ("shell", "control", "stdin", "iopub"):
                await line.say("execute_request", {"code": code, "silent": False}, channel=channel)
                for kind in ("complete_request", "inspect_request", "history_request", "is_complete_request",
                             "create_subshell_request", "usage_request", "interrupt_request"):  # fmt: skip
                    await line.say(kind, {"code": "1", "cursor_pos": 1}, channel=channel)
                await line.say("debug_request", {"type": "request", "seq": 1, "command": "evaluate",
                                                 "arguments": {"expression": code}}, channel=channel)  # fmt: skip
            await line.say("input_reply", {"value": code}, channel="stdin")
            # The widgets of a page are made by its notebook, and by no visitor.
            for target in ("jupyter.widget", "jupyter.widget.version", "os.system"):
                opened = {"comm_id": f"mine-{target}", "target_name": target, "target_module": "os"}
                await line.say("comm_open", opened | {"data": {"state": HTML}}, metadata={"version": "2.1.0"})
            for content in (
                {"create_widget": ["subprocess", "Popen"], "id": "x", "props": {"args": ["touch", str(marker)]}},
                {"update_ref": {"functionRef": "send", "args": [1]}, "id": page, "prop": "template"},
                {"event": "page_ready", "create_widget": ["antigravity", "x"], "props": {}, "id": "x"},
            ):
                await line.say("comm_msg", {"comm_id": page, "data": {"method": "custom", "content": content}})
            await line.say("comm_msg", {"comm_id": page, "data": {"method": "update", "state": {"template": "mine"}}})

            states = await line.widgets()
            assert set(states) == before
            assert states[page]["state"]["template"] != "mine"
            assert (await line.answer_of("kernel_info_request", {}))["status"] == "ok"
        assert not marker.exists()


async def test_a_line_ends_no_kernel(door: Door):
    async with door.browser("sup") as sup:
        kernel, _ = await door.render(sup)
        async with door.line(sup, kernel) as line:
            for channel in ("shell", "control"):
                for restart in (False, True):
                    await line.say("shutdown_request", {"restart": restart}, channel=channel)
            assert (await line.answer_of("kernel_info_request", {}))["status"] == "ok"


async def test_what_is_no_message_is_passed_over(door: Door):
    async with door.browser("sup") as sup:
        kernel, _ = await door.render(sup)
        async with door.line(sup, kernel) as line:
            for frame in (
                b"",
                b"\x00",
                b"\xff" * 8,
                b"\xff" * 40,
                b"\x00" * 200,
                "",
                "null",
                "[]",
                "{",
                '{"header": 5}',
            ):
                await line.socket.write_message(frame, binary=isinstance(frame, bytes))
            for content in (None, [], 5, {"comm_id": []}, {"comm_id": "x", "data": 5}):
                for kind in ("comm_open", "comm_msg", "comm_close"):
                    await line.say(kind, content)
            await _say_header(line, [])
            await _say_header(line, {"msg_type": ["execute_request"]})
            assert (await line.answer_of("kernel_info_request", {}))["status"] == "ok"


async def _say_header(line: Line, header: Any) -> None:
    parts = [json.dumps(part).encode() for part in (header, {}, {}, {})]
    await line.socket.write_message(serialize_msg_to_ws_v1(parts, "shell"), binary=True)
