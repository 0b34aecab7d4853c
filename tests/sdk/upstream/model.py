"""The scripted model behind `upstream.py`: what it says depends only on what it is asked.

It answers as the provider `demo` does where the tests look at it, so one test runs against both: it quotes the
user, calls a tool whose name shares a word with the prompt, quotes tool results, fills JSON schemas, and counts
the thoughts that came back. Endings of the model's name ask for trouble: `-error-<status>`, `-fail` (an error
inside the answer), `-cut` (the connection drops) and `-slow` (a pause before each frame).
"""

import hashlib
import json
import re
from dataclasses import dataclass, field


class Refused(Exception):
    """The provider says no before it answers."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass
class Ask:
    """A request, freed from its wire."""

    model: str
    stream: bool
    turns: list = field(default_factory=list)  # (role, text): user, assistant
    results: list = field(default_factory=list)  # outputs since the last user turn
    system: str = ""
    tools: list = field(default_factory=list)  # (name, schema)
    forms: dict = field(default_factory=dict)  # by name: whether it is a custom tool, and its namespace
    forced: bool = False
    no_tools: bool = False
    schema: dict = None
    thinks: bool = False
    states: list = field(default_factory=list)  # thoughts that came back
    max_tokens: int = None

    def user(self, text):
        self.turns.append(("user", text))
        self.results = []


@dataclass
class Answer:
    """What the model says, before it is put on a wire."""

    thought: str = ""
    state: str = ""
    text: str = ""
    calls: list = field(default_factory=list)  # (id, name, arguments)
    cut_short: bool = False
    mode: str = ""  # "fail", "cut" or "slow"
    tokens_in: int = 0

    def words(self):
        return re.findall(r"\S+\s*", self.text)

    @property
    def tokens_out(self):
        return len(self.words()) + 5 * len(self.calls) + self.tokens_thought

    @property
    def tokens_thought(self):
        return len(self.thought.split())


def sign(thought):
    """State that only this model can make, with letters that wires like to damage."""
    return "sig+/" + hashlib.sha256(thought.encode()).hexdigest() + "=="


def fill(schema, prompt, name=""):
    """A value for a schema, from the words of the prompt."""
    schema = schema or {}
    if "enum" in schema:
        return next((v for v in schema["enum"] if str(v).lower() in prompt.lower()), schema["enum"][0])
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    kind = kind.lower()
    if kind == "object":
        return {key: fill(sub, prompt, key) for key, sub in schema.get("properties", {}).items()}
    if kind == "array":
        return [fill(schema.get("items"), prompt, name)]
    if kind in ("number", "integer"):
        found = re.search(r"\d+", prompt)
        return int(found.group()) if found else 1
    if kind == "boolean":
        return True
    names = re.findall(r"\b[A-Z][a-zé]+\b", prompt)
    return names[-1] if names else prompt


def answer(ask):
    """Answers a request, or raises `Refused`."""
    trouble = re.search(r"-(error-(\d+)|fail|cut|slow)$", ask.model)
    if trouble and trouble.group(2):
        raise Refused(int(trouble.group(2)), f"scripted error {trouble.group(2)}")
    prompts = [text for role, text in ask.turns if role == "user"]
    if not prompts:
        raise Refused(400, "there is no user message")
    # On some wires it is one text with what Codex says of its environment.
    prompt = prompts[-1].rpartition("</environment_context>")[2]
    said = Answer(mode=trouble.group(1) if trouble else "")
    said.tokens_in = len(ask.system.split()) + sum(len(text.split()) for _, text in ask.turns)
    if ask.thinks:
        said.thought = f"The user says {prompt!r}. I must answer."
        said.state = sign(said.thought)
    said.calls = [] if ask.results or ask.no_tools else calls(ask, prompt)
    if said.calls:
        return said
    if ask.results:
        said.text = f'You asked: "{prompt}" The tool answered: "{" ".join(ask.results)}"'
    elif ask.schema:
        said.text = json.dumps(fill(ask.schema, prompt))
    else:
        said.text = f'You said: "{prompt}"'
        if len(prompts) > 1:
            said.text += f' Our conversation began with: "{prompts[0]}"'
        if ask.system:
            said.text += f' My instructions are: "{ask.system}"'
    if ask.states:
        said.text += f" Thoughts that came back: {len(ask.states)}."
    words = said.words()
    if ask.max_tokens and len(words) > ask.max_tokens:
        said.text = "".join(words[: ask.max_tokens])
        said.cut_short = True
    return said


def calls(ask, prompt):
    heard = set(re.findall(r"\w+", prompt.lower()))
    fitting = [tool for tool in ask.tools if heard & set(re.split(r"[_-]", tool[0].lower()))]
    if not fitting and ask.forced:
        fitting = ask.tools[:1]
    before = sum(role == "assistant" for role, _ in ask.turns)
    # A list of names makes a call for each, whatever was asked of parallel calls: the server has to see to that.
    places = re.findall(r"\b[A-Z][a-zé]+\b", prompt.partition(" ")[2]) or [prompt]
    fitting = [(name, needed(name, schema)) for name, schema in fitting]
    return [
        (f"call_{before}_{n}", name, json.dumps(fill(schema, place), ensure_ascii=False))
        for n, (name, schema, place) in enumerate((*tool, place) for tool in fitting[:1] for place in places)
    ]


def needed(name, schema):
    """What a shell does not need would be wrong, made up from words: a folder, say."""
    if "exec" not in name or not schema:
        return schema
    wanted = schema.get("required", [])
    return {**schema, "properties": {key: sub for key, sub in schema.get("properties", {}).items() if key in wanted}}


def check_state(ask, thought, state):
    """A thought that comes back must be what was said, byte for byte."""
    if state != sign(thought):
        raise Refused(400, f"the state of a thought was changed: {state!r} is not that of {thought!r}")
    ask.states.append(state)
