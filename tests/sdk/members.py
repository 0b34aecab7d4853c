#!/usr/bin/env python3
"""Lists every member of a create request that the `openai` package knows, each in a request that has it.

    members.py             writes src/adapters/tests/members.json
    members.py --check     fails if the installed package knows other members than the file

A line of the file is {"path", "with", "without"}: two bodies that differ in that member only. `src/adapters/tests/members.rs`
asserts of each that no kind of provider drops it in silence. Members of the request itself are walked to their depth; of
tools, items and content parts only their own members, for what is inside of them shares their fate.
"""

import json
import sys
import typing
from pathlib import Path

from openai.types.responses import response_create_params as params
from openai.types.responses import response_input_item_param as items
from openai.types.responses import response_input_message_content_list_param as parts
from openai.types.responses import tool_param as tools

FILE = Path(__file__).resolve().parents[2] / "src/adapters/tests/members.json"

# Where the first or last word that a type allows asks for what is done anyway, or where a value must have a form.
VALUES = {
    "include": ["file_search_call.results"],
    "model": "m",
    "generate": False,
    "truncation": "auto",
    "service_tier": "flex",
    "temperature": 0.5,
    "top_p": 0.5,
    "top_logprobs": 2,
    "max_output_tokens": 99,
    "parallel_tool_calls": False,
    "store": False,
    "text.verbosity": "low",
    "image.context_compression": "enabled",
    "tool_choice": "required",
    "reasoning.effort": "low",
    "reasoning.summary": "auto",
    "reasoning.generate_summary": "auto",
    "reasoning.mode": "pro",
    "previous_response_id": "resp_1",
    "metadata": {"a": "b"},
    "text.format": {"type": "json_object"},
    "input": "Hi",
    "role": "user",
    # Another text than that of its summary.
    "input[].reasoning.content": [{"type": "reasoning_text", "text": "trace"}],
}
IMAGE = "data:image/png;base64,iVBORw0KGgo="
# By the name of a member, wherever it is.
BY_NAME = {
    "image_url": IMAGE,
    "file_data": "data:text/plain;base64,aGk=",
    "file_url": "https://a.example/b.pdf",
    "file_id": "file_1",
    "filename": "a.txt",
    "detail": "high",
    "call_id": "call_1",
    "name": "f",
    "arguments": "{}",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
    "output_schema": {"type": "object"},
    "input_schema": {"type": "object"},
    "schema": {"type": "object", "properties": {}},
    "server_label": "s",
    "server_url": "https://mcp.example/mcp",
    "code": "1",
    "prompt_cache_breakpoint": {"mode": "explicit"},
    "caller": {"type": "program", "caller_id": "p"},
    "allowed_callers": ["programmatic"],
    "phase": "commentary",
    "encrypted_content": "blob",
    "status": "completed",
    "id": "id_1",
    "ttl": "12h",
    "execution": "client",
    "logprobs": [],
}


def hints(cls):
    return typing.get_type_hints(cls, include_extras=True)


def bare(kind):
    """A type without Required, Optional and Annotated."""
    origin = typing.get_origin(kind)
    if origin in (typing.Required, typing.NotRequired, typing.Annotated) or "Required" in str(origin):
        return bare(typing.get_args(kind)[0])
    if origin is typing.Union or str(origin) == "<class 'types.UnionType'>":
        inner = [arg for arg in typing.get_args(kind) if arg is not type(None)]
        return bare(inner[0]) if len(inner) == 1 else typing.Union[tuple(inner)]
    return kind


def variants(kind):
    kind = bare(kind)
    if typing.get_origin(kind) is typing.Union:
        return [found for arg in typing.get_args(kind) for found in variants(arg)]
    return [kind]


def is_dict(kind):
    return isinstance(kind, type) and hasattr(kind, "__required_keys__")


def sample(path, name, kind, depth=0):
    """A value that asks for something."""
    if path in VALUES:
        return VALUES[path]
    if name in BY_NAME:
        return BY_NAME[name]
    kind = variants(kind)[-1]
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        return typing.get_args(kind)[-1]
    if is_dict(kind):
        return minimal(kind, path, depth + 1)
    if kind is bool:
        return True
    if kind in (int, float):
        return 20
    if kind is str:
        return "x"
    if origin is dict or kind is dict:
        return {"a": "b"}
    if origin in (list, typing.get_origin(typing.Iterable[int])) or "SequenceNotStr" in str(kind):
        args = typing.get_args(kind) or (str,)
        return [sample(f"{path}[]", "", args[0], depth + 1)] if depth < 4 else []
    return {"a": "b"}


