#!/bin/sh
# Writes the secrets of docker-compose.yml, random ones, into a folder (.secrets at the top); what is there is kept.
# Only the owner may enter the folder; the files are readable by the users of the containers, which are others.
set -eu
cd "${1:-$(dirname "$0")/../..}"
umask 077
mkdir -p .secrets
umask 022

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

if [ -e .secrets/consumer.yml ]; then
    echo "kept: .secrets"
    exit
fi
key=$(random) token=$(random) page=$(random)
printf 'dashboard: {token: %s, score_key: %s, metrics_token: %s}\n' "$page" "$key" "$token" >.secrets/dashboard.yml
printf '%s' "$token" >.secrets/metrics-token
random >.secrets/grafana-password
printf 'http://localhost:8000/?token=%s\n' "$page" >.secrets/page
printf 'http: {api_key: %s}\nmetrics: {token: %s}\n' "$key" "$token" >.secrets/consumer.yml
echo "written: .secrets; .secrets/page has the address of the page"
