#!/bin/sh
# Fetches the files that IXP Manager generates for some handles, and has the speaker use them.
#
#   IXP_MANAGER_API  address of its API: https://ixp.example.com/admin/api/v4, before version 7 /api/v4
#   API_KEY_FILE     file with a key for it
#   TSBGP            the program, tsbgp unless given
#
# The file of handle rs1-ipv4 is ixp-manager-ipv4.yaml beside the configuration: what stands behind the last dash.
# Exit: 0 all is in force, 1 something is wrong, and the files are as before.
set -eu
# Passwords of sessions are in the files.
umask 077

[ $# -ge 2 ] || { echo "usage: $0 CONFIG HANDLE..." >&2; exit 1; }
config=$1
shift
tsbgp=${TSBGP:-tsbgp}
api=$IXP_MANAGER_API/router
folder=$(dirname "$config")
locked=
placed=

ask() {
    # The key stands in no list of processes.
    printf 'header = "X-IXP-Manager-API-Key: %s"\n' "$(cat "$API_KEY_FILE")" |
        curl --config - --fail --silent --show-error "$@"
}

file_of() { echo "$folder/ixp-manager-${1##*-}.yaml"; }

back() {
    status=$?
    trap - EXIT
    for handle in $locked; do
        file=$(file_of "$handle")
        if [ -e "$file.old" ]; then mv "$file.old" "$file"
        # There was none before, and the new one stands in its place already.
        elif [ -n "$placed" ] && [ ! -e "$file.new" ]; then rm -f "$file"; fi
        rm -f "$file.new"
        ask -X POST "$api/release-update-lock/$handle" >/dev/null || true
    done
    exit "$status"
}
trap back EXIT

for handle in "$@"; do
    file=$(file_of "$handle")
    ask -X POST "$api/get-update-lock/$handle" >/dev/null
    locked="$locked $handle"
    ask -o "$file.new" "$api/gen-config/$handle"
    # A text that was cut off may be right YAML.
    grep -q "^## END_OF_CONFIG_MARKER_FOR_$handle\$" "$file.new"
done
placed=yes
for handle in "$@"; do
    file=$(file_of "$handle")
    if [ -e "$file" ]; then cp -p "$file" "$file.old"; fi
    mv "$file.new" "$file"
done
"$tsbgp" check -c "$config"
# The side of a pair that follows has what is in force from the active one.
if ! "$tsbgp" show nsr --json 2>/dev/null | grep -q '"role": *"standby"'; then "$tsbgp" reload; fi
locked=
for handle in "$@"; do
    rm -f "$(file_of "$handle").old"
    ask -X POST "$api/updated/$handle" >/dev/null
done
