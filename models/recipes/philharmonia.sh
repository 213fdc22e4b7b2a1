#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# usage: philharmonia.sh RECORDINGS OUT
# Flute, violin and trumpet from the Philharmonia Orchestra's samples. RECORDINGS has the folders
# flute, violin and trumpet with files as they are published (flute_A4_1_forte_normal.mp3). Their
# terms allow any use but passing the recordings on; mirrors state CC BY-SA 3.0 as well, so models
# of them carry the credit and that licence.
set -eu
if [ $# -ne 2 ]; then
    sed -n 3p "$0" >&2
    exit 64
fi
timbred=${TIMBRED:-timbred}
credit='Philharmonia Orchestra sound samples'

make() {
    name=$1
    shift
    "$timbred" dataset "$recordings/$name" "$out/$name" --name "$name" --licence CC-BY-SA-3.0 \
        --credit "$credit" --source "Philharmonia $name" "$@"
}

recordings=$1
out=$2
mkdir -p "$out"
make flute --exclude '*flutter*' --exclude '*tremolo*'
make trumpet --exclude '*flutter*' --exclude '*tremolo*'
# bowed, without mute and harmonics
make violin --only '*arco-normal*' --only '*arco-legato*' --only '*non-vibrato*' \
    --only '*molto-vibrato*' --only '*detache*' --only '*tenuto*' --only '*au-talon*' \
    --only '*punta*' --only '*staccato*' --only '*martele*' --only '*arco-glissando*' \
    --only '*arco-major-trill*'
