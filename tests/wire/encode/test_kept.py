"""What was written is not written again, and never sent once it is not what it was."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miiflow_llm.core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
    data_url,
)
from miiflow_llm.core.request import ChatRequest, OutputSchema, ToolSpec
from miiflow_llm.core.shelf import Budget
from miiflow_llm.tables import Dialect, inside, take, when
from miiflow_llm.wire.encode.interpret import interpreted
from miiflow_llm.wire.encode.keeping import ambient_of, values_of
from miiflow_llm.wire.encode.kept import BUDGET, Kept, NotKept, frozen
from miiflow_llm.wire.encode.mending import mended
from miiflow_llm.wire.encode.request import Encoded, encode
from miiflow_llm.wire.engine import Engine

from ...dialects.asking import PNG, SCHEMA, TIDE, engine
from ...dialects.features import WIRES
from ...two_writings import outcome, shown
from .drawn import requests

ENGINES = {wire: engine(provider, dialect) for wire, (provider, dialect, _) in WIRES.items()}
CHAT = ENGINES["openai chat"]
BIG = data_url("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100_000))


def sent(of: Engine, writer_of: Any, request: ChatRequest, unsupported: Any = "raise") -> Encoded:
    """The request as it is sent: mended, then written."""
    origin = of.mark(request.model)
    request = mended(of.dialect, request, origin=origin, notes=[])
    return encode(of.dialect, writer_of, request, origin=origin, unsupported=unsupported)


def anew(of: Engine, request: ChatRequest, unsupported: Any = "raise") -> Any:
    """What is written where nothing is kept."""
    return shown(outcome(lambda: sent(of, lambda _: interpreted(of.dialect), request, unsupported)))


def now(of: Engine, request: ChatRequest, unsupported: Any = "raise") -> Any:
    """What is written where it was written before."""
    return shown(outcome(lambda: sent(of, of.writers.of, request, unsupported)))


def conversation() -> list[Message]:
    """A conversation in which there is something of everything that a wire of OpenAI's takes."""
    call = ToolCall("call_1", "tide", '{"port":"Oban"}')
    return [
        Message.system("Be brief."),
        Message.user([TextBlock("When is high water?"), ImageBlock(PNG, "low"), TextBlock("Here.")], name="Ann"),
        Message.assistant("Let me see.", tool_calls=[call]),
        Message.tool([TextBlock("Six.")], "call_1"),
        Message("assistant", "At six.", parts=[TextBlock("At "), TextBlock("six.")]),
        Message.user([DocumentBlock.from_text("Oban."), TextBlock("And there?")]),
        Message.user("Thanks."),
    ]


def asked(messages: list[Message], of: Engine = CHAT, model: str = "gpt-4.1", **parameters: Any) -> Encoded:
    """The request that is sent."""
    return sent(of, of.writers.of, ChatRequest(model=model, messages=messages, **parameters))


def pieces(found: Encoded) -> set[int]:
    """The larger pieces of a body, each by what object it is."""
    return {id(part) for part in found.parts if len(part) > 20}


def test_what_is_the_same_is_not_written_again() -> None:
    """The next round of a conversation is the bytes of the last, the same objects, and what is new."""
    messages = conversation()
    first = asked(messages)
    messages += [Message.assistant("You're welcome."), Message.user("One more:")]
    second = asked(messages)
    assert second.body["messages"][:7] == first.body["messages"]
    images = 1  # a message with media is put together of its text and its block's bytes, which are kept
    assert len(pieces(first) & pieces(second)) == 7 - 2 * images
    third = asked(messages)
    assert len(pieces(second) & pieces(third)) == 9 - 2 * images


