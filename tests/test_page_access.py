"""Who gets something from the page's server, asked as no browser would."""

import json
import urllib.error
import urllib.request

import pytest

from support.process import PATIENCE_S, free_port


def ask(node, path, headers=None, body=None):
    """Status and body of a request that no browser sends."""
    request = urllib.request.Request(node.page() + path, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


@pytest.fixture(scope="module")
def node(new_node):
    return new_node(**{"page.port": free_port()}).start()


def test_pages_of_others_get_nothing(node):
    own = {"Origin": node.page(), "Content-Type": "application/json"}
    nothing = json.dumps({"task": "nothing"}).encode()
    status, body = ask(node, "/")
    assert status == 200 and b"<title>" in body
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(node, "/api/samples?task=who", headers)[0] == 403, headers
    assert ask(node, "/api/forget", {"Content-Type": "application/json"}, nothing)[0] == 403
    status, body = ask(node, "/api/forget", own, nothing)
    assert status == 409 and "nothing" in json.loads(body)["message"]
    for broken in (b"", b"[]", b"{", b'{"task": 3}', b"\xff" * 1000):
        status, body = ask(node, "/api/teach", own, broken)
        assert status == 400 and not json.loads(body)["success"], broken
    assert ask(node, "/api/teach", own, b" " * 100_000)[0] == 413
    assert ask(node, "/api/sample?task=who&id=../../queue.yaml")[0] == 404
    assert ask(node, "/../../etc/passwd")[0] == 404
    assert ask(node, "/api/import", own, b"rubbish" * 1000)[0] == 400


def test_on_an_address_of_others_a_token_is_asked_for(new_node):
    node = new_node(**{"page.port": free_port(), "page.address": "0.0.0.0"}).start()
    token = (node.state_dir / "page_token").read_text()
    assert ask(node, "/")[0] == 401
    assert ask(node, "/api/samples?task=mood", {"Authorization": "Bearer wrong"})[0] == 401
    assert ask(node, "/api/samples?task=mood", {"Authorization": f"Bearer {token}"})[0] == 200
    # On the console, once.
    assert node.process.output().count(token) == 1
    assert node.process.stop() == 0
