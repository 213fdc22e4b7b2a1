#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of tests/train/bench_step.c in PyTorch, as the published systems write it.

usage: torch_step.py THREADS; each line of standard input names a preset, of which one step is
taken (forward, multi-scale spectral loss, backward, clipping, AdamW); the answer is a line of JSON.
"""
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

CLIPS, FRAMES, HOP, RATE = 16, 1000, 64, 16000
SAMPLES, REVERB = FRAMES * HOP, 16000
RATIOS = (1, 1, 1, 2, 2, 1.5)  # DX7 algorithm 16: 6>5, 4>3 and 2, all into 1
DRIVES = {5: 4, 4: 0, 3: 2, 2: 0, 1: 0}


def upsample(x):
    """[clips, frames, c] -> [clips, samples, c] on straight lines"""
    return F.interpolate(x.transpose(1, 2), scale_factor=HOP, mode="linear").transpose(1, 2)


def exp_sigmoid(x):
    return 2 * torch.sigmoid(x) ** math.log(10) + 1e-7


class Reverb(nn.Module):
    def __init__(self):
        super().__init__()
        self.noise = nn.Parameter(torch.rand(REVERB) * 2 - 1)
        self.decay = nn.Parameter(torch.tensor(5.0))
        self.wet = nn.Parameter(torch.tensor(0.0))
        self.register_buffer("t", torch.arange(REVERB) / RATE)

    def forward(self, x):
        h = self.noise * torch.exp(-F.softplus(-self.decay) * 500 * self.t)
        h = torch.cat([torch.ones(1), (h * torch.sigmoid(self.wet))[1:]])
        n = SAMPLES + REVERB
        return torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(h, n), n)[:, :SAMPLES]


def mlp(inputs, width):
    layers = []
    for i in range(3):
        layers += [nn.Linear(inputs if i == 0 else width, width), nn.LayerNorm(width),
                   nn.LeakyReLU(0.01)]
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    def __init__(self, width, first, bands=65):
        super().__init__()
        self.pitch, self.loudness = mlp(1, width), mlp(1, width)
        self.gru = nn.GRU(2 * width, width, batch_first=True)
        self.out = mlp(width + 2, width)
        self.shares, self.bands = nn.Linear(width, 1 + first), nn.Linear(width, bands)
        self.register_buffer("window", torch.hann_window(2 * (bands - 1)))
        self.reverb = Reverb()

    def controls(self, batch):
        h = torch.cat([self.pitch(batch["pitch"]), self.loudness(batch["loudness"])], -1)
        h = torch.cat([self.gru(h)[0], batch["pitch"], batch["loudness"]], -1)
        h = self.out(h)
        first = exp_sigmoid(self.shares(h))
        return first[..., :1], first[..., 1:], exp_sigmoid(self.bands(h))

    def noise(self, magnitude, noise):
        taps = len(self.window)
        h = torch.roll(torch.fft.irfft(magnitude, n=taps), taps // 2, -1) * self.window
        n = HOP + taps
        y = torch.fft.rfft(noise.view(CLIPS, FRAMES, HOP), n) * torch.fft.rfft(h, n)
        y = torch.fft.irfft(y, n).transpose(1, 2)
        y = F.fold(y, (1, (FRAMES - 1) * HOP + n), (1, n), stride=(1, HOP))
        return y.view(CLIPS, -1)[:, taps // 2:taps // 2 + SAMPLES]


class Hpn(Decoder):
    def __init__(self, width):
        super().__init__(width, 100)
        self.register_buffer("k", torch.arange(1, 101).float())

    def forward(self, batch):
        amplitude, shares, bands = self.controls(batch)
        shares = shares * (batch["f0"] * self.k < RATE / 2).float()
        shares = shares / (shares.sum(-1, keepdim=True) + 1e-8)
        omega = torch.cumsum(2 * math.pi * upsample(batch["f0"]) / RATE, 1)
        tone = (torch.sin(omega * self.k) * upsample(shares * amplitude)).sum(-1)
        return self.reverb(tone + self.noise(bands, batch["noise"]))


class Wavetable(Decoder):
    def __init__(self, width):
        super().__init__(width, 20)
        self.tables = nn.Parameter(0.01 * torch.randn(20, 512))

    def forward(self, batch):
        amplitude, attention, bands = self.controls(batch)
        attention = upsample(attention / (attention.sum(-1, keepdim=True) + 1e-8))
        index = torch.cumsum(512 * upsample(batch["f0"])[..., 0] / RATE, 1) % 512
        low = torch.floor(index)
        part = index - low
        low = low.long() % 512
        tables, tone = torch.tanh(self.tables), 0
        for i in range(20):
            wave = tables[i][low] * (1 - part) + tables[i][(low + 1) % 512] * part
            tone = tone + wave * attention[..., i]
        tone = tone * upsample(amplitude)[..., 0]
        return self.reverb(tone + self.noise(bands, batch["noise"]))


class Block(nn.Module):
    def __init__(self, size, dilation, last):
        super().__init__()
        inputs, width, outputs = size
        self.pad, self.last = 2 * dilation, last
        norm = nn.utils.weight_norm
        self.first = norm(nn.Conv1d(inputs, width, 3, dilation=dilation))
        self.second = norm(nn.Conv1d(width, outputs, 3, dilation=dilation))
        self.past = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        y = F.dropout(F.relu(self.first(F.pad(x, (self.pad, 0)))), 0.5)
        y = self.second(F.pad(y, (self.pad, 0)))
        y = y if self.last else F.dropout(F.relu(y), 0.5)
        return y + self.past(x)


class Ddx7(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.blocks = nn.Sequential(*(
            Block((2 if b == 0 else width, width, 6 if b == blocks - 1 else width), 2 ** b,
                  b == blocks - 1) for b in range(blocks)))
        self.reverb = Reverb()

    def forward(self, batch):
        x = torch.cat([batch["pitch"], batch["loudness"]], -1).transpose(1, 2)
        level = upsample(2 * torch.sigmoid(self.blocks(x)).transpose(1, 2))
        omega = torch.cumsum(2 * math.pi * upsample(batch["f0"])[..., 0] / RATE, 1)
        received = [0] * 6
        for o in range(5, -1, -1):
            y = level[..., o] * torch.sin(RATIOS[o] * omega + 2 * math.pi * received[o])
            if o:
                received[DRIVES[o]] = received[DRIVES[o]] + y
        return self.reverb(y / 2)


def spectral_loss(x, target):
    total = 0
    for n in (2048, 1024, 512, 256, 128, 64):
        window = torch.hann_window(n)
        a, b = (torch.stft(s, n, n // 4, window=window, center=True, pad_mode="reflect",
                           normalized=True, return_complex=True).abs() for s in (x, target))
        total = total + (a - b).abs().mean()
        total = total + (torch.log(a + 1e-7) - torch.log(b + 1e-7)).abs().mean()
    return total


PRESETS = {
    "hpn-reduced": lambda: Hpn(16), "hpn-full": lambda: Hpn(512),
    "wavetable-reduced": lambda: Wavetable(16), "wavetable-full": lambda: Wavetable(512),
    "ddx7-reduced": lambda: Ddx7(64, 3), "ddx7-full": lambda: Ddx7(128, 5),
}


def make_batch():
    f0 = 220 + 5 * torch.sin(torch.arange(CLIPS * FRAMES) * 0.02).view(CLIPS, FRAMES, 1)
    f0 = f0 + 10 * torch.arange(CLIPS).view(-1, 1, 1)
    noise = torch.rand(CLIPS, SAMPLES) * 2 - 1
    tone = 0.3 * torch.sin(torch.arange(CLIPS * SAMPLES) * 0.0864).view(CLIPS, SAMPLES)
    loudness = 0.5 + 0.2 * torch.sin(torch.arange(CLIPS * FRAMES) * 0.01)
    return {"f0": f0, "pitch": (69 + 12 * torch.log2(f0 / 440)) / 127, "noise": noise,
            "loudness": loudness.view(CLIPS, FRAMES, 1), "audio": tone + 0.01 * noise}


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(1)
    batch, name, model, adam = make_batch(), None, None, None
    for line in sys.stdin:
        if line.strip() != name:
            name = line.strip()
            model = PRESETS[name]()
            adam = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
        began = time.perf_counter()
        adam.zero_grad(set_to_none=True)
        loss = spectral_loss(model(batch), batch["audio"])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 3)
        adam.step()
        print(json.dumps({"seconds": time.perf_counter() - began, "loss": loss.item(),
                          "values": sum(p.numel() for p in model.parameters())}), flush=True)


main()