@pytest.mark.parametrize("wire", WIRES)
def test_every_wire_keeps(wire: str) -> None:
    """On every wire the messages of a conversation are kept, whatever its roles and shells."""
    of, model = ENGINES[wire], WIRES[wire][2]
    messages = [
        Message.system("Be brief and say so in words of your own."),
        Message.user("When is high water, in the port of which I asked?"),
        Message.assistant(tool_calls=[ToolCall("call00001", "tide", '{"port":"Oban","words":"as they were given"}')]),
        Message.tool("Six, and again at half past, as the table has it.", "call00001", name="tide"),
        Message.assistant("At six, it says, and then at half past six again."),
        Message.user("Thanks; that is all that I wanted to know today."),
    ]
    first = asked(messages, of, model, tools=[TIDE])
    second = asked(messages, of, model, tools=[TIDE])
    assert b"".join(first.parts) == b"".join(second.parts)
    said = [part for part in first.parts if len(part) > 40][1:-2]  # between the head, the last message and the tail
    assert len(said) >= 3
    assert {id(part) for part in said} <= pieces(second)


Change = Callable[[list[Message]], Any]


def changed(name: str, change: Change) -> Any:
    """A case."""
    return pytest.param(change, id=name)


def block(messages: list[Message], place: int, at: int) -> Any:
    """A block of a message's content."""
    return messages[place].content[at]


def set_(value: Any, **fields: Any) -> None:
    """Set attributes."""
    for name, new in fields.items():
        setattr(value, name, new)


