"""A small server that speaks vLLM's /v1/completions, for want of the real one: `python -m tests.serving.vllm_like serve
FOLDER --served-model-name NAME --host HOST --port PORT`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from hornbook.inference import Engine, Sampling
from hornbook.inference import Request as Asked
from hornbook.models.files import load_model
from hornbook.tokens.tokenizer import Tokenizer

NAMED = ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "max_tokens",
         "stop", "seed")  # fmt: skip


def create(engine: Engine, name: str) -> FastAPI:
    app = FastAPI()
    app.state.asked, app.state.dropped = [], 0
    app.get("/health")(lambda: PlainTextResponse(""))
    app.get("/metrics")(lambda: PlainTextResponse("vllm:num_requests_running 0\n"))

    @app.post("/v1/completions")
    async def completions(request: Request):
        body = await request.json()
        app.state.asked.append(body)
        if body["model"] != name or body["logprobs"] > 5:
            return JSONResponse({"error": {"message": "no such thing", "type": "BadRequestError"}}, 400)
        sampling = Sampling(
            **{key: body[key] for key in NAMED}, top_k=max(0, body["top_k"]), stop_ids=body["stop_token_ids"],
            ignore_end=body["ignore_eos"], top_logprobs=body["logprobs"],
            logit_bias={int(token): bias for token, bias in (body["logit_bias"] or {}).items()},
        )  # fmt: skip

        async def events():
            done = False
            try:
                for chunk in engine.stream(Asked(ids=body["prompt"], sampling=sampling)):
                    yield event(chunk)
                    await asyncio.sleep(0)
                usage = {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 3}}
                yield f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
                yield "data: [DONE]\n\n"
                done = True
            finally:
                app.state.dropped += not done

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def event(chunk) -> str:
    tops = [{f"token_id:{token}": value for token, value in [*row, (chosen, logprob)]}
            for row, chosen, logprob in zip(chunk.top or [[]] * len(chunk.ids), chunk.ids, chunk.logprobs, strict=True)]
    told = {"tokens": [f"token_id:{token}" for token in chunk.ids], "token_logprobs": list(chunk.logprobs),
            "top_logprobs": tops, "text_offset": []}
    reason = chunk.completion.finish_reason if chunk.completion else None
    choice = {"index": 0, "text": chunk.text, "logprobs": told, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice], 'usage': None})}\n\n"


if __name__ == "__main__":
    _, word, folder, _, name, _, host, _, port = sys.argv
    assert word == "serve"
    engine = Engine(load_model(Path(folder)), Tokenizer.load(Path(folder)), slots=4)
    uvicorn.run(create(engine, name), host=host, port=int(port), log_level="warning")
