"""The google-genai package in front of each provider."""

import pytest
from conftest import KEY, URL, WEATHER
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

HELLO = "Hello there, how are you?"


class City(BaseModel):
    city: str


@pytest.fixture
def client():
    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=URL))


@pytest.fixture
def tool():
    schema = {key: value for key, value in WEATHER.items() if key != "additionalProperties"}
    weather = types.FunctionDeclaration(name="weather", description="The weather.", parameters_json_schema=schema)
    return types.Tool(function_declarations=[weather])


def calling(tool, mode):
    choice = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode=mode))
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return types.GenerateContentConfig(tools=[tool], tool_config=choice, automatic_function_calling=off)


def test_generate(client, model):
    answer = client.models.generate_content(model=model("chunks-7-cached-100"), contents=HELLO)
    assert len(answer.text.split()) == 7
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert (usage.candidates_token_count, usage.cached_content_token_count) == (7, 100)


def test_stream(client, model):
    chunks = list(client.models.generate_content_stream(model=model("chunks-20"), contents=HELLO))
    assert len(chunks) > 1
    assert len("".join(chunk.text or "" for chunk in chunks).split()) == 20
    assert chunks[-1].usage_metadata.candidates_token_count == 20


def test_tools(client, model, tool):
    asked = types.Content(role="user", parts=[types.Part(text="The weather in Paris?")])
    answer = client.models.generate_content(model=model(), contents=[asked], config=calling(tool, "ANY"))
    call = answer.function_calls[0]
    assert (call.name, "city" in call.args) == ("weather", True)
    result = types.Part(
        function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "Rain."})
    )
    history = [asked, answer.candidates[0].content, types.Content(role="user", parts=[result])]
    answer = client.models.generate_content(model=model(), contents=history, config=calling(tool, "NONE"))
    assert answer.text


def test_tools_streamed(client, model, tool):
    stream = client.models.generate_content_stream(model=model(), contents=HELLO, config=calling(tool, "ANY"))
    calls = [call for chunk in stream for call in chunk.function_calls or []]
    assert [call.name for call in calls] == ["weather"]


def test_a_schema_is_parsed(client, model):
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    answer = client.models.generate_content(model=model(), contents=HELLO, config=config)
    assert isinstance(answer.parsed, City)


def test_count_tokens(client, model):
    assert 0 < client.models.count_tokens(model=model(), contents=HELLO).total_tokens < 100


@pytest.mark.parametrize("provider", ["openai", "gemini"])
def test_embed_content(client, provider):
    name = f"{provider}/mock-small"
    one = client.models.embed_content(model=name, contents="one two")
    assert len(one.embeddings) == 1
    several = client.models.embed_content(model=name, contents=["one two", "three"])
    assert [len(embedding.values) for embedding in several.embeddings] == [8, 8]
    assert several.embeddings[0].values == one.embeddings[0].values
    config = types.EmbedContentConfig(output_dimensionality=4, task_type="RETRIEVAL_QUERY")
    short = client.models.embed_content(model=name, contents="one two", config=config)
    assert len(short.embeddings[0].values) == 4


def test_a_provider_without_embeddings(client):
    with pytest.raises(errors.ClientError) as failed:
        client.models.embed_content(model="anthropic/mock-small", contents="one")
    assert (failed.value.code, failed.value.status) == (400, "INVALID_ARGUMENT")


def test_models(client):
    assert any(listed.name.endswith("demo") for listed in client.models.list())


def test_errors_have_codes(client, model):
    # An error of the client's own API comes back as it was.
    server_error = 500 if model().startswith("gemini") else 502
    for words, code in [("status-429", 429), ("status-500", server_error), ("context-length", 400)]:
        with pytest.raises(errors.APIError) as failed:
            client.models.generate_content(model=model(words), contents=HELLO)
        assert failed.value.code == code
    with pytest.raises(errors.ClientError) as failed:
        client.models.generate_content(model="nothing", contents=HELLO)
    assert failed.value.code == 404
    with pytest.raises(errors.ClientError) as failed:
        stranger = genai.Client(api_key="tt-wrong", http_options=types.HttpOptions(base_url=URL))
        stranger.models.generate_content(model="demo", contents=HELLO)
    assert failed.value.code == 401
