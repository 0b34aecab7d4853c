"""Chat Completions, with thoughts in the form that has a state."""

from model import Ask, check_state
from wires.frames import slices, sse, texts
from wires.openai_responses import OpenAiResponses


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
        return {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": ask.model,
            "choices": [choice],
            "usage": cls.usage(said),
        }

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
