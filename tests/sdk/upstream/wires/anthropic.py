"""Anthropic's Messages API."""

import json

from model import Ask, check_state
from wires.frames import slices, sse, texts


class Anthropic:
    path = "/anthropic/v1/messages"
    media = "text/event-stream"

    @staticmethod
    def key(headers):
        return headers.get("x-api-key", "")

    @staticmethod
    def read(body, path):
        ask = Ask(body["model"], body.get("stream", False), system=texts(body.get("system")))
        for message in body["messages"]:
            said = ""
            for block in message["content"]:
                if block["type"] == "text":
                    said += block["text"]
                elif block["type"] == "tool_result":
                    ask.results.append(texts(block.get("content")))
                elif block["type"] == "thinking":
                    check_state(ask, block["thinking"], block["signature"])
            if message["role"] == "user" and said:
                ask.user(said)
            elif message["role"] == "assistant":
                ask.turns.append(("assistant", said))
        ask.tools = [(tool["name"], tool["input_schema"]) for tool in body.get("tools", [])]
        choice = body.get("tool_choice", {}).get("type", "auto")
        ask.forced, ask.no_tools = choice in ("any", "tool"), choice == "none"
        ask.schema = body.get("output_config", {}).get("format", {}).get("schema")
        ask.thinks = body.get("thinking", {}).get("type") in ("adaptive", "enabled")
        ask.max_tokens = body["max_tokens"]
        return ask

    @staticmethod
    def error(status, text):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": text}}

    @staticmethod
    def blocks(said):
        if said.thought:
            yield {"type": "thinking", "thinking": said.thought, "signature": said.state}
        if said.text:
            yield {"type": "text", "text": said.text}
        for call, name, arguments in said.calls:
            yield {"type": "tool_use", "id": call, "name": name, "input": json.loads(arguments)}

    @staticmethod
    def reason(said):
        return "max_tokens" if said.cut_short else "tool_use" if said.calls else "end_turn"

    @classmethod
    def whole(cls, ask, said):
        return {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "content": list(cls.blocks(said)),
            "stop_reason": cls.reason(said),
            "usage": {"input_tokens": said.tokens_in, "output_tokens": said.tokens_out},
        }

    @classmethod
    def frames(cls, ask, said):
        def frame(kind, **fields):
            return sse({"type": kind, **fields}, kind)

        start = {**cls.whole(ask, said), "content": [], "stop_reason": None}
        yield frame("message_start", message=start)
        for at, block in enumerate(cls.blocks(said)):
            if block["type"] == "thinking":
                empty = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in slices(said.thought)]
                deltas.append({"type": "signature_delta", "signature": said.state})
            elif block["type"] == "text":
                empty = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": word} for word in said.words()]
            else:
                empty = {**block, "input": {}}
                pieces = ["", *slices(json.dumps(block["input"], ensure_ascii=False))]
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            yield frame("content_block_start", index=at, content_block=empty)
            for n, delta in enumerate(deltas):
                if n == 2 and said.mode == "fail":
                    yield frame("error", error={"type": "api_error", "message": "scripted failure"})
                    return
                yield frame("content_block_delta", index=at, delta=delta)
            yield frame("content_block_stop", index=at)
        usage = {"output_tokens": said.tokens_out}
        yield frame("message_delta", delta={"stop_reason": cls.reason(said)}, usage=usage)
        yield frame("message_stop")
