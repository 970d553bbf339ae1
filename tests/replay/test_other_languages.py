"""The server as programs in another language see it: Node's `fetch`, where there is a Node."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess

import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.fake import DIALECTS, FakeError, fake_body, fake_pair
from miiflow_llm.replay.server import ReplayServer, serving

NODE = shutil.which("node")
SCRIPT = """
for (const [url, stream] of JSON.parse(process.argv[1])) {
  const answer = await fetch(url, {method: "POST", body: JSON.stringify({model: "m", stream})});
  const seen = {status: answer.status, type: answer.headers.get("content-type"), pieces: 0};
  const body = [];
  for await (const piece of answer.body) { seen.pieces += 1; body.push(piece); }
  seen.body = Buffer.concat(body).toString("base64");
  console.log(JSON.stringify(seen));
}
"""


def fetched(server: ReplayServer, captures: list[Capture]) -> list[dict]:
    """What Node's `fetch` is given for each."""
    asked = [(server.url_for(one.provider, one.name) + one.path, one.streaming) for one in captures]
    command = [str(NODE), "--input-type=module", "--eval", SCRIPT, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(NODE is None, reason="there is no Node here")
def test_node_reads_every_dialect() -> None:
    """Fakes of every dialect, streamed, whole and refused, reach a program in another language to the byte."""
    captures = []
    for number, dialect in enumerate(DIALECTS):
        captures += fake_pair(dialect, text="Été, 水.", tool_calls=[("now", {})], name=f"said_{number}")
        captures.append(fake_body(dialect, error=FakeError("closed", status=418), name=f"refused_{number}"))
    with serving(captures, pace=0.001) as server:
        found = fetched(server, captures)
    for capture, seen in zip(captures, found, strict=True):
        assert (seen["status"], seen["type"]) == (capture.status, capture.content_type)
        assert base64.b64decode(seen["body"]) == capture.body
        assert seen["pieces"] >= 1
