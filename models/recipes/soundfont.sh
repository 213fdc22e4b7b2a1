#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# usage: soundfont.sh OUT [MINUTES]
# Flute, violin and trumpet of the MuseScore General soundfont (Debian: apt-get install
# musescore-general-soundfont-lossless; MIT licence), playing seeded phrases.
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    sed -n 3p "$0" >&2
    exit 64
fi
out=$1
minutes=${2:-20}
font=${SOUNDFONT:-/usr/share/sounds/sf2/MuseScore_General_Full.sf2}
if [ ! -r "$font" ]; then
    echo "$font: missing; apt-get install musescore-general-soundfont-lossless" >&2
    exit 66
fi

make() {
    "${TIMBRED:-timbred}" dataset "$out/$1" --soundfont "$font" --preset "$2" --name "$1" \
        --minutes "$minutes" --licence MIT --credit 'MuseScore General by S. Christian Collins' \
        --source "MuseScore General, preset $2"
}

mkdir -p "$out"
make flute 73
make violin 40
make trumpet 56
