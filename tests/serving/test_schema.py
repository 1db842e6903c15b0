"""The whole API as its description has it, fuzzed by schemathesis: no request brings a 500 or an undescribed answer."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from hornbook.serving.app import create_app
from hornbook.serving.schema import ASKED

# A description says what a body looks like, not which model there is, how long its window, or what fits together.
EXCLUDED = [schemathesis.checks.positive_data_acceptance]
HOST = {"Host": "127.0.0.1"}


@pytest.fixture(scope="module")
def app(chat):
    app = create_app(chat)
    with TestClient(app):  # keeps its engine running
        yield app


def fuzz(app, examples: int) -> None:
    """So many requests to every endpoint, by the description and against it; few tokens are asked for."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=HOST)
    for result in schema.get_all_operations():
        operation = result.ok()
        cases = operation.as_strategy(GenerationMode.POSITIVE) | operation.as_strategy(GenerationMode.NEGATIVE)

        @given(cases)
        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        def ask(case):
            if isinstance(case.body, dict):
                for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
                    if isinstance(case.body.get(name), int) and case.body[name] > 4:
                        case.body[name] = 4
            case.call_and_validate(headers=HOST, excluded_checks=EXCLUDED)

        ask()


def test_the_api_is_as_it_is_described(app):
    fuzz(app, 15)


@pytest.mark.slow
def test_the_api_is_as_it_is_described_at_length(app):
    fuzz(app, 400)


def test_every_endpoint_is_described_whole(app):
    paths = app.openapi()["paths"]
    posts = {path: ways["post"] for path, ways in paths.items() if "post" in ways}
    assert set(posts) == {
        "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/tokenize", "/detokenize"
    }  # fmt: skip
    known = app.openapi()["components"]["schemas"]
    for way in posts.values():
        reference = way["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert reference.rpartition("/")[2] in known
        assert {"200", *map(str, ASKED)} <= set(way["responses"])
    gets = {path for path, ways in paths.items() if "get" in ways}
    assert gets == {"/health", "/ready", "/version", "/metrics", "/v1/models", "/v1/models/{name}"}