CHANGES = [
    changed("a text", lambda m: set_(m[0], content="Be long.")),
    changed("a text to blocks", lambda m: set_(m[6], content=[TextBlock("Thank"), TextBlock(" you.")])),
    changed("blocks to a text", lambda m: set_(m[1], content="When?")),
    changed("a role", lambda m: set_(m[6], role="assistant")),
    changed("a name", lambda m: set_(m[1], name="Bob")),
    changed("a name where was none", lambda m: set_(m[6], name="Bob")),
    changed("a block's text", lambda m: set_(block(m, 1, 0), text="Low water?")),
    changed("the text of a block after others", lambda m: set_(block(m, 1, 2), text="There.")),
    changed("an image", lambda m: set_(block(m, 1, 1), image_url="https://example.com/a.png")),
    changed("an image's detail", lambda m: set_(block(m, 1, 1), detail="high")),
    changed("a document", lambda m: set_(block(m, 5, 0), document_url=DocumentBlock.from_text("Ayr.").document_url)),
    changed("a document's name", lambda m: set_(block(m, 5, 0), filename="ports.txt", document_type="pdf")),
    changed("a block appended", lambda m: m[1].content.append(TextBlock("Please."))),
    changed("a block put first", lambda m: m[1].content.insert(0, TextBlock("Please:"))),
    changed("a block taken out", lambda m: m[1].content.pop()),
    changed("a block replaced", lambda m: m[1].content.__setitem__(0, TextBlock("Ebb?"))),
    changed("blocks turned round", lambda m: m[1].content.reverse()),
    changed("blocks cleared", lambda m: m[1].content.clear()),
    changed("a call's arguments", lambda m: set_(m[2].tool_calls[0], arguments='{"port":"Ayr"}')),
    changed("a call's name", lambda m: set_(m[2].tool_calls[0], name="ebb")),
    changed(
        "a call's id and its result's", lambda m: (set_(m[2].tool_calls[0], id="c2"), set_(m[3], tool_call_id="c2"))
    ),
    changed("a call that is custom now", lambda m: set_(m[2].tool_calls[0], custom=True)),
    changed("a call appended", lambda m: m[2].tool_calls.append(ToolCall("call_2", "ebb", "{}"))),
    changed("calls cleared", lambda m: m[2].tool_calls.clear()),
    changed("a result's text", lambda m: set_(block(m, 3, 0), text="Seven.")),
    changed("a result's block appended", lambda m: m[3].content.append(TextBlock("Or so."))),
    changed("a result with an image", lambda m: m[3].content.append(ImageBlock(PNG))),
    changed("a result that failed", lambda m: set_(m[3], is_error=True)),
    changed("a result's call", lambda m: set_(m[3], tool_call_id="other")),
    changed("a part's text", lambda m: set_(m[4].parts[1], text="seven.")),
    changed("a part appended", lambda m: m[4].parts.append(ToolCall("call_3", "ebb", "{}"))),
    changed("a first part", lambda m: m[6].parts.append(TextBlock("Thanks!"))),
    changed("a refusal", lambda m: set_(m[4], parts=[], content="", refusal="No.")),
    changed("a mark of the cache", lambda m: set_(m[1], cache=True)),
    changed("a block's mark of the cache", lambda m: set_(block(m, 1, 0), cache="1h")),
    changed("a message put between", lambda m: m.insert(2, Message.user("Well?"))),
    changed("a message taken out", lambda m: m.pop(4)),
    changed("messages turned round", lambda m: m[4:].reverse()),
    changed("another object", lambda m: m.__setitem__(6, Message.user("Bye."))),
    changed("the same message twice", lambda m: m.append(m[6])),
    changed("the same message twice, then changed", lambda m: (m.append(m[6]), set_(m[6], content="Bye."))),
]
"""Every way in which a caller can change what was sent."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("wire", ["openai chat", "openai responses", "anthropic", "gemini", "mistral", "bedrock"])
def test_a_changed_message_is_sent_as_it_is_now(wire: str, change: Change) -> None:
    """However a conversation is changed between two calls, what is sent is what stands there."""
    of, model = ENGINES[wire], WIRES[wire][2]
    messages = conversation()
    request = ChatRequest(model=model, messages=messages)
    before = now(of, request)
    assert before == now(of, request) == anew(of, request)
    change(messages)
    assert now(of, request) == anew(of, request)
    assert now(of, request) == anew(of, request)


def structs(value: Any) -> Iterator[Any]:
    """A message, and every block in it."""
    if isinstance(value, list):
        for one in value:
            yield from structs(one)
    elif isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from structs(getattr(value, name))


def lists(value: Any) -> Iterator[list[Any]]:
    """The list of messages, and every list in them."""
    if isinstance(value, list):
        yield value
        for one in value:
            yield from lists(one)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from lists(getattr(value, name))


def changed_by(data: st.DataObject, messages: list[Message], others: list[Message]) -> None:
    """Change something: a field of a message or block to what another's is, or a list."""
    if data.draw(st.booleans()):
        one = data.draw(st.sampled_from([*structs(messages)]))
        alike = [other for other in structs(others) if type(other) is type(one)]
        if alike:
            other = data.draw(st.sampled_from(alike))
            name = data.draw(st.sampled_from(one.__struct_fields__))
            setattr(one, name, getattr(other, name))
        return
    some = data.draw(st.sampled_from([*lists(messages)]))
    if some is messages:
        some.append(data.draw(st.sampled_from([*messages, *others])))
    elif some:
        data.draw(st.sampled_from([some.pop, some.reverse, lambda: some.append(some[0])]))()


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=8)
@given(st.data())
def test_any_change_is_sent(wire: str, data: st.DataObject) -> None:
    """Whatever is changed in whatever conversation, each call sends what stands there then."""
    of = ENGINES[wire]
    request, others = data.draw(requests(wire)), data.draw(requests(wire)).messages
    for _ in range(3):
        assert now(of, request, "drop") == anew(of, request, "drop")
        changed_by(data, request.messages, others)
    assert now(of, request, "drop") == anew(of, request, "drop")


def tools() -> list[ToolSpec]:
    """Two tools, their schemas of their own."""
    return [ToolSpec("tide", "Tides.", {"type": "object", "properties": {"port": {"type": "string"}}}), ToolSpec("now")]


