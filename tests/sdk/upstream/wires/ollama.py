"""Ollama's `/api/chat`."""

import json

from model import Ask
from wires.frames import slices


class Ollama:
    path = "/ollama/api/chat"
    media = "application/x-ndjson"

    @staticmethod
    def key(headers):
        return "upstream-key"

    @staticmethod
    def read(body, path):
        ask = Ask(body["model"], body.get("stream", True))
        for message in body["messages"]:
            if message["role"] == "user":
                ask.user(message["content"])
            elif message["role"] == "assistant":
                ask.turns.append(("assistant", message["content"]))
                if message.get("thinking"):
                    ask.states.append(message["thinking"])
            elif message["role"] == "tool":
                ask.results.append(message["content"])
            else:
                ask.system += message["content"]
        ask.tools = [(tool["function"]["name"], tool["function"]["parameters"]) for tool in body.get("tools", [])]
        ask.schema = body.get("format") if isinstance(body.get("format"), dict) else None
        ask.thinks = bool(body.get("think"))
        ask.max_tokens = body.get("options", {}).get("num_predict")
        return ask

    @staticmethod
    def error(status, text):
        return {"error": text}

    @staticmethod
    def line(ask, done=False, **message):
        whole = {"role": "assistant", "content": "", **message}
        return {"model": ask.model, "created_at": "2026-01-01T00:00:00Z", "message": whole, "done": done}

    @staticmethod
    def tool_calls(said):
        return [
            {"id": call, "function": {"name": name, "arguments": json.loads(arguments)}}
            for call, name, arguments in said.calls
        ]

    @staticmethod
    def end(said):
        reason = "length" if said.cut_short else "stop"
        return {"done_reason": reason, "prompt_eval_count": said.tokens_in, "eval_count": said.tokens_out}

    @classmethod
    def whole(cls, ask, said):
        message = {"content": said.text}
        if said.thought:
            message["thinking"] = said.thought
        if said.calls:
            message["tool_calls"] = cls.tool_calls(said)
        return {**cls.line(ask, True, **message), **cls.end(said)}

    @classmethod
    def frames(cls, ask, said):
        lines = [cls.line(ask, thinking=piece) for piece in slices(said.thought)] if said.thought else []
        for n, word in enumerate(said.words()):
            if n == 2 and said.mode == "fail":
                lines.append({"error": "scripted failure"})
                break
            lines.append(cls.line(ask, content=word))
        else:
            lines += [cls.line(ask, tool_calls=[call]) for call in cls.tool_calls(said)]
            lines.append({**cls.line(ask, True), **cls.end(said)})
        for line in lines:
            yield (json.dumps(line, ensure_ascii=False) + "\n").encode()
