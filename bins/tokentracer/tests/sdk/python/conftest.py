"""A running TokenTracer with a mock of each provider behind it, and the key to use it with."""

import os

import pytest

URL = os.environ["TOKENTRACER_URL"]
KEY = os.environ["TOKENTRACER_API_KEY"]

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture(params=["openai", "anthropic", "gemini"])
def model(request):
    """Names a model of the mock: `model("reasoning-50")` answers with 50 tokens of reasoning."""
    return lambda words="small": f"{request.param}/mock-{words}"