@pytest.mark.parametrize("wire", WIRES)
def test_changed_tools_and_schemas_are_sent_as_they_are_now(wire: str) -> None:
    """A tool put in, a description, a schema changed in its depth, strict: each is in the next request."""
    of, model = ENGINES[wire], WIRES[wire][2]
    given_ = tools()
    request = ChatRequest(model=model, messages=[Message.user("x")], tools=given_)
    said = [now(of, request)]

    def again() -> None:
        assert now(of, request, "drop") == anew(of, request, "drop")
        said.append(now(of, request))

    parameters: Any = given_[0].parameters
    parameters["properties"]["port"]["description"] = "The port's name."
    again()
    parameters["properties"]["day"] = {"type": "integer", "minimum": 1}
    again()
    parameters["properties"]["day"]["minimum"] = True  # equal to 1, and written otherwise
    again()
    given_.append(ToolSpec("ebb", "", {"type": "object", "properties": {}}))
    again()
    given_[1] = ToolSpec("then", "Later.")
    again()
    request.tool_choice = "required"
    again()
    assert len({repr(one) for one in said}) == len(said)


@pytest.mark.parametrize("wire", ["openai chat", "openai responses", "anthropic", "gemini", "ollama"])
def test_a_changed_output_schema_is_sent_as_it_is_now(wire: str) -> None:
    """The schema of the answer is told by what it says, not by which object it is."""
    of, model = ENGINES[wire], WIRES[wire][2]
    schema = msgspec.json.decode(msgspec.json.encode(SCHEMA.schema))
    request = ChatRequest(model=model, messages=[Message.user("x")], schema=OutputSchema("Tide", schema))
    before = now(of, request)
    schema["properties"]["high"]["description"] = "When the water is highest."
    assert now(of, request) == anew(of, request) != before


def test_tools_are_written_once() -> None:
    """Equal tools are one piece of JSON, made anew or not, and so is a schema."""
    writer = CHAT.writers.of("gpt-4.1")
    assert writer.kept is not None
    bodies = []
    for _ in range(2):
        request = ChatRequest(model="gpt-4.1", messages=[Message.user("x")], tools=tools(), schema=SCHEMA)
        bodies.append(writer.body(request, [], writer.kept))
    assert bodies[0]["tools"] is bodies[1]["tools"]
    assert bodies[0]["response_format"] is bodies[1]["response_format"]


def test_providers_and_models_do_not_mix() -> None:
    """One conversation sent to many is written for each as if there were no other."""
    messages = conversation()
    for message in messages:
        message.parts = [
            msgspec.structs.replace(one, origin="openai/openai_responses/gpt-6-luna", item_id="msg_1", signature="c2ln")
            if isinstance(one, TextBlock)
            else one
            for one in message.parts
        ]
    for _ in range(2):
        for wire, of in ENGINES.items():
            for model in (WIRES[wire][2], "gpt-6-luna", "claude-opus-5", "another"):
                request = ChatRequest(model=model, messages=messages)
                assert now(of, request) == anew(of, request), (wire, model)


def test_what_depends_on_the_request_is_kept_apart() -> None:
    """On a wire where every message is written otherwise beside tools, it is, whatever was kept before."""
    of = ENGINES["deepseek"]
    assert of.writers.of("deepseek-flash").ambient == ("tools",)
    messages = [Message.user("x"), Message.assistant("y"), Message.user("z")]
    for given_ in (None, [TIDE], None, [TIDE]):
        request = ChatRequest(model="deepseek-flash", messages=messages, tools=given_)
        assert now(of, request) == anew(of, request)
        assert ("reasoning_content" in asked(messages, of, "deepseek-flash", tools=given_).body["messages"][1]) == bool(
            given_
        )


def test_the_last_message_may_be_another() -> None:
    """On a wire that marks an assistant's turn at the end, it is marked at the end alone."""
    of = ENGINES["mistral"]
    messages = [Message.user("x"), Message.assistant("y")]
    for _ in range(2):
        assert asked(messages, of, "mistral-medium-latest").body["messages"][1]["prefix"] is True
        later = asked([*messages, Message.user("z")], of, "mistral-medium-latest").body["messages"][1]
        assert "prefix" not in later


