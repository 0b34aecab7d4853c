#!/usr/bin/env bash
# Runs every example against the demo provider and checks what comes out.
#
#   examples/run.sh
#
# OPEN_RESPONSES_BIN    the server; default: built here (debug profile)
# OPEN_RESPONSES_CACHE  where the Python SDK is installed (tests/sdk/run.sh); default: target/sdk
# CHROMIUM              the browser; default: chromium. Without one, browser.html is left out, except under CI=true
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/.." && pwd)
target=${CARGO_TARGET_DIR:-$repo/target}
# shellcheck source=/dev/null
source "$repo/tests/processes.sh"

passed=0 failed=0
# Runs a command; every further argument up to `--` must be in its output.
check() {
    local name=$1 wanted=() missing=()
    shift
    while [ "$1" != -- ]; do wanted+=("$1"); shift; done
    shift
    echo "== $name"
    if ! "$@" >"$work/out" 2>"$work/err"; then missing+=("exit 0"); fi
    for text in "${wanted[@]}"; do
        grep -qF -- "$text" "$work/out" || missing+=("$text")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAILED; missing: %s\n' "${missing[@]}"
    head -n 40 "$work/out" "$work/err"
}

browser() {
    timeout 120 "$chromium" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --user-data-dir="$work/chromium" --virtual-time-budget=20000 \
        --dump-dom "$page/browser.html?server=$url&ask=Hello+browser"
}

(cd "$repo" && cargo build --locked --bin open-responses --example custom_provider --example embedding --example rust_tool \
    --example middleware)
server=${OPEN_RESPONSES_BIN:-$target/debug/open-responses}

python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$here" >"$work/pages.out" 2>&1 &
pids+=($!)
page=http://127.0.0.1:$(await "$work/pages.out" 'port [0-9]+' | cut -d' ' -f2)
cd "$work"
# Also beside providers that have a key in the environment.
export OR__PROVIDERS__DEMO__ENABLED=true
OR__SERVER__CORS_ALLOWED_ORIGINS=$page "$server" --bind 127.0.0.1:0 --data "$work/server-data" >"$work/server.out" 2>"$work/server.err" &
pids+=($!)
url=$(await "$work/server.out" 'http://127\.0\.0\.1:[0-9]+' "$work/server.err")

check curl.sh 'You said: "Hello!"' 'response.completed' 'began with: "My name is Ada."' '"{\"city\":\"Oslo\"}"' \
    '18 degrees and sunny' '"age":36' '"status":"completed"' '"param":"temperature"' -- "$here/curl.sh" "$url"

# shellcheck source=/dev/null
source "$repo/tests/sdk/install.sh"
install_python
check python_sdk.py 'You said: "Hello!"' "Person(name='Ada', age=36)" 'get_weather({"city":"Oslo"})' '18 degrees and sunny' \
    'that came back: 1' 'model_not_found at model' -- "$python/bin/python" "$here/python_sdk.py" "$url"

check background.py '(left after event' 'in_progress' 'a long story' '(response.completed is event' 'queued, then cancelled' \
    -- "$python/bin/python" "$here/background.py" "$url"

export APP_WEBHOOK_SECRET
APP_WEBHOOK_SECRET=whsec_$(head -c 32 /dev/urandom | base64)
# Each of the two has to know the other's address at its start.
reserve() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
told_server=127.0.0.1:$(reserve)
"$python/bin/python" -u "$here/webhook_receiver.py" 0 "http://$told_server" >"$work/receiver.out" 2>&1 &
pids+=($!)
receiver=$(await "$work/receiver.out" 'http://127\.0\.0\.1:[0-9]+/')
OR__WEBHOOKS__APP__URL=$receiver "$server" --config "$here/webhook.toml" --bind "$told_server" --data "$work/told-data" \
    >"$work/told.out" 2>"$work/told.err" &
pids+=($!)
await "$work/told.out" 'http://127\.0\.0\.1:[0-9]+' "$work/told.err" >/dev/null
told() {
    curl -sf "http://$told_server/v1/responses" -H 'content-type: application/json' \
        -d '{"model": "demo-slow", "input": "Hello!", "background": true}' >/dev/null
    await "$work/receiver.out" 'response.completed: .*'
}
check webhook_receiver.py 'response.completed: You said: "Hello!"' -- told

check node_stream.mjs 'You said: "Tell me a story."' ' tokens)' 'began with: "Tell me a story."' -- node "$here/node_stream.mjs" "$url"

