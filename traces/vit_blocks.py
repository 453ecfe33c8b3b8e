"""A plain vision transformer in torch with random weights, cut into embedding, blocks and head.

Written for timing: the arithmetic and the shapes are those of ViT (Dosovitskiy et al., ICLR 2021), the weights are not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Embedding(nn.Module):
    """Patch projection, class token and learned positions."""

    def __init__(self, width: int, patch_px: int, image_px: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, width, kernel_size=patch_px, stride=patch_px)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, (image_px // patch_px) ** 2 + 1, width))

    def forward(self, images: Tensor) -> Tensor:
        """Return the tokens of a batch of images, (N, T, width)."""
        patches = self.project(images).flatten(2).transpose(1, 2)
        return torch.cat([self.class_token.expand(len(images), -1, -1), patches], dim=1) + self.positions


class Block(nn.Module):
    """Pre-norm self-attention and MLP, each with its residual."""

    def __init__(self, width: int, mlp_width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, mlp_width)
        self.contract = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens after this block, (N, T, width)."""
        n_samples, n_tokens, width = x.shape
        qkv = self.qkv(self.attention_norm(x)).reshape(n_samples, n_tokens, 3, self.n_heads, width // self.n_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.project(mixed.transpose(1, 2).reshape(n_samples, n_tokens, width))
        return x + self.contract(functional.gelu(self.expand(self.mlp_norm(x))))


class Head(nn.Module):
    """Norm and classifier on the class token."""

    def __init__(self, width: int, n_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.classify = nn.Linear(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, (N, classes)."""
        return self.classify(self.norm(x)[:, 0])


def vit_parts(
    width: int, mlp_width: int, n_heads: int, n_blocks: int, patch_px: int, image_px: int, n_classes: int
) -> tuple[Embedding, list[Block], Head]:
    """Return embedding, blocks and head, in evaluation mode, weights drawn from torch's global seed."""
    embedding = Embedding(width, patch_px, image_px).eval()
    blocks = [Block(width, mlp_width, n_heads).eval() for _ in range(n_blocks)]
    return embedding, blocks, Head(width, n_classes).eval()
