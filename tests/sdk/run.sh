#!/usr/bin/env bash
# Runs clients of the Responses API against the server, with the provider `demo` and a scripted upstream on all five wires:
# OpenAI's SDKs and Agents SDKs, the AI SDK, LangChain, Pydantic AI and Codex.
#
#   tests/sdk/run.sh [python|node|codex]...      default: all
#
# OPEN_RESPONSES_BIN    the server; default: built here (debug profile)
# OPEN_RESPONSES_CACHE  where the SDKs are installed; default: target/sdk
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$repo/target}
# shellcheck source=/dev/null
source "$repo/tests/processes.sh"

if [ -z "${OPEN_RESPONSES_BIN:-}" ]; then
    (cd "$repo" && cargo build --locked --bin open-responses)
    OPEN_RESPONSES_BIN=$target/debug/open-responses
fi

# shellcheck source=/dev/null
source "$here/install.sh"
# shellcheck source=/dev/null
source "$repo/tests/mcp/install.sh"
# shellcheck source=/dev/null
source "$here/codex/suite.sh"

start_upstream() {
    python3 "$here/upstream/upstream.py" "$work/port" 2>"$work/upstream.err" &
    pids+=($!)
    upstream=http://127.0.0.1:$(await "$work/port" '^[0-9]+$')
    export UPSTREAM_KEY=upstream-key SERVER_KEY=client-key-of-tests
}

start_notebook() {
    install_mcp_python
    export MCP_TOKEN=s3cret
    "$mcp_python" "$repo/tests/mcp/server.py" "$work/notebook" --token "$MCP_TOKEN" 2>"$work/notebook.err" &
    pids+=($!)
    notebook=127.0.0.1:$(await "$work/notebook" '^[0-9]+$')
    export MCP_URL=http://$notebook/mcp
}

# Starts a server with the given offer of an MCP server's tools; its address is in $url.
start_server() {
    local dir=$work/$1
    mkdir "$dir"
    {
        printf '[server]\nbind = "127.0.0.1:0"\nlog_format = "json"\n'
        printf '[auth]\nclient_keys_env = "SERVER_KEY"\n'
        # A key for each: the events of the one suite must not find the endpoint of the other, which does not listen yet.
        printf '[[auth.keys]]\nname = "hooked-%s"\nkey_env = "HOOKED_KEY_%s"\n' python PYTHON node NODE
        webhook python "$HOOK_PORT_PYTHON"
        webhook node "$HOOK_PORT_NODE"
        printf '[providers.demo]\nenabled = true\n'
        provider openai-responses "$upstream/openai-responses/v1"
        provider openai-chat "$upstream/openai-chat/v1"
        printf 'models = ["scripted"]\n'
        provider anthropic "$upstream/anthropic/v1"
        provider gemini "$upstream/gemini/v1beta"
        provider ollama "$upstream/ollama"
        printf '[security]\nallow_private_hosts = ["%s"]\nseal_key_env = "SEAL_KEY"\n' "$notebook"
        printf '[mcp.own]\nurl = "%s"\nheaders = { authorization = "Bearer %s" }\n' "$MCP_URL" "$MCP_TOKEN"
        printf 'allowed_tools = ["add"]\nrequire_approval = "never"\noffer = "%s"\n' "$1"
        printf '[tools.tide_table]\nkind = "command"\ndescription = "Tides of a harbour"\n'
        printf 'env = ["TOOL_RUNS"]\n'
        printf 'command = ["/bin/sh", "-c", "cat >/dev/null; echo $OPENRESPONSES_RESPONSE_ID >>$TOOL_RUNS; echo high at noon"]\n'
        printf 'parameters = { type = "object", properties = { city = { type = "string" } }, required = ["city"] }\n'
    } >"$dir/config.toml"
    (cd "$dir" && exec "$OPEN_RESPONSES_BIN" >"$dir/out" 2>>"$work/server.err") &
    pids+=($!)
    url=$(await "$dir/out" 'http://127\.0\.0\.1:[0-9]+' "$work/server.err")
}

provider() {
    printf '[providers.%s]\nkind = "%s"\nbase_url = "%s"\napi_key_env = "UPSTREAM_KEY"\n' "$1" "$1" "$2"
}

# Told of one key's responses only: the others end before anybody listens.
webhook() {
    printf '[webhooks.%s]\nurl = "http://127.0.0.1:%s/"\nsecret_env = "HOOK_SECRET"\nclients = ["hooked-%s"]\n' "$1" "$2" "$1"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

failed=0
run() {
    echo "== $1"
    shift
    "$@" || failed=1
}

test_python() {
    install_python
    "$python/bin/python" "$sdk/members.py" --check
    "$python/bin/python" -m pytest "$sdk/python"
}

# The closing line is made from Node's own.
test_node() {
    install_node
    local status=0
    (cd "$node" && node --test --test-reporter=spec ./*.test.mjs) | tee "$work/node.out" || status=1
    awk '/^ℹ (pass|fail|skipped) / { n[$2] = $3 }
        END { printf "%d passed, %d failed, %d skipped\n", n["pass"], n["fail"], n["skipped"] }' "$work/node.out"
    return $status
}

export PYTHONDONTWRITEBYTECODE=1
# Nothing is told to anybody: traces of the Agents SDKs and of LangChain.
export OPENAI_AGENTS_DISABLE_TRACING=1 LANGSMITH_TRACING=false
# The tool of the server writes the response of each of its runs into it.
export TOOL_RUNS=$work/runs
touch "$TOOL_RUNS"
# What one of the two servers has sealed the other one opens.
SEAL_KEY=$(head -c 32 /dev/urandom | base64)
export SEAL_KEY
# Each suite listens for webhooks itself, at a port that the servers know before.
HOOK_PORT_PYTHON=$(free_port) HOOK_PORT_NODE=$(free_port)
HOOK_SECRET=whsec_$(head -c 32 /dev/urandom | base64)
export HOOK_PORT_PYTHON HOOK_PORT_NODE HOOK_SECRET
export HOOKED_KEY_PYTHON=client-key-of-webhooks-python HOOKED_KEY_NODE=client-key-of-webhooks-node
start_upstream
start_notebook
start_server requested
export SERVER_URL=$url
start_server always
export SERVER_URL_OFFERING=$url
suites=("$@")
[ ${#suites[@]} -eq 0 ] && suites=(python node codex)
for suite in "${suites[@]}"; do
    run "clients: $suite" "test_$suite"
done
if [ -s "$work/upstream.err" ]; then
    echo "== what the upstream could not read"
    tail -n 60 "$work/upstream.err"
    failed=1
fi
if grep -E '"level":"ERROR"|panicked' "$work/server.err" | grep . ; then
    echo "== the server logged errors"
    failed=1
fi
exit $failed