def is_required(cls, name):
    return name in cls.__required_keys__ or "Required[" in str(hints(cls)[name])


def minimal(cls, path, depth=0):
    """An object with what must be there."""
    out = {}
    for name, kind in hints(cls).items():
        if is_required(cls, name):
            words = typing.get_args(bare(kind)) if typing.get_origin(bare(kind)) is typing.Literal else ()
            out[name] = words[0] if name == "type" and words else sample(f"{path}.{name}".strip("."), name, kind, depth)
    return out


def of_object(cls, path, put, deep):
    """Every member of an object: `put` makes a body of the object."""
    for name, kind in sorted(hints(cls).items()):
        here = f"{path}.{name}".strip(".")
        if name == "type" or here in ("input", "tools", "model", "stream"):
            continue
        without = minimal(cls, path)
        without.pop(name, None)
        given = {**without, name: sample(here, name, kind)}
        yield here, put(given), put(without)
        if not deep:
            continue
        for variant in variants(kind):
            args = typing.get_args(variant)
            if is_dict(variant):
                yield from of_object(variant, here, lambda value, n=name: put({**without, n: value}), True)
            elif args and is_dict(bare(args[0])):
                inner = bare(args[0])
                yield from of_object(inner, f"{here}[]", lambda value, n=name: put({**without, n: [value]}), True)


def kind_of(cls):
    words = typing.get_args(bare(hints(cls).get("type", str)))
    return str(words[0]) if words else cls.__name__


# What must be there beside an item for the request to make sense.
def conversation(item):
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    kind = item.get("type")
    before, after = [{"role": "user", "content": "Hi"}], [{"role": "user", "content": "Go on."}]
    pairs = {
        "function_call": ([], [output]),
        "function_call_output": ([call] if item.get("call_id") else [], []),
        "custom_tool_call": ([], [{**output, "type": "custom_tool_call_output"}]),
        "custom_tool_call_output": ([{"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "x"}], []),
    }
    front, behind = pairs.get(kind, ([], []))
    return [*before, *front, item, *behind, *after]


def body_of_item(item):
    return {"model": "m", "input": conversation(item), "tools": [{"type": "function", "name": "f"}]}


def body_of_part(part):
    return {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}, part]}]}


def body_of_tool(tool):
    return {"model": "m", "input": "Hi", "tools": [{"type": "function", "name": "other"}, tool]}


def with_input(body):
    out = {"model": "m", "input": "Hi", **body}
    if "tool_choice" in body or "parallel_tool_calls" in body or "max_tool_calls" in body:
        out["tools"] = [{"type": "function", "name": "f"}]
    return out


def members():
    base = params.ResponseCreateParamsNonStreaming
    yield from of_object(base, "", with_input, True)
    for cls in variants(items.ResponseInputItemParam):
        kind = kind_of(cls)
        name = f"input[].{kind}" if kind != "message" else f"input[].{cls.__name__}"
        yield from of_object(cls, name, body_of_item, False)
    for cls in variants(typing.get_args(parts.ResponseInputMessageContentListParam)[0]):
        yield from of_object(cls, f"content[].{kind_of(cls)}", body_of_part, False)
    for cls in variants(tools.ToolParam):
        yield from of_object(cls, f"tools[].{kind_of(cls)}", body_of_tool, False)


def main():
    found, seen = [], set()
    for path, given, without in members():
        if path not in seen:
            seen.add(path)
            found.append(json.dumps({"path": path, "with": given, "without": without}, sort_keys=True))
    text = "[\n" + ",\n".join(found) + "\n]\n"
    if "--check" in sys.argv:
        if FILE.read_text() != text:
            sys.exit(f"{FILE.name} is not what the installed openai package says; run tests/sdk/members.py")
        print(f"{len(found)} members, as the installed openai package has them")
    else:
        FILE.write_text(text)
        print(f"{len(found)} members")


if __name__ == "__main__":
    main()
