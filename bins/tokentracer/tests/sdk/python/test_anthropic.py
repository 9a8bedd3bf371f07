"""The anthropic package in front of each provider."""

import anthropic
import pytest
from anthropic import Anthropic
from conftest import KEY, URL, WEATHER

HELLO = [{"role": "user", "content": "Hello there, how are you?"}]
TOOL = {"name": "weather", "description": "The weather.", "input_schema": WEATHER}


@pytest.fixture
def client():
    return Anthropic(base_url=URL, api_key=KEY, max_retries=0)


def test_messages(client, model):
    answer = client.messages.create(model=model("chunks-7-cached-100"), max_tokens=100, messages=HELLO)
    assert len(answer.content[0].text.split()) == 7
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.output_tokens, answer.usage.cache_read_input_tokens) == (7, 100)


def test_stream_helper(client, model):
    with client.messages.stream(model=model("chunks-20"), max_tokens=100, messages=HELLO) as stream:
        deltas = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(deltas) == final.content[0].text
    assert len(deltas) > 1
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", 20)


def test_tools(client, model):
    messages = [{"role": "user", "content": "The weather in Paris?"}]
    ask = {"model": model(), "max_tokens": 100, "tools": [TOOL]}
    answer = client.messages.create(messages=messages, tool_choice={"type": "any"}, **ask)
    call = next(block for block in answer.content if block.type == "tool_use")
    assert (answer.stop_reason, call.name, "city" in call.input) == ("tool_use", "weather", True)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(messages=messages, tool_choice={"type": "none"}, **ask)
    assert answer.content[0].text


def test_tools_streamed(client, model):
    ask = {"model": model(), "max_tokens": 100, "tools": [TOOL], "tool_choice": {"type": "any"}}
    with client.messages.stream(messages=HELLO, **ask) as stream:
        final = stream.get_final_message()
    call = next(block for block in final.content if block.type == "tool_use")
    assert (call.name, "city" in call.input) == ("weather", True)


def test_thinking_survives_a_tool_loop(client, model):
    messages = [{"role": "user", "content": "The weather in Paris?"}]
    thinking = {"type": "enabled", "budget_tokens": 1024}
    ask = {"model": model("reasoning-50"), "max_tokens": 2048, "tools": [TOOL], "thinking": thinking}
    for _ in range(3):
        with client.messages.stream(messages=messages, **ask) as stream:
            answer = stream.get_final_message()
        calls = [block for block in answer.content if block.type == "tool_use"]
        messages.append({"role": "assistant", "content": answer.content})
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "Rain."} for call in calls]
        messages.append({"role": "user", "content": [*results, {"type": "text", "text": "And tomorrow?"}]})


def test_count_tokens(client, model):
    counted = client.messages.count_tokens(model=model(), messages=HELLO)
    assert 0 < counted.input_tokens < 100


def test_models(client):
    assert "demo" in [listed.id for listed in client.models.list()]
    assert client.models.retrieve("demo").display_name


def test_errors_have_types(client, model):
    for words, kind in [
        ("status-429", anthropic.RateLimitError),
        ("status-500", anthropic.InternalServerError),
        ("context-length", anthropic.BadRequestError),
    ]:
        with pytest.raises(kind) as failed:
            client.messages.create(model=model(words), max_tokens=100, messages=HELLO)
        assert failed.value.request_id
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nothing", max_tokens=100, messages=HELLO)
    with pytest.raises(anthropic.AuthenticationError):
        Anthropic(base_url=URL, api_key="tt-wrong", max_retries=0).messages.create(
            model="x", max_tokens=100, messages=HELLO
        )


def test_a_stream_that_breaks_raises(client, model):
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(model=model("chunks-20-cut-after-6"), max_tokens=100, messages=HELLO) as stream:
            stream.until_done()
