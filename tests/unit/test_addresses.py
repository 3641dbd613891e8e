"""What is taken for a server's address, and what is refused without being repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.addresses import server_address
from coachsim.errors import InvalidInput


@pytest.mark.parametrize("url", ["http://127.0.0.1:8800", "https://desk.example/coach/", "http://[::1]:8800"])
def test_an_address(url: str):
    assert server_address(url).hostname


@pytest.mark.parametrize(
    "url",
    [
        "",
        "desk.example",
        "ftp://desk.example",
        "http://",
        "http://[",
        "http://[::1",
        "http://desk.example:0",
        "http://desk.example:99999",
        "http://desk.example:port",
        "http://desk.example/?token=secret",
        "http://desk.example/#secret",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address(url: str):
    with pytest.raises(InvalidInput, match="no server address") as refused:
        server_address(url, field="where")
    assert refused.value.field == "where"
    assert "secret" not in refused.value.message


@given(
    st.text(st.characters(exclude_categories=[])) | st.text(st.sampled_from("htps:/[]@:1.%a?#")).map("http://".__add__)
)
def test_any_text_is_an_address_or_is_refused(url: str):
    try:
        assert server_address(url).scheme in ("http", "https")
    except InvalidInput as error:
        error.message.encode()
