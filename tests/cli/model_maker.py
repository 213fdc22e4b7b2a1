# SPDX-License-Identifier: GPL-3.0-or-later
"""Small model files with random weights, for tests of commands."""
import json
import random
import struct


def tensors_of(width, n_harmonics, n_bands, layers):
    """Names and shapes of an HpN decoder (models/FORMAT.md)."""
    def linear(prefix, out, into):
        return {f"{prefix}.weight": [out, into], f"{prefix}.bias": [out]}

    def mlp(prefix, into):
        made = {}
        for i in range(layers):
            made |= linear(f"{prefix}.{3 * i}", width, width if i else into)
            made |= {f"{prefix}.{3 * i + 1}.{k}": [width] for k in ("weight", "bias")}
        return made

    return (mlp("in_mlps.0", 1) | mlp("in_mlps.1", 1)
            | {"gru.weight_ih_l0": [3 * width, 2 * width], "gru.weight_hh_l0": [3 * width, width],
               "gru.bias_ih_l0": [3 * width], "gru.bias_hh_l0": [3 * width]}
            | mlp("out_mlp", width + 2) | linear("proj_matrices.0", 1 + n_harmonics, width)
            | linear("proj_matrices.1", n_bands, width))


def write_model(path, width=16, seed=1, layers=3, **metadata):
    """A whole model of family hpn; metadata replaces or adds keys."""
    dice = random.Random(seed)
    header, values, at = {"__metadata__": {
        "family": "hpn", "name": "Test", "sample_rate": "16000", "hop": "64", "width": str(width),
        "n_harmonics": "20", "n_bands": "17", "loudness_kind": "magenta_v2",
        "loudness_n_fft": "512", "loudness_reference_db": "20",
        "analysis": "causal 1, ahead 4", "pitch_low_hz": "200",
        "pitch_high_hz": "800", "loudness_low_db": "-60", "loudness_high_db": "-10",
        "in_layers": str(layers), "out_layers": str(layers)} | metadata}, [], 0
    for name, shape in tensors_of(width, 20, 17, layers).items():
        n, bound = 1, (shape[-1] if len(shape) > 1 else width) ** -0.5
        for size in shape:
            n *= size
        values += [dice.uniform(-bound, bound) for _ in range(n)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * n]}
        at += 4 * n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + struct.pack(f"<{len(values)}f", *values))
    return path