check embedding.rs 'began with: "My name is Ada."' -- "$target/debug/examples/embedding"
"$target/debug/examples/custom_provider" 127.0.0.1:0 >"$work/custom.out" 2>&1 &
pids+=($!)
custom=$(await "$work/custom.out" 'http://127\.0\.0\.1:[0-9]+')
check custom_provider.rs 'HELLO THERE' 'openresponses-translation: temperature;dropped' -- curl -si "$custom/v1/responses" \
    -H 'content-type: application/json' -d '{"model": "shout/loud", "input": "Hello there", "temperature": 0.5}'

check rust_tool.rs '"type":"function_call"' '"type":"function_call_output"' 'get_price answered: ' '\"price\":25' -- \
    "$target/debug/examples/rust_tool"

check middleware.rs 'the project' 'tokens: ' -- "$target/debug/examples/middleware"

# Starts a server with an example's configuration, where `examples` is, and asks it; prints the answer.
tool_server=
serve_tool() {
    (cd "$repo" && exec "$server" --config "$2" --bind 127.0.0.1:0 --data "$work/$1-data") >"$work/$1.out" 2>"$work/$1.err" &
    pids+=($!)
    tool_server=$(await "$work/$1.out" 'http://127\.0\.0\.1:[0-9]+')
}
python3 "$here/http_tool.py" 0 >"$work/http_tool.out" 2>&1 &
pids+=($!)
endpoint=$(await "$work/http_tool.out" 'http://127\.0\.0\.1:[0-9]+/')
OR__TOOLS__GET_WEATHER__URL=$endpoint serve_tool http "$here/http_tool.toml"
check http_tool.py '"type":"function_call_output"' 'get_weather answered: ' '18 degrees and sunny' -- curl -s "$tool_server/v1/responses" \
    -H 'content-type: application/json' \
    -d '{"model": "demo", "input": "What is the weather in Oslo?", "tools": [{"type": "function", "name": "get_weather"}]}'
serve_tool command "$here/command_tool.toml"
check command_tool.py '"type":"function_call_output"' 'count_words answered: ' '\"words\": 6' -- curl -s "$tool_server/v1/responses" \
    -H 'content-type: application/json' -d '{"model": "demo", "input": "Count the words of this text."}'

export ADMIN_KEY=a-long-key-of-the-admin
OR__ADMIN__KEY_ENV=ADMIN_KEY "$server" --bind 127.0.0.1:0 --data "$work/keys-data" >"$work/keys.out" 2>"$work/keys.err" &
pids+=($!)
keyed=$(await "$work/keys.out" 'http://127\.0\.0\.1:[0-9]+' "$work/keys.err")
check keys.sh 'made: 200, another model: 403' 'rotated: 200, the old secret meanwhile: 200' '{"models":["*"],"limits":{"max_concurrent":5}}' \
    'changed: 200' 'revoked: 401 and 401' '{"deleted":true}' -- "$here/keys.sh" "$keyed"

notes() {
    curl -sf "$tool_server/v1/responses" -H 'content-type: application/json' \
        -d "{\"model\": \"demo\", \"tools\": [{\"type\": \"mcp\", \"server_label\": \"notes\"}], $1}"
}
# Writes a note: the response ends with a request for approval, and the next one brings the answer.
approved_note() {
    local first asked
    first=$(notes '"input": "Write down: buy milk"')
    asked=$(jq -er '.output[-1] | select(.type == "mcp_approval_request").id' <<<"$first")
    notes "\"previous_response_id\": $(jq .id <<<"$first"), \"input\": [
        {\"type\": \"mcp_approval_response\", \"approval_request_id\": \"$asked\", \"approve\": true}]"
}
serve_tool mcp "$here/mcp.toml"
check mcp_server.py '"type":"mcp_list_tools"' '"name":"write_note"' '"type":"mcp_call"' '"output":"water the plants"' -- \
    notes '"input": "Read me the list"'
check 'mcp_server.py: an approval' '"type":"mcp_call"' '"approval_request_id":"mcpr_' '"output":"note 2 is written: ' -- approved_note

serve_tool resilience "$here/resilience.toml"
check resilience.toml 'openresponses-provider: spare' 'openresponses-attempts: 4' 'You said: \"Hello!\"' -- \
    curl -si "$tool_server/v1/responses" -H 'content-type: application/json' -d '{"model": "smart", "input": "Hello!"}'

chromium=${CHROMIUM:-$(command -v chromium || true)}
if [ -n "$chromium" ]; then
    check browser.html 'You said: "Hello browser"' -- browser
elif [ "${CI:-}" = true ]; then
    echo "== browser.html"
    echo "FAILED: there is no chromium"
    failed=$((failed + 1))
else
    echo "== browser.html: left out, there is no chromium"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
