#!/usr/bin/env bash
# A client key from its making to its end, by the admin API (docs/keys.md).
#
#   ADMIN_KEY=… examples/keys.sh [URL]
#
# The server needs `[admin] key_env`: OR__ADMIN__KEY_ENV=ADMIN_KEY ADMIN_KEY=a-long-admin-key open-responses
set -euo pipefail

url=${1:-http://127.0.0.1:4000}

admin() {
    local method=$1 path=$2
    shift 2
    curl -sf -X "$method" "$url/admin/v1/keys$path" -H "authorization: Bearer $ADMIN_KEY" \
        -H 'content-type: application/json' "$@"
}
# The status of a request with this key for this model.
ask() {
    curl -s -o /dev/null -w '%{http_code}' "$url/v1/responses" -H "authorization: Bearer $1" \
        -H 'content-type: application/json' -d "{\"model\": \"$2\", \"input\": \"Hello!\"}"
}

name=example-$$
first=$(admin POST "" -d "{\"name\": \"$name\", \"group\": \"examples\", \"models\": [\"demo\"]}" | jq -er .secret)
echo "made: $(ask "$first" demo), another model: $(ask "$first" demo-long)"

second=$(admin POST "/$name/rotate" -d '{"overlap_s": 60}' | jq -er .secret)
echo "rotated: $(ask "$second" demo), the old secret meanwhile: $(ask "$first" demo)"

admin PATCH "/$name" -d '{"models": null, "limits": {"max_concurrent": 5}}' | jq -c '{models, limits}'
echo "changed: $(ask "$second" demo-long)"

admin POST "/$name/revoke" >/dev/null
echo "revoked: $(ask "$second" demo) and $(ask "$first" demo)"
admin DELETE "/$name" | jq -c '{deleted}'