def test_a_result_is_written_with_its_calls_name() -> None:
    """On a wire that names the tool in its result, the name is that of the call that stands there now."""
    of = ENGINES["gemini"]
    messages = [
        Message.user("x"),
        Message.assistant(tool_calls=[ToolCall("c", "tide", "{}")]),
        Message.tool("y", "c"),
    ]
    for name in ("tide", "ebb", "tide"):
        messages[1].tool_calls[0].name = name
        found = asked(messages, of, "gemini-3.8-flash").body["contents"][2]["parts"][0]
        assert found["functionResponse"]["name"] == name


class Loud(Message):
    """A message whose blocks depend on what no field shows."""

    def blocks(self) -> list[Any]:
        """Its text, louder each time."""
        LOUDER.append("!")
        return [TextBlock(f"{self.text}{''.join(LOUDER)}")]


LOUDER: list[str] = []


def test_what_cannot_be_told_is_not_kept() -> None:
    """A message of a subclass is written each time; so is one whose fields hold what they should not."""
    messages = [Message.user("x"), Loud("user", "y")]
    assert asked(messages).body != asked(messages).body
    odd = Message.user([TextBlock(["a"])])  # type: ignore[arg-type]
    messages = [Message.user("x"), odd]
    assert asked(messages).body["messages"][1]["content"] == ["a"]
    odd.content[0].text.append("b")  # type: ignore[union-attr]
    assert asked(messages).body["messages"][1]["content"] == ["a", "b"]


def test_frozen_shares_nothing_that_can_change() -> None:
    """A copy has its own lists and blocks to the last, and bytes of an opaque block; what has no copy is refused."""
    payload = bytearray(b'{"a":1}')
    message = Message.user([TextBlock("x"), OpaqueBlock(msgspec.Raw(payload)), ReasoningBlock("y")])
    message.parts.append(ToolResult("c", [ImageBlock(PNG)]))
    copy = frozen(message)
    assert copy == message
    mine = {id(one) for part in (copy.content, copy.parts) for one in structs(part)}
    assert mine.isdisjoint({id(one) for one in structs(message)})
    assert {id(one) for one in lists(copy)}.isdisjoint({id(one) for one in lists(message)})
    payload[5:6] = b"2"
    assert copy != message
    for odd in (Message.user([TextBlock(1)]), Message.user("x", cache=[True]), Loud("user", "x")):  # type: ignore[arg-type]
        with pytest.raises(NotKept):
            frozen(odd)


def test_true_and_one_are_not_the_same() -> None:
    """What equals another value and is written otherwise is not kept by."""
    messages = [Message.user("x"), Message.user([TextBlock(True)])]  # type: ignore[arg-type]
    assert asked(messages).body["messages"][1]["content"] is True
    messages[1].content[0].text = 1  # type: ignore[union-attr, assignment]
    assert b'"content":1}' in b"".join(asked(messages).parts)


