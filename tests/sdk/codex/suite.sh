# shellcheck shell=bash
# OpenAI's Codex against the server, with the scripted upstream on all five wires; sourced by run.sh.
#
# With `gpt-5` it sends its tools; with `gpt-6-astra` they stand in an item of the input, and its shell is a custom tool
# inside a namespace. Either way it has to run a command, give the result back and say what the model makes of it.

codex_kinds=(openai-responses openai-chat anthropic gemini ollama)

# Starts a server that asks a provider of this kind for Codex' models; its address is in $url.
start_codex_server() {
    local dir=$work/codex-$1 path=v1
    [ "$1" = gemini ] && path=v1beta
    [ "$1" = ollama ] && path=
    mkdir "$dir"
    {
        printf '[server]\nbind = "127.0.0.1:0"\nlog_format = "json"\n'
        provider "$1" "$upstream/$1${path:+/$path}"
        printf '[[routes]]\npattern = "^gpt-"\nprovider = "%s"\n' "$1"
    } >"$dir/config.toml"
    (cd "$dir" && exec "$OPEN_RESPONSES_BIN" >"$dir/out" 2>>"$work/server.err") &
    pids+=($!)
    url=$(await "$dir/out" 'http://127\.0\.0\.1:[0-9]+' "$work/server.err")
}

# Runs Codex in a folder of its own with a prompt that the scripted model takes for its call: `codex_says DIR MODEL PROMPT`.
codex_says() {
    mkdir -p "$1/settings" "$1/work"
    {
        printf 'model = "%s"\nmodel_provider = "here"\napproval_policy = "never"\n' "$2"
        printf 'sandbox_mode = "danger-full-access"\n[model_providers.here]\nname = "here"\nbase_url = "%s/v1"\n' "$url"
        printf 'wire_api = "responses"\nrequest_max_retries = 0\nstream_max_retries = 0\n'
    } >"$1/settings/config.toml"
    (cd "$1/work" && CODEX_HOME=$1/settings timeout 120 "$codex" exec --skip-git-repo-check "$3" </dev/null 2>"$1/err")
}

test_codex() {
    install_npm codex
    local codex=$packages/node_modules/.bin/codex
    local kind model prompt said made failed=0 passed=0
    for kind in "${codex_kinds[@]}"; do
        start_codex_server "$kind"
        for model in gpt-5 gpt-6-astra; do
            case $model in
                gpt-5) prompt='command expr 40 + 2' ;;
                *) prompt='const run = await tools.exec_command({cmd: "expr 40 + 2"}); text(run.output); // exec' ;;
            esac
            said=$(codex_says "$work/codex-$kind/$model" "$model" "$prompt") || true
            made=${said#*The tool answered}
            if [ "$made" != "$said" ] && grep -qw 42 <<<"$made"; then
                passed=$((passed + 1))
            else
                echo "Codex with $model on $kind said: $said"
                tail -n 20 "$work/codex-$kind/$model/err"
                failed=1
            fi
        done
    done
    echo "$passed of $((2 * ${#codex_kinds[@]})) turns of Codex with its shell"
    return $failed
}
