"""The five wires of `upstream.py`: requests read into `Ask`, answers written as frames."""

import base64
import json

from model import Ask, check_state


def sse(data, event=None):
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def texts(content, kinds=("text", "input_text", "output_text")):
    """Text of a content, which is a string or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or [] if part.get("type", "text") in kinds)


def slices(text, size=7):
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


class OpenAiResponses:
    path = "/openai-responses/v1/responses"
    media = "text/event-stream"

    @staticmethod
    def key(headers):
        return headers.get("authorization", "").removeprefix("Bearer ")

    @staticmethod
    def read(body, path):
        ask = Ask(body["model"], body.get("stream", False), system=body.get("instructions") or "")
        assert body.get("store") is False, "nothing is to be stored upstream"
        for item in body["input"]:
            kind = item.get("type", "message")
            if kind == "message" and item["role"] == "user":
                ask.user(texts(item["content"]))
            elif kind == "message" and item["role"] == "assistant":
                ask.turns.append(("assistant", texts(item["content"])))
            elif kind == "message":
                ask.system += texts(item["content"])
            elif kind == "function_call_output":
                ask.results.append(texts(item["output"]))
            elif kind == "reasoning":
                # Without a state it is the thought of another provider.
                if "encrypted_content" in item:
                    check_state(ask, "".join(part["text"] for part in item["summary"]), item["encrypted_content"])
        ask.tools = [(tool["name"], tool.get("parameters")) for tool in body.get("tools", [])]
        choice = body.get("tool_choice", "auto")
        ask.forced, ask.no_tools = choice == "required" or isinstance(choice, dict), choice == "none"
        ask.schema = body.get("text", {}).get("format", {}).get("schema")
        ask.thinks = bool((body.get("reasoning") or {}).get("effort"))
        ask.max_tokens = body.get("max_output_tokens")
        return ask

    @staticmethod
    def error(status, text):
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")
        code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
        return {"error": {"message": text, "type": kind, "param": None, "code": code}}

    @staticmethod
    def items(said):
        items = []
        if said.thought:
            summary = [{"type": "summary_text", "text": said.thought}]
            items.append(
                {"id": "rs_up", "type": "reasoning", "summary": summary, "encrypted_content": said.state}
            )
        if said.text:
            part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
            items.append(
                {"id": "msg_up", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
            )
        for n, (call, name, arguments) in enumerate(said.calls):
            items.append(
                {"id": f"fc_up{n}", "type": "function_call", "status": "completed", "call_id": call, "name": name, "arguments": arguments}
            )
        return items

    @classmethod
    def whole(cls, ask, said, status=None):
        status = status or ("incomplete" if said.cut_short else "completed")
        done = status != "in_progress"
        usage = {
            "input_tokens": said.tokens_in,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said.tokens_out,
            "output_tokens_details": {"reasoning_tokens": said.tokens_thought},
            "total_tokens": said.tokens_in + said.tokens_out,
        }
        return {
            "id": "resp_up",
            "object": "response",
            "created_at": 1,
            "status": status,
            "model": ask.model,
            "output": cls.items(said) if done else [],
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if said.cut_short and done else None,
            "usage": usage if done else None,
        }

    @classmethod
    def frames(cls, ask, said):
        def frame(kind, **fields):
            return sse({"type": kind, **fields}, kind)

        yield frame("response.created", response=cls.whole(ask, said, "in_progress"))
        for at, item in enumerate(cls.items(said)):
            where = {"output_index": at, "item_id": item["id"]}
            empty = {**item, "content": [], "summary": [], "arguments": ""}
            keep = {key: value for key, value in empty.items() if key in item}
            yield frame("response.output_item.added", output_index=at, item=keep)
            if item["type"] == "reasoning":
                where["summary_index"] = 0
                yield frame("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
                for piece in slices(said.thought):
                    yield frame("response.reasoning_summary_text.delta", **where, delta=piece)
                yield frame("response.reasoning_summary_text.done", **where, text=said.thought)
                yield frame("response.reasoning_summary_part.done", **where, part=item["summary"][0])
            elif item["type"] == "message":
                where["content_index"] = 0
                part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
                yield frame("response.content_part.added", **where, part=part)
                for n, word in enumerate(said.words()):
                    if n == 2 and said.mode == "fail":
                        error = {"type": "server_error", "code": "server_error", "message": "scripted failure"}
                        yield frame("error", **error, param=None)
                        return
                    yield frame("response.output_text.delta", **where, delta=word, logprobs=[])
                yield frame("response.output_text.done", **where, text=said.text, logprobs=[])
                yield frame("response.content_part.done", **where, part=item["content"][0])
            else:
                for piece in slices(item["arguments"]):
                    yield frame("response.function_call_arguments.delta", **where, delta=piece)
                yield frame("response.function_call_arguments.done", **where, arguments=item["arguments"])
            yield frame("response.output_item.done", output_index=at, item=item)
        end = "response.incomplete" if said.cut_short else "response.completed"
        yield frame(end, response=cls.whole(ask, said))


class OpenAiChat:
    path = "/openai-chat/v1/chat/completions"
    media = "text/event-stream"
    key = OpenAiResponses.key
    error = OpenAiResponses.error

    @staticmethod
    def read(body, path):
        ask = Ask(body["model"], body.get("stream", False))
        for message in body["messages"]:
            role, text = message["role"], texts(message.get("content"))
            if role == "user":
                ask.user(text)
            elif role == "assistant":
                ask.turns.append(("assistant", text))
                for detail in message.get("reasoning_details", []):
                    check_state(ask, detail["text"], detail["signature"])
            elif role == "tool":
                ask.results.append(text)
            else:
                ask.system += text
        ask.tools = [(tool["function"]["name"], tool["function"].get("parameters")) for tool in body.get("tools", [])]
        choice = body.get("tool_choice", "auto")
        ask.forced, ask.no_tools = choice == "required" or isinstance(choice, dict), choice == "none"
        ask.schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        ask.thinks = "reasoning_effort" in body
        ask.max_tokens = body.get("max_tokens") or body.get("max_completion_tokens")
        return ask

    @staticmethod
    def reason(said):
        return "length" if said.cut_short else "tool_calls" if said.calls else "stop"

    @staticmethod
    def usage(said):
        return {
            "prompt_tokens": said.tokens_in,
            "completion_tokens": said.tokens_out,
            "total_tokens": said.tokens_in + said.tokens_out,
            "completion_tokens_details": {"reasoning_tokens": said.tokens_thought},
        }

    @staticmethod
    def detail(text, state=None):
        """A thought in OpenRouter's form, the one of this wire that has a state."""
        return {"type": "reasoning.text", "text": text, "signature": state, "index": 0}

    @classmethod
    def whole(cls, ask, said):
        message = {"role": "assistant", "content": said.text or None}
        if said.thought:
            message["reasoning_details"] = [cls.detail(said.thought, said.state)]
        if said.calls:
            message["tool_calls"] = [
                {"id": call, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call, name, arguments in said.calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": cls.reason(said)}
        return {"id": "c", "object": "chat.completion", "created": 1, "model": ask.model, "choices": [choice], "usage": cls.usage(said)}

    @classmethod
    def frames(cls, ask, said):
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": ask.model}

        def delta(reason=None, **fields):
            return sse({**head, "choices": [{"index": 0, "delta": fields, "finish_reason": reason}]})

        yield delta(role="assistant", content="")
        if said.thought:
            for piece in slices(said.thought):
                yield delta(reasoning_details=[cls.detail(piece)])
            yield delta(reasoning_details=[cls.detail("", said.state)])
        for n, word in enumerate(said.words()):
            if n == 2 and said.mode == "fail":
                yield sse({"error": {"message": "scripted failure", "type": "server_error", "code": 500}})
                return
            yield delta(content=word)
        for n, (call, name, arguments) in enumerate(said.calls):
            first = {"index": n, "id": call, "type": "function", "function": {"name": name, "arguments": ""}}
            yield delta(tool_calls=[first])
            for piece in slices(arguments):
                yield delta(tool_calls=[{"index": n, "function": {"arguments": piece}}])
        yield delta(cls.reason(said))
        yield sse({**head, "choices": [], "usage": cls.usage(said)})
        yield b"data: [DONE]\n\n"


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
        return [{"id": call, "function": {"name": name, "arguments": json.loads(arguments)}} for call, name, arguments in said.calls]

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


WIRES = [OpenAiResponses, OpenAiChat, Anthropic, Gemini, Ollama]