def test_media_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base64 of a block is looked into and encoded once, in whichever messages it stands, and weighed in each."""
    from miiflow_llm.wire.encode import conversation as room

    seen: list[Any] = []
    whole = room.media
    monkeypatch.setattr(room, "media", lambda block: seen.append(block) or whole(block))
    for wire, image in (("openai chat", ImageBlock(BIG)), ("anthropic", ImageBlock(BIG)), ("gemini", ImageBlock(BIG))):
        seen.clear()
        of, model = ENGINES[wire], WIRES[wire][2]
        for text in ("What?", "And this?"):
            asked([Message.user([TextBlock(text), image])], of, model)
        assert len(seen) == 1
        image.image_url = PNG
        asked([Message.user([image])], of, model)
        assert len(seen) == 2


def test_kept_media_weighs_as_much() -> None:
    """What was kept counts toward the most that a request takes as what is new does."""
    of = ENGINES["anthropic"]
    block = ImageBlock(data_url("image/png", b"\x89PNG\r\n\x1a\n" + bytes(9 << 20)))
    messages = [Message.user([block]), Message.assistant("Well."), Message.user([block])]
    of.encode(ChatRequest(model="claude-opus-5", messages=messages))
    messages += [Message.assistant("Well."), Message.user([block])]
    request = ChatRequest(model="claude-opus-5", messages=messages)
    assert now(of, request) == anew(of, request)
    assert now(of, request)[1].startswith("ImageBlock: a request takes 32 MB of media in all")
    tool = [Message.assistant(tool_calls=[ToolCall("c", "look", "{}")]), Message.tool([block], "c")]
    for _ in range(2):
        request = ChatRequest(model="claude-opus-5", messages=[Message.user("x"), *tool, *tool])
        assert now(of, request) == anew(of, request)
        request = ChatRequest(model="claude-opus-5", messages=[Message.user("x"), *tool, *tool, *tool])
        assert now(of, request) == anew(of, request)
        assert now(of, request)[0].__name__ == "UnsupportedParameterError"


@pytest.mark.parametrize("wire", ["openai chat", "anthropic", "ollama", "bedrock"])
def test_media_of_all_kinds_is_sent_as_it_is_now(wire: str) -> None:
    """An image, a document and a sound that are changed in their place are sent changed, in another role refused."""
    of, model = ENGINES[wire], WIRES[wire][2]
    for block, field, other in (
        (ImageBlock(PNG), "image_url", BIG),
        (DocumentBlock.from_text("a"), "document_url", DocumentBlock.from_text("b").document_url),
        (AudioBlock("UklGRg=="), "data", "UklGRgAA"),
    ):
        message = Message.user([block])
        request = ChatRequest(model=model, messages=[message])
        for _ in range(2):
            assert now(of, request) == anew(of, request)
        setattr(block, field, other)
        assert now(of, request) == anew(of, request)
        message.role = "assistant"
        assert now(of, request) == anew(of, request)


def test_nothing_outlives_its_message() -> None:
    """With the last message of a conversation its bytes are gone, without waiting for anything."""
    gc.collect()
    before = BUDGET.held()
    messages = [Message.user("x" * 50_000) for _ in range(20)] + [Message.user([ImageBlock(BIG)])]
    asked(messages)
    assert BUDGET.held() - before > 1_000_000
    del messages
    assert BUDGET.held() - before < 5_000


def test_what_is_kept_is_bounded() -> None:
    """Of all that lives no more bytes are kept than twice the budget; what is used stays, what is not goes."""
    budget = Budget(most=100_000)
    kept = Kept(budget)
    shelf = kept.messages(())
    writer = msgspec.structs.replace(CHAT.writers.of("gpt-4.1"), kept=kept)

    def say(messages: list[Message]) -> Encoded:
        request = ChatRequest(model="gpt-4.1", messages=messages)
        return encode(CHAT.dialect, lambda _: writer, request, origin=CHAT.mark("gpt-4.1"))

    often = [Message.user("often " * 500), Message.user("and often " * 500)]
    alive = []
    for number in range(200):
        alive.append([Message.user(f"{number} " * 500), Message.user(f"{number}, too " * 500)])
        assert len(pieces(say(alive[-1]))) >= 2
        first = say(often)
        assert len(pieces(first) & pieces(say(often))) >= 2
        assert budget.held() <= 2 * budget.most + 20_000
    assert id(alive[0][0]) not in shelf.young.keys() | shelf.old.keys()
    assert id(often[0]) in shelf.young.keys() | shelf.old.keys()


def test_tools_are_bounded_too() -> None:
    """Tools that are others in each call do not add up."""
    budget = Budget(most=50_000)
    writer = msgspec.structs.replace(CHAT.writers.of("gpt-4.1"), kept=Kept(budget))
    for number in range(500):
        request = ChatRequest(model="gpt-4.1", messages=[Message.user("x")], tools=[ToolSpec(f"f{number}", "x" * 300)])
        encode(CHAT.dialect, lambda _: writer, request, origin="a/b/c")
        assert budget.held() <= 2 * budget.most + 5_000


def test_names_of_models_do_not_add_up() -> None:
    """A thousand names of models leave no thousand shelves behind."""
    gc.collect()
    before = len(BUDGET._shelves)
    of = engine("openai", "openai_chat")
    messages = [Message.user("x"), Message.user("y")]
    for number in range(1000):
        asked(messages, of, f"model-{number}")
    gc.collect()
    assert len(BUDGET._shelves) - before < 200


def test_threads_share_what_is_kept() -> None:
    """Many threads that send one conversation, while another changes it, send what stood there at some time."""
    messages = [Message.user(f"{number}") for number in range(50)]
    legal = {f"v{number}" for number in range(200)} | {"7"}
    wrong: list[str] = []
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            found = asked(messages).body["messages"]
            wrong.extend(one["content"] for one in found[:7] + found[8:] if not one["content"].isdigit())
            if found[7]["content"] not in legal:
                wrong.append(found[7]["content"])

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(200):
        messages[7].content = f"v{number}"
        assert asked(messages).body["messages"][7]["content"] == f"v{number}"
    over.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_every_message_depends_on() -> None:
    """A message's template says what else of the request is in it; one that takes such values whole keeps nothing."""
    assert ambient_of({"role": take("role"), "x": take("role", values={"user": when("tools", 1)})}) == ("tools",)
    assert ambient_of({"role": take("role"), "content": take("content")}) == ()
    assert ambient_of({"role": take("role"), "user": take("user")}) is None
    assert ambient_of({"content": take("content", through=str)}) is None
    assert values_of(take("tools", each=take("name"))) == ["tools"]
    assert values_of({"a": take("schema.name"), "b": take("tool_choice"), "c": take("model")}) == [
        "schema",
        "tool_choice",
    ]
    assert values_of(take("temperature")) is None
    assert values_of([take("tools"), take("messages")]) is None


