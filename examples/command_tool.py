#!/usr/bin/env python3
"""A command tool: a program that the server starts when the model calls `count_words`. Any language will do.

    open-responses --config examples/command_tool.toml &
    curl http://127.0.0.1:4000/v1/responses -H 'content-type: application/json' \
        -d '{"model": "demo", "input": "Count the words of this text."}'

By hand: echo '{"text": "one two"}' | python3 examples/command_tool.py
"""

import json
import sys

# The arguments are JSON on standard input. OPENRESPONSES_CALL_ID and its like are in the environment.
arguments = json.load(sys.stdin)
words = arguments["text"].split()
if not words:
    # What is said here, and an exit code other than 0, is an error that the model reads.
    sys.exit("the text is empty")
print(json.dumps({"words": len(words), "longest": max(words, key=len)}))
