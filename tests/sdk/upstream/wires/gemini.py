"""Google's `generateContent`."""

import base64
import json

from model import Ask
from wires.frames import sse, texts


class Gemini:
    path = "/gemini/v1beta/models/"
    media = "text/event-stream"

    @staticmethod
    def key(headers):
        return headers.get("x-goog-api-key", "")

    @staticmethod
    def read(body, path):
        name, _, method = path.removeprefix(Gemini.path).partition("?")[0].partition(":")
        ask = Ask(name, method == "streamGenerateContent")
        ask.system = texts(body.get("systemInstruction", {}).get("parts"))
        for content in body["contents"]:
            said, thought = "", ""
            for part in content["parts"]:
                if "functionResponse" in part:
                    response = part["functionResponse"]["response"]
                    ask.results.append(response.get("output") or response.get("result") or json.dumps(response))
                elif part.get("thought"):
                    thought += part["text"]
                else:
                    said += part.get("text", "")
                if "thoughtSignature" in part:
                    ask.states.append(base64.b64decode(part["thoughtSignature"], validate=True))
            if content["role"] == "model":
                ask.turns.append(("assistant", said))
            elif said:
                ask.user(said)
        declared = [tool for group in body.get("tools", []) for tool in group["functionDeclarations"]]
        ask.tools = [(tool["name"], tool.get("parametersJsonSchema") or tool.get("parameters")) for tool in declared]
        mode = body.get("toolConfig", {}).get("functionCallingConfig", {}).get("mode", "AUTO")
        ask.forced, ask.no_tools = mode == "ANY", mode == "NONE"
        config = body.get("generationConfig", {})
        ask.schema = config.get("responseJsonSchema") or config.get("responseSchema")
        ask.thinks = config.get("thinkingConfig", {}).get("includeThoughts", False)
        ask.max_tokens = config.get("maxOutputTokens")
        return ask

    @staticmethod
    def error(status, text):
        words = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}
        error = {"code": status, "message": text, "status": words.get(status, "UNKNOWN")}
        if status == 429:
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
            error["details"] = [info]
        return {"error": error}

    @staticmethod
    def chunk(ask, said, parts, last):
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
        if last:
            candidate["finishReason"] = "MAX_TOKENS" if said.cut_short else "STOP"
        usage = {
            "promptTokenCount": said.tokens_in,
            "candidatesTokenCount": said.tokens_out - said.tokens_thought,
            "thoughtsTokenCount": said.tokens_thought,
            "totalTokenCount": said.tokens_in + said.tokens_out,
        }
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": ask.model}

    @staticmethod
    def parts(said, pieces):
        signature = {"thoughtSignature": base64.b64encode(said.state.encode()).decode()} if said.state else {}
        if said.thought:
            yield {"text": said.thought, "thought": True}
        for n, (_, name, arguments) in enumerate(said.calls):
            call = {"functionCall": {"name": name, "args": json.loads(arguments)}}
            yield {**call, **signature} if n == 0 else call
        for n, piece in enumerate(pieces):
            yield {"text": piece, **signature} if n == len(pieces) - 1 else {"text": piece}

    @classmethod
    def whole(cls, ask, said):
        pieces = [said.text] if said.text else []
        return cls.chunk(ask, said, list(cls.parts(said, pieces)), True)

    @classmethod
    def frames(cls, ask, said):
        parts = list(cls.parts(said, said.words()))
        for n, part in enumerate(parts):
            if n == 2 and said.mode == "fail":
                yield sse(cls.error(500, "scripted failure"))
                return
            yield sse(cls.chunk(ask, said, [part], n == len(parts) - 1)).replace(b"\n", b"\r\n")