def told(dialect: Dialect) -> Engine:
    """An engine of a caller's own format."""
    return Engine(dialect, "own")


def test_a_table_that_converts_its_messages() -> None:
    """A format of the caller's own that converts what stands in messages, or the messages, is written each time."""
    dialect = msgspec.structs.replace(
        CHAT.dialect,
        body={"m": take("messages", through=lambda messages: [*reversed(messages)]), "u": when("messages", True)},
        message={"role": take("role"), "content": take("content", through=lambda content: [content])},
        parts={**CHAT.dialect.parts, TextBlock: inside(take("text"))},
    )
    of = told(dialect)
    messages = [Message.user("x"), Message.user("y")]
    for _ in range(2):
        found = asked(messages, of, "m").body
        assert found == {"m": [{"role": "user", "content": [text]} for text in ("y", "x")], "u": True}
    twice = told(msgspec.structs.replace(CHAT.dialect, body={"a": take("messages"), "b": {"c": take("messages")}}))
    found = asked(messages, twice, "m").body
    assert found["a"] == found["b"]["c"] == [{"role": "user", "content": text} for text in ("x", "y")]


def test_extra_body_beside_what_is_kept() -> None:
    """What the caller merges in has the last word, in objects that are kept and in place of the messages too."""
    messages = [Message.user("x"), Message.user("y")]
    for _ in range(2):
        extra = {"response_format": {"json_schema": {"strict": False}}, "messages": [], "n": 1}
        found = asked(messages, schema=SCHEMA, extra_body=extra).body
        assert (found["messages"], found["n"]) == ([], 1)
        assert found["response_format"]["json_schema"]["strict"] is False
        assert found["response_format"]["json_schema"]["name"] == "Tide"
