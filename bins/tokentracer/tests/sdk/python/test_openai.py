"""The openai package in front of each provider."""

import json

import openai
import pytest
from conftest import KEY, URL, WEATHER
from openai import OpenAI
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Hello there, how are you?"}]
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": WEATHER}}


class City(BaseModel):
    city: str


@pytest.fixture
def client():
    return OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)


def test_chat(client, model):
    answer = client.chat.completions.create(model=model("chunks-7-cached-100"), messages=HELLO)
    assert len(answer.choices[0].message.content.split()) == 7
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 7
    assert answer.usage.prompt_tokens_details.cached_tokens == 100
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 7


def test_chat_stream_helper(client, model):
    options = {"include_usage": True}
    with client.chat.completions.stream(model=model("chunks-20"), messages=HELLO, stream_options=options) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == final.choices[0].message.content
    assert len(deltas) > 1
    assert final.usage.completion_tokens == 20


def test_chat_tools(client, model):
    messages = [{"role": "user", "content": "The weather in Paris?"}]
    ask = {"model": model(), "tools": [TOOL], "tool_choice": "required"}
    answer = client.chat.completions.create(messages=messages, **ask)
    call = answer.choices[0].message.tool_calls[0]
    assert (answer.choices[0].finish_reason, call.function.name) == ("tool_calls", "weather")
    assert "city" in json.loads(call.function.arguments)
    messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "Rain."}]
    answer = client.chat.completions.create(model=model(), tools=[TOOL], tool_choice="none", messages=messages)
    assert answer.choices[0].message.content


def test_chat_tools_streamed(client, model):
    ask = {"model": model(), "tools": [TOOL], "tool_choice": "required"}
    with client.chat.completions.stream(messages=HELLO, **ask) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert [event.name for event in done] == ["weather"]
    assert "city" in json.loads(final.choices[0].message.tool_calls[0].function.arguments)


def test_chat_parse(client, model):
    answer = client.chat.completions.parse(model=model(), messages=HELLO, response_format=City)
    assert isinstance(answer.choices[0].message.parsed, City)


def test_responses(client, model):
    answer = client.responses.create(model=model("chunks-7"), input="Hello there", store=False)
    assert len(answer.output_text.split()) == 7
    assert (answer.status, answer.usage.output_tokens) == ("completed", 7)


def test_responses_stream_helper(client, model):
    with client.responses.stream(model=model("chunks-20"), input="Hello there", store=False) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text
    assert final.usage.output_tokens == 20


def test_responses_tools(client, model):
    tool = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": True}
    asked = [{"role": "user", "content": "The weather in Paris?"}]
    ask = {"model": model(), "tools": [tool], "store": False}
    answer = client.responses.create(input=asked, tool_choice="required", **ask)
    call = next(item for item in answer.output if item.type == "function_call")
    assert (call.name, "city" in json.loads(call.arguments)) == ("weather", True)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    answer = client.responses.create(input=[*asked, *answer.output, result], tool_choice="none", **ask)
    assert answer.output_text


def test_responses_parse(client, model):
    answer = client.responses.parse(model=model(), input="Hello", text_format=City, store=False)
    assert isinstance(answer.output_parsed, City)


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_embeddings(client, provider):
    ask = {"model": f"{provider}/mock-small", "input": ["one two", "three"]}
    floats = client.embeddings.create(encoding_format="float", **ask)
    assert [item.index for item in floats.data] == [0, 1]
    assert (floats.usage.prompt_tokens, floats.usage.total_tokens) == (3, 3)
    # The library asks for base64 where nothing is said, and decodes it.
    vectors = [item.embedding for item in client.embeddings.create(**ask).data]
    assert vectors == [item.embedding for item in floats.data]
    short = client.embeddings.create(model=ask["model"], input="one two", dimensions=4, user="ann")
    assert len(short.data) == 1 and len(short.data[0].embedding) == 4


def test_embeddings_of_tokens(client):
    answer = client.embeddings.create(model="openai/mock-small", input=[[1, 2], [3]])
    assert (len(answer.data), answer.usage.prompt_tokens) == (2, 3)
    with pytest.raises(openai.BadRequestError) as failed:
        client.embeddings.create(model="gemini/mock-small", input=[[1, 2], [3]])
    assert failed.value.param == "input[0]"


def test_a_provider_without_embeddings(client):
    with pytest.raises(openai.BadRequestError) as failed:
        client.embeddings.create(model="anthropic/mock-small", input="one")
    assert (failed.value.param, failed.value.code) == ("model", "unsupported_parameter")


def test_models(client):
    assert "demo" in [listed.id for listed in client.models.list()]
    assert client.models.retrieve("demo").id == "demo"


def test_errors_have_types(client, model):
    for words, kind in [
        ("status-429", openai.RateLimitError),
        ("status-500", openai.InternalServerError),
        ("context-length", openai.BadRequestError),
    ]:
        with pytest.raises(kind) as failed:
            client.chat.completions.create(model=model(words), messages=HELLO)
        assert failed.value.request_id
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nothing", messages=HELLO)
    with pytest.raises(openai.BadRequestError) as failed:
        client.chat.completions.create(model=model(), messages=HELLO, temperature="hot")
    assert failed.value.param == "temperature"
    with pytest.raises(openai.AuthenticationError):
        OpenAI(base_url=URL + "/v1", api_key="tt-wrong", max_retries=0).chat.completions.create(model="x", messages=HELLO)


def test_a_stream_that_breaks_raises(client, model):
    stream = client.chat.completions.create(model=model("chunks-20-cut-after-6"), messages=HELLO, stream=True)
    with pytest.raises(openai.APIError):
        for _ in stream:
            pass
