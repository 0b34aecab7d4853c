"""What several wires share."""

import json


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
