#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the vectors that test_train_vectors.c compares with: every differentiable processor
computed by PyTorch (Debian's python3-torch) in float64, with the gradients of a random projection.

usage: python3 tests/golden/train/make_vectors.py tests/golden/train/vectors.txt

A case is `case NAME`, then tensors `NAME ROWS COLS` with their values on one line: inputs x0,
x1 ..., weights of the projection w, output y, gradients d0, d1 ... and for the spectral loss s0,
PyTorch's own gradient in float32 of the same inputs.
"""
import math
import sys

import torch

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
CLIPS, FRAMES, HOP, RATE = 2, 4, 16, 16000.0
ROWS, SAMPLES = CLIPS * FRAMES, FRAMES * HOP


def uniform(*shape, low=-1.0, high=1.0):
    return torch.rand(*shape) * (high - low) + low


def upsample(x):
    """[clips, frames, c] -> [clips, samples, c] on straight lines, the last frame holds."""
    following = torch.cat([x[:, 1:], x[:, -1:]], 1)
    w = (torch.arange(HOP) / HOP).view(1, 1, HOP, 1)
    return (x[:, :, None] + (following - x)[:, :, None] * w).reshape(x.shape[0], SAMPLES, -1)


def phase_of(f0):
    return torch.cumsum(upsample(f0.view(CLIPS, FRAMES, 1))[:, :, 0] / RATE, 1)


F0 = uniform(ROWS, low=200.0, high=900.0)
PHASE = phase_of(F0)
NOISE = uniform(CLIPS, SAMPLES)


def gru(x, w_x, w_h, b_x, b_h):
    start = torch.zeros(1, CLIPS, w_h.shape[1])
    weights = (w_x, w_h, b_x.reshape(-1), b_h.reshape(-1))
    y, _ = torch.gru(x.view(CLIPS, FRAMES, -1), start, weights, True, 1, 0.0, True, False, True)
    return y.reshape(ROWS, -1)


def conv(x, v, g, b):
    w = v / v.pow(2).sum(1, keepdim=True).sqrt() * g.view(-1, 1)
    z = torch.nn.functional.pad(x.view(CLIPS, FRAMES, -1).transpose(1, 2), (4, 0))
    y = torch.nn.functional.conv1d(z, w.view(v.shape[0], -1, 3), b[0], dilation=2)
    return y.transpose(1, 2).reshape(ROWS, -1)


def exp_sigmoid(x):
    return 2 * torch.sigmoid(x) ** math.log(10) + 1e-7


def harmonic(a):
    k = torch.arange(1, a.shape[1] + 1)
    waves = torch.sin(2 * math.pi * PHASE[:, :, None] * k)
    return (upsample(a.view(CLIPS, FRAMES, -1)) * waves).sum(2).reshape(-1, 1)


def noise(magnitude):
    taps = 2 * (magnitude.shape[1] - 1)
    h = torch.roll(torch.fft.irfft(magnitude, n=taps), taps // 2, 1)
    h = (h * torch.hann_window(taps, periodic=True)).view(CLIPS, FRAMES, taps)
    x = NOISE.view(CLIPS, FRAMES, HOP)
    rows = []
    for b in range(CLIPS):
        y = torch.zeros(SAMPLES + 2 * taps)
        for t in range(FRAMES):
            part = torch.nn.functional.conv1d(
                torch.nn.functional.pad(x[b, t], (taps - 1, taps - 1)).view(1, 1, -1),
                h[b, t].flip(0).view(1, 1, -1))[0, 0]
            at = t * HOP + taps // 2  # zero-phase: the filter's centre on its own sample
            y = y + torch.nn.functional.pad(part, (at, len(y) - at - len(part)))
        rows.append(y[taps:taps + SAMPLES])
    return torch.stack(rows).reshape(-1, 1)


def fm(level):
    """6>5, 6>3, 5>4, 4>1, 3>1, 2>1; carriers 1 and 2; no feedback, as in the papers"""
    ratio, drives = [1, 1.5, 2, 0.5, 3.01, 7], {5: (4, 2), 4: (3,), 3: (0,), 2: (0,), 1: (0,)}
    lv = upsample(level.view(CLIPS, FRAMES, 6))
    into = [torch.zeros(CLIPS, SAMPLES) for _ in range(6)]
    out = torch.zeros(CLIPS, SAMPLES)
    for o in range(5, -1, -1):
        y = lv[:, :, o] * torch.sin(2 * math.pi * (ratio[o] * PHASE + into[o]))
        for m in drives.get(o, ()):
            into[m] = into[m] + y
        if o < 2:
            out = out + y
    return out.reshape(-1, 1) / 2


def wavetable(attention, table):
    size = table.shape[0]
    x = (PHASE % 1.0) * size
    low = x.long() % size
    f = (x - x.long())[:, :, None]
    value = table[low] * (1 - f) + table[(low + 1) % size] * f
    return (upsample(attention.view(CLIPS, FRAMES, -1)) * value).sum(2).reshape(-1, 1)


def reverb(x, grain, decay, wet):
    t = torch.arange(grain.shape[1]) / RATE
    fall = torch.exp(-torch.nn.functional.softplus(-decay[0]) * 500 * t)
    h = grain[0] * fall * torch.sigmoid(wet[0])
    h = torch.cat([torch.ones(1), h[1:]])
    n = SAMPLES + len(h)
    y = torch.fft.irfft(torch.fft.rfft(x.view(CLIPS, SAMPLES), n) * torch.fft.rfft(h, n), n)
    return y[:, :SAMPLES].reshape(-1, 1)


TARGET = uniform(1, 1500)


def spectral(x):
    total = torch.zeros((), dtype=x.dtype)
    for n in (2048, 1024, 512, 256, 128, 64):
        def magnitude(s):
            z = torch.stft(s, n, n // 4, window=torch.hann_window(n).to(x.dtype), center=True,
                           pad_mode="reflect", return_complex=True)
            return z.abs() / math.sqrt(n)
        a, b = magnitude(x.view(1, -1)), magnitude(TARGET.to(x.dtype))
        logs = (torch.log(b + 1e-7) - torch.log(a + 1e-7)).abs().mean()
        total = total + (a - b).abs().mean() + logs
    return total.view(1, 1)


CASES = {
    "linear": (lambda x, w, b: x @ w.T + b, (uniform(ROWS, 4), uniform(3, 4), uniform(1, 3))),
    "layer_norm": (lambda x, g, b: torch.nn.functional.layer_norm(x, (6,), g[0], b[0], 1e-5),
                   (uniform(ROWS, 6), uniform(1, 6), uniform(1, 6))),
    "leaky_relu": (lambda x: torch.nn.functional.leaky_relu(x, 0.01), (uniform(ROWS, 5),)),
    "sigmoid": (torch.sigmoid, (uniform(ROWS, 3, low=-4, high=4),)),
    "tanh": (torch.tanh, (uniform(ROWS, 3, low=-3, high=3),)),
    "exp_sigmoid": (exp_sigmoid, (uniform(ROWS, 3, low=-6, high=6),)),
    "gru": (gru, (uniform(ROWS, 3), uniform(12, 3), uniform(12, 4), uniform(1, 12),
                  uniform(1, 12))),
    "conv": (conv, (uniform(ROWS, 3), uniform(4, 9), uniform(1, 4, low=0.5), uniform(1, 4))),
    "harmonic": (harmonic, (uniform(ROWS, 7, low=0),)),
    "noise": (noise, (uniform(ROWS, 9, low=0),)),
    "fm": (fm, (uniform(ROWS, 6, low=0),)),
    "wavetable": (wavetable, (uniform(ROWS, 3, low=0), uniform(32, 3))),
    "reverb": (reverb, (uniform(CLIPS * SAMPLES, 1), uniform(1, 40), uniform(1, 1), uniform(1, 1))),
    "spectral": (spectral, (uniform(1500, 1),)),
}


def write(out, name, x):
    values = " ".join(f"{v:.15g}" for v in x.detach().reshape(-1).tolist())
    out.write(f"{name} {x.shape[0]} {x.shape[1]}\n{values}\n")


def in_single(x, w):
    """The gradient as PyTorch has it in float32."""
    x = x.detach().float().requires_grad_(True)
    (spectral(x) * w.float()).sum().backward()
    return x.grad.double()


def main():
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("case common\n")
        write(out, "f0", F0.view(-1, 1))
        write(out, "noise", NOISE.view(-1, 1))
        write(out, "target", TARGET.view(-1, 1))
        for name, (function, inputs) in CASES.items():
            for x in inputs:
                x.requires_grad_(True)
            y = function(*inputs)
            w = uniform(*y.shape)
            (y * w).sum().backward()
            out.write(f"case {name}\n")
            for i, x in enumerate(inputs):
                write(out, f"x{i}", x)
            write(out, "w", w)
            write(out, "y", y)
            for i, x in enumerate(inputs):
                write(out, f"d{i}", x.grad)
            if name == "spectral":
                write(out, "s0", in_single(inputs[0], w))


main()
