# For the runners to source: a folder that is gone at the end, and programs that end with the runner.
# shellcheck shell=bash

work=$(mktemp -d)
# Whoever starts a program in the background adds its id.
pids=()

stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap stop EXIT

# Waits up to 30 s for a file with a pattern in it, and prints what the pattern matched. The other files are shown if it
# does not come: `await FILE PATTERN [FILE]...`
await() {
    for _ in $(seq 300); do
        if grep -oE "$2" "$1" 2>/dev/null | head -n 1 | grep .; then return; fi
        sleep 0.1
    done
    echo "error: no '$2' in $1:" >&2
    cat "$1" "${@:3}" >&2 || true
    return 1
}
