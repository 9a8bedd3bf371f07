"""Makes half of the requests that schemathesis generates name what exists, so that their answers are more than errors."""

import functools
import itertools
import os
import time

import requests
import schemathesis
from schemathesis.generation import GenerationMode

URL = os.environ["TOKENTRACER_URL"]
HEADERS = {"authorization": f"Bearer {os.environ['TOKENTRACER_SESSION']}"}
ALIASES = ["demo-openai", "demo-anthropic", "demo-gemini"]
OTHER_USER = {"email": "other@example.com", "password": "a password of another user"}

# Models of the mock, some of which fail.
MODELS = [
    *ALIASES,
    "openai/mock-status-400",
    "openai/mock-status-404",
    "openai/mock-garbage",
    "anthropic/mock-status-529",
    "anthropic/mock-status-413",
    "gemini/mock-status-429",
    "gemini/mock-context-length",
]
MESSAGES = [{"role": "user", "content": "Hello"}]
CONTENT = {"role": "user", "parts": [{"text": "Hello"}]}
BODIES = {
    "countMessageTokens": {"messages": MESSAGES},
    "createChatCompletion": {"messages": MESSAGES},
    "createEmbeddings": {"input": "Hello"},
    "createMessage": {"max_tokens": 50, "messages": MESSAGES},
    "createResponse": {"input": "Hello"},
    "previewRoute": {"messages": MESSAGES},
}
GEMINI_BODIES = {
    "batchEmbedContents": {"requests": [{"content": CONTENT}]},
    "countTokens": {"contents": [CONTENT]},
    "embedContent": {"content": CONTENT},
    "generateContent": {"contents": [CONTENT]},
    "streamGenerateContent": {"contents": [CONTENT]},
}
STREAMED = ["createChatCompletion", "createMessage", "createResponse"]

numbers = itertools.count(1)
models = itertools.cycle(MODELS)


def call(method, path, body=None):
    # schemathesis keeps its own calls within the limit of calls a minute, and does not know of these, which may exceed it.
    # The server says when there is room again.
    for _ in range(3):
        answer = requests.request(method, URL + path, json=body, headers=HEADERS, timeout=30)
        if answer.status_code != 429:
            break
        time.sleep(int(answer.headers["retry-after"]))
    answer.raise_for_status()
    return answer.json()


def alias():
    return ALIASES[next(numbers) % len(ALIASES)]


@functools.cache
def provider_key():
    return call("GET", "/manage/providers")[0]["id"]


@functools.cache
def request_id():
    call("POST", "/v1/chat/completions", {"model": ALIASES[0], "messages": MESSAGES})
    return call("GET", "/manage/logs")["data"][0]["request_id"]


@functools.cache
def other_user():
    return call("POST", "/auth/signup", OTHER_USER)["id"]


def new_api_key():
    return call("POST", "/auth/key")["id"]


def new_provider_key():
    return call("POST", "/manage/providers", {"provider": "openai", "api_key": f"sk-{next(numbers)}"})["id"]


def new_alias():
    body = {"alias": f"new-{next(numbers)}", "target_model": "gpt-4o-mini", "provider_key_id": provider_key()}
    return call("POST", "/manage/aliases", body)["alias"]


# The placeholder of a call's path, and what makes its value.
EXISTING = {
    "deleteAlias": ("alias", new_alias),
    "deleteProviderKey": ("id", new_provider_key),
    "listModelsOfProviderKey": ("id", provider_key),
    "revokeApiKey": ("id", new_api_key),
    "rotateApiKey": ("id", new_api_key),
    "showGeminiModel": ("model", alias),
    "showModel": ("model", alias),
    "showRequest": ("request_id", request_id),
    "testProviderKey": ("id", provider_key),
    "updateAlias": ("alias", new_alias),
    "updateProviderKey": ("id", new_provider_key),
    "updateUser": ("id", other_user),
}


@schemathesis.hook
def before_call(context, case, kwargs):
    fits = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if not fits or next(numbers) % 2:
        return
    name = case.operation.definition.raw["operationId"]
    if name in EXISTING:
        placeholder, value = EXISTING[name]
        case.path_parameters[placeholder] = value()
    if name == "signUp":
        case.body = {"email": f"user-{time.time_ns()}@example.com", "password": OTHER_USER["password"]}
    if name == "whatIf":
        case.query["model"] = "openai/gpt-4o-mini"
    if name in BODIES:
        case.body = {"model": next(models), **BODIES[name]}
    if name in STREAMED:
        case.body["stream"] = next(numbers) % 3 == 0
    if name.startswith("callGemini"):
        has_provider = case.operation.path.startswith(("/v1beta/openai", "/v1beta/anthropic", "/v1beta/gemini"))
        case.path_parameters["model"] = "mock-small" if has_provider else next(models)
        case.body = GEMINI_BODIES[case.path_parameters["method"]]
    if isinstance(case.body, dict) and "provider_key_id" in case.body:
        case.body["provider_key_id"] = provider_key()
