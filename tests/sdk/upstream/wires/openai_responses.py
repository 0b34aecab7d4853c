"""OpenAI's Responses API, as `POST /responses` speaks it."""

import json

from model import Ask, check_state
from wires.frames import slices, sse, texts

# What a custom tool's free text is in the scripted model.
FREE_FORM = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def flat(tools, namespace=None):
    """Functions and custom tools, those of namespaces with its name."""
    for tool in tools:
        if tool["type"] == "namespace":
            yield from flat(tool["tools"], tool["name"])
        elif "name" in tool:
            yield tool, namespace


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
            elif kind in ("function_call_output", "custom_tool_call_output"):
                ask.results.append(texts(item["output"]))
            elif kind == "reasoning":
                # Without a state it is the thought of another provider.
                if "encrypted_content" in item:
                    check_state(ask, "".join(part["text"] for part in item["summary"]), item["encrypted_content"])
        brought = [item["tools"] for item in body["input"] if item.get("type") == "additional_tools"]
        for tool, namespace in flat([*body.get("tools", []), *sum(brought, [])]):
            custom = tool["type"] == "custom"
            ask.tools.append((tool["name"], FREE_FORM if custom else tool.get("parameters")))
            ask.forms[tool["name"]] = (custom, namespace)
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
    def items(ask, said):
        items = []
        if said.thought:
            summary = [{"type": "summary_text", "text": said.thought}]
            items.append({"id": "rs_up", "type": "reasoning", "summary": summary, "encrypted_content": said.state})
        if said.text:
            part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
            items.append(
                {"id": "msg_up", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
            )
        for n, (call, name, arguments) in enumerate(said.calls):
            custom, namespace = ask.forms[name]
            item = {"id": f"fc_up{n}", "type": "function_call", "status": "completed", "call_id": call, "name": name}
            if custom:
                item |= {"id": f"ctc_up{n}", "type": "custom_tool_call", "input": json.loads(arguments)["input"]}
            else:
                item["arguments"] = arguments
            items.append(item | ({"namespace": namespace} if namespace else {}))
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
            "output": cls.items(ask, said) if done else [],
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if said.cut_short and done else None,
            "usage": usage if done else None,
        }

    @classmethod
    def frames(cls, ask, said):
        def frame(kind, **fields):
            return sse({"type": kind, **fields}, kind)

        yield frame("response.created", response=cls.whole(ask, said, "in_progress"))
        for at, item in enumerate(cls.items(ask, said)):
            where = {"output_index": at, "item_id": item["id"]}
            empty = {**item, "content": [], "summary": [], "arguments": "", "input": ""}
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
            elif item["type"] == "custom_tool_call":
                for piece in slices(item["input"]):
                    yield frame("response.custom_tool_call_input.delta", **where, delta=piece)
                yield frame("response.custom_tool_call_input.done", **where, input=item["input"])
            else:
                for piece in slices(item["arguments"]):
                    yield frame("response.function_call_arguments.delta", **where, delta=piece)
                yield frame("response.function_call_arguments.done", **where, arguments=item["arguments"])
            yield frame("response.output_item.done", output_index=at, item=item)
        end = "response.incomplete" if said.cut_short else "response.completed"
        yield frame(end, response=cls.whole(ask, said))
