#!/bin/sh
# Runs the connector, or the command that follows the name of the image, such as `check`.
exec python3 main.py "$@"
