"""The paper's network in PyTorch, filled with our weights."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from weights import STRIDED, flat_rows, oihw, safetensors


def parameter(values):
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(values)))


def convolution(tensors, name, stride=1):
    weight = oihw(tensors[f"{name}.weight"])
    out, inputs, kernel, _ = weight.shape
    bias = tensors.get(f"{name}.bias")
    conv = nn.Conv2d(inputs, out, kernel, stride=stride, padding=kernel // 2, bias=bias is not None)
    conv.weight = parameter(weight)
    if bias is not None:
        conv.bias = parameter(bias)
    return conv


def dense(weight, bias=None):
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = parameter(weight)
    if bias is not None:
        layer.bias = parameter(bias)
    return layer


class Encoder(nn.Module):
    def __init__(self, tensors, prefix=""):
        super().__init__()
        count = sum(name.startswith(f"{prefix}convs.") and name.endswith(".weight") for name in tensors)
        self.convs = nn.ModuleList(
            convolution(tensors, f"{prefix}convs.{at}", 2 if at in STRIDED else 1) for at in range(count)
        )

    def forward(self, x):
        for conv in self.convs:
            x = F.elu(conv(x))
        return x


class Adapter(nn.Module):
    def __init__(self, tensors, prefix):
        super().__init__()
        self.scale = parameter(tensors[f"{prefix}.scale"])
        self.reduce = convolution(tensors, f"{prefix}.reduce")

    def forward(self, sources):
        return F.elu(self.reduce(torch.cat([s * self.scale[i] for i, s in enumerate(sources)], 1)))


class Lateral(nn.Module):
    def __init__(self, tensors, prefix):
        super().__init__()
        self.adapter = Adapter(tensors, f"{prefix}.adapter")
        self.lateral = convolution(tensors, f"{prefix}.lateral")

    def forward(self, sources):
        return self.lateral(self.adapter(sources))


class Column(nn.Module):
    def __init__(self, sources, tensors):
        super().__init__()
        self.sources = sources
        self.blocks = nn.ModuleList(
            nn.ModuleList(convolution(tensors, f"blocks.{block}.convs.{at}") for at in range(6)) for block in range(4)
        )
        self.laterals = nn.ModuleList(Lateral(tensors, f"laterals.{at}") for at in range(3) if sources)
        self.head_adapter = Adapter(tensors, "head_lateral.adapter") if sources else None
        self.head_lateral = dense(flat_rows(tensors["head_lateral.lateral.weight"])) if sources else None
        self.hidden = dense(flat_rows(tensors["hidden.weight"]), tensors["hidden.bias"])
        self.output = dense(np.ascontiguousarray(tensors["output.weight"].T), tensors["output.bias"])

    def forward(self, x, sources):
        """`sources`: block outputs of each source column."""
        outputs = []
        for depth, block in enumerate(self.blocks):
            first, *rest = block
            x = first(x)
            if depth and sources:
                x = x + self.laterals[depth - 1]([blocks[depth - 1] for blocks in sources])
            x = F.elu(x)
            for conv in rest:
                x = F.elu(conv(x))
            if depth >= 2:
                x = F.max_pool2d(x, 3, 2, 1)
            outputs.append(x)
        hidden = self.hidden(x.flatten(1))
        if sources:
            hidden = hidden + self.head_lateral(self.head_adapter([blocks[3] for blocks in sources]).flatten(1))
        return self.output(F.elu(hidden)), outputs


class Network(nn.Module):
    def __init__(self, encoder, columns):
        super().__init__()
        self.encoder = Encoder(encoder)
        self.columns = nn.ModuleList(Column(*column) for column in columns)

    def forward(self, x):
        features, outputs, logits = self.encoder(x), [], []
        for column in self.columns:
            answer, blocks = column(features, [outputs[at] for at in column.sources])
            outputs.append(blocks)
            logits.append(answer)
        return logits


class Decoder(nn.Module):
    """Table II, as the discriminator's second half and as the generator."""

    def __init__(self, tensors, prefix=""):
        super().__init__()
        self.first = dense(np.ascontiguousarray(tensors[f"{prefix}first.weight"].T), tensors[f"{prefix}first.bias"])
        self.stages = nn.ModuleList()
        while f"{prefix}stages.{len(self.stages)}.convs.0.weight" in tensors:
            stage = f"{prefix}stages.{len(self.stages)}.convs"
            count = sum(name.startswith(f"{stage}.") and name.endswith(".weight") for name in tensors)
            self.stages.append(nn.ModuleList(convolution(tensors, f"{stage}.{at}") for at in range(count)))
        self.last = convolution(tensors, f"{prefix}last")

    def forward(self, z):
        first = self.first(z)
        # Ours counts channels last.
        x = first.reshape(len(z), 8, 8, first.shape[1] // 64).permute(0, 3, 1, 2)
        for stage in self.stages:
            for conv in stage:
                x = F.elu(conv(x))
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.last(x)


class Discriminator(nn.Module):
    def __init__(self, tensors):
        super().__init__()
        self.encoder = Encoder(tensors, "encoder.")
        self.code = dense(flat_rows(tensors["code.weight"], side=16), tensors["code.bias"])
        self.decoder = Decoder(tensors, "decoder.")

    def forward(self, x):
        return self.decoder(self.code(self.encoder(x).flatten(1)))


def began(work):
    """Discriminator and generator."""
    files = (safetensors(Path(work) / f"{name}.safetensors") for name in ("discriminator", "generator"))
    return [net(tensors) for net, tensors in zip((Discriminator, Decoder), files)]


def began_step(discriminator, generator, faces, codes, learning_rate, k):
    """A function that does one step of both and returns the losses of real faces and of made ones."""
    adam = [torch.optim.Adam(net.parameters(), learning_rate, betas=(0.5, 0.999)) for net in (discriminator, generator)]
    for_discriminator, for_generator = list(discriminator.parameters()), list(generator.parameters())

    def step():
        real = (discriminator(faces) - faces).abs().mean()
        made = generator(codes)
        fake = (discriminator(made) - made).abs().mean()
        # As ours: one backward pass of each loss serves both networks, and where k is 0 its term is computed too.
        of_real = torch.autograd.grad(real, for_discriminator)
        of_fake = torch.autograd.grad(fake, for_discriminator + for_generator)
        for parameter, a, b in zip(for_discriminator, of_real, of_fake):
            parameter.grad = a - k * b
        for parameter, gradient in zip(for_generator, of_fake[len(for_discriminator) :]):
            parameter.grad = gradient
        for optimiser in adam:
            optimiser.step()
        return real, fake

    return step
