#!/bin/sh
# rolling.sh NAME...   restarts containers one by one; stops at the first that does not become healthy
set -eu
for name in "$@"; do
    echo "restarting $name"
    docker compose up -d --no-deps --wait "$name"
    sleep 2
done
