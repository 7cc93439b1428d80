#!/bin/sh
# Takes secrets from files, as Docker and Kubernetes mount them, and becomes the command.
set -eu

# Gives the variable $1 what the file holds that the variable $1_FILE names, if it names one.
from_file() {
    file=$(printenv "$1_FILE") || return 0
    unset "$1_FILE"
    [ -n "$file" ] || return 0
    if ! value=$(cat -- "$file" 2>/dev/null); then
        echo "$1_FILE: $file cannot be read by user $(id -u)." >&2
        exit 2
    fi
    export "$1=$value"
}

from_file OPENCTI_TOKEN
from_file RISKIQ_USERNAME
from_file RISKIQ_API_KEY

exec "$@"
