#!/usr/bin/env bash
# The API with nothing but curl (and jq to read answers), on a server that runs already:
#
#   cargo run --release &
#   examples/curl.sh [http://127.0.0.1:4000]
#
# The model is `demo`, which needs no key; MODEL=claude-… uses another one. A server with client keys wants one in
# OPEN_RESPONSES_KEY.
set -euo pipefail

url=${1:-http://127.0.0.1:4000}/v1/responses
model=${MODEL:-demo}
post() {
    curl --silent --show-error --no-buffer "$url" \
        -H "authorization: Bearer ${OPEN_RESPONSES_KEY:-none}" -H 'content-type: application/json' "$@"
}

echo '# One answer'
post -d '{"model":"'"$model"'","input":"Hello!"}' | jq --raw-output '.output[].content[].text'

echo '# The same as a stream of events'
post -d '{"model":"'"$model"'","input":"Hello!","stream":true}' | sed -n 's/^event: //p' | uniq -c

echo '# A conversation that the server remembers'
first=$(post -d '{"model":"'"$model"'","input":"My name is Ada."}' | jq --raw-output .id)
post -d '{"model":"'"$model"'","input":"What is my name?","previous_response_id":"'"$first"'"}' |
    jq --raw-output '.output[].content[].text'

echo '# A tool: the model calls, you answer'
tools='[{"type":"function","name":"get_weather","description":"Weather in a city",
    "parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]'
asked=$(post -d '{"model":"'"$model"'","input":"What is the weather in Oslo?","tools":'"$tools"'}')
jq --compact-output '.output[] | select(.type == "function_call") | {name, arguments, call_id}' <<<"$asked"
jq --compact-output --argjson tools "$tools" '{
    model, tools: $tools, previous_response_id: .id,
    input: [.output[] | select(.type == "function_call")
        | {type: "function_call_output", call_id, output: "18 degrees and sunny"}]
}' <<<"$asked" | post -d @- | jq --raw-output '.output[].content[].text'

echo '# An answer in the form of a schema'
post -d '{"model":"'"$model"'","input":"This is Ada, 36 years old.","text":{"format":{"type":"json_schema","name":"person",
    "schema":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},
    "required":["name","age"],"additionalProperties":false},"strict":true}}}' | jq --raw-output '.output[].content[].text'

echo '# What was stored'
curl --silent --show-error "$url/$first" -H "authorization: Bearer ${OPEN_RESPONSES_KEY:-none}" |
    jq --compact-output '{id, status, usage: .usage.total_tokens}'

echo '# An error says what is wrong, and where'
post -d '{"model":"'"$model"'","input":"Hello!","temperature":5}' | jq --compact-output .error
