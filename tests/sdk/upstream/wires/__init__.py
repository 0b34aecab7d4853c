"""The wires of all provider kinds: requests read into `Ask`, answers written as frames.

A wire has a `path`, the `media` type of its streams, `key` of the headers, `read` of a body, and the forms of an
`error`, a `whole` answer and its `frames`.
"""

from wires.anthropic import Anthropic
from wires.gemini import Gemini
from wires.ollama import Ollama
from wires.openai_chat import OpenAiChat
from wires.openai_responses import OpenAiResponses

WIRES = [OpenAiResponses, OpenAiChat, Anthropic, Gemini, Ollama]
