#!/bin/sh
# secrets.sh [FOLDER]: writes random secrets for docker-compose.yml, into .secrets at the top unless a folder is
# named; what is there is kept. Only the owner may enter the folder; the files are readable by others, since the
# users of the containers are others.
set -eu
folder=${1:-$(dirname "$0")/../../.secrets}
if [ -e "$folder/page" ]; then
    echo "kept: $folder"
    exit
fi
umask 077
mkdir -p "$folder"
umask 022

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

key=$(random) token=$(random) page=$(random)
printf 'http: {api_key: %s}\nmetrics: {token: %s}\n' "$key" "$token" >"$folder/consumer.yml"
printf 'dashboard: {token: %s, score_key: %s, metrics_token: %s}\n' "$page" "$key" "$token" >"$folder/dashboard.yml"
printf '%s' "$token" >"$folder/metrics-token"
random >"$folder/grafana-password"
printf 'http://localhost:8000/?token=%s\n' "$page" >"$folder/page"
echo "written: $folder; the file page in it has the address of the page"
