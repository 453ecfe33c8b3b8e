"""Layer graphs: FLOP, parameters and activations of each block of a transformer, computed from its configuration.

A layer is a block. The embedding belongs to the first layer, the final norm and the head to the last. FLOP are those
of the matrix products (1 MAC = 2 FLOP); norms, softmax, activation functions and additions are not counted, as in the
tools whose figures are published. Attention counts every pair of tokens, also where a causal mask hides half of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from orbitsim.catalog import BYTES_PER_VALUE, Architecture, ModelEntry

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class ModelGraph:
    """A model as a chain of layers; all figures for one sample (a tile, a sequence).

    Attributes
    ----------
    name : str
        Name of the model.
    input_px : int or None
        Side of the square image, None for a model of tokens. [px]
    n_tokens, width : int
        Tokens that pass through the blocks, and channels of each.
    flop : ndarray, shape (L,)
        FLOP of each layer. [FLOP]
    n_parameters : ndarray, shape (L,)
        Parameters that each layer needs in memory; a tied token table stands at both ends. [1]
    activation_values : ndarray, shape (L,)
        Values that leave each block (the last one's before the head). [1]
    workspace_values : int
        Values that are alive at once inside a block at most, weights aside. [1]
    n_unique_parameters : int
        Parameters of the whole model, a tied table counted once. [1]
    embedding_flop, head_flop : float
        The part of the first layer's FLOP that is the embedding's, and of the last layer's that is the head's. [FLOP]
    embedding_parameters, head_parameters : float
        Likewise of `n_parameters`. [1]
    """

    name: str
    input_px: int | None
    n_tokens: int
    width: int
    flop: FloatArray
    n_parameters: FloatArray
    activation_values: FloatArray
    workspace_values: int
    n_unique_parameters: int
    embedding_flop: float = 0.0
    head_flop: float = 0.0
    embedding_parameters: float = 0.0
    head_parameters: float = 0.0

    @property
    def n_layers(self) -> int:
        """Number of layers (blocks)."""
        return len(self.flop)

    @property
    def total_flop(self) -> float:
        """FLOP of the whole model for one sample [FLOP]."""
        return float(self.flop.sum())

    def weights_bytes(self, precision: str) -> FloatArray:
        """Return the size of each layer's weights at a precision, shape (L,) [B]."""
        return self.n_parameters * BYTES_PER_VALUE[precision]

    def workspace_bytes(self, precision: str, batch_size: int) -> float:
        """Return the memory that the tensors of one block take on a mini-batch at a precision [B].

        Blocks run one after another and reuse it, so a stage needs it once, however many layers it holds.
        """
        return float(self.workspace_values * batch_size * BYTES_PER_VALUE[precision])


def model_graph(entry: ModelEntry) -> ModelGraph:
    """Return the layer graph of a model of the catalogue."""
    return transformer_graph(entry.name, entry.architecture)


def transformer_graph(name: str, a: Architecture) -> ModelGraph:
    """Compute the layer graph of a transformer encoder or decoder.

    Parameters
    ----------
    name : str
        Name of the model.
    a : Architecture
        Its configuration.

    Returns
    -------
    ModelGraph
        With one layer per block.

    Notes
    -----
    With T tokens, width D, MLP width M, H heads of width d and K key/value heads, one block takes
    T (2 D H d + 2 D K d) + 2 T^2 H d + 2 T D M MACs (3 T D M with a gate). The workspace is the larger of the two
    branches with fused attention (no T x T matrix is kept): stream + normed input + query, key, value + mixed
    values, or stream + normed input + hidden + activated hidden (one more with a gate).
    """
    n_tokens = _n_tokens(a)
    head_width = a.head_width or a.width // a.n_heads
    query_width = a.n_heads * head_width
    kv_width = 2 * (a.n_kv_heads or a.n_heads) * head_width
    n_mlp_matrices = 3 if a.gated_mlp else 2

    block_mac = (
        n_tokens * a.width * (2 * query_width + kv_width)
        + 2 * n_tokens**2 * query_width
        + n_mlp_matrices * n_tokens * a.width * a.mlp_width
    )
    flop = np.full(a.n_blocks, 2.0 * block_mac)
    flop[0] += 2.0 * _embedding_mac(a)
    flop[-1] += 2.0 * _head_mac(a)

    head_parameters, tied_parameters = _head_parameters(a)
    n_parameters = np.full(a.n_blocks, float(_block_parameters(a, query_width, kv_width, n_mlp_matrices)))
    n_parameters[0] += _embedding_parameters(a, n_tokens)
    n_parameters[-1] += head_parameters + tied_parameters
    # A model of one block holds the tied table once, at both ends of the same layer.
    if a.n_blocks == 1:
        n_parameters[0] -= tied_parameters
    n_unique = int(n_parameters.sum()) - (tied_parameters if a.n_blocks > 1 else 0)

    attention_values = 2 * a.width + query_width + kv_width + query_width
    mlp_values = 2 * a.width + n_mlp_matrices * a.mlp_width
    graph = ModelGraph(
        name=name,
        input_px=a.image_px,
        n_tokens=n_tokens,
        width=a.width,
        flop=flop,
        n_parameters=n_parameters,
        activation_values=np.full(a.n_blocks, float(n_tokens * a.width)),
        workspace_values=n_tokens * max(attention_values, mlp_values),
        n_unique_parameters=n_unique,
        embedding_flop=2.0 * _embedding_mac(a),
        head_flop=2.0 * _head_mac(a),
        embedding_parameters=float(_embedding_parameters(a, n_tokens)),
        head_parameters=float(head_parameters + tied_parameters),
    )
    for array in (graph.flop, graph.n_parameters, graph.activation_values):
        array.setflags(write=False)
    return graph


def _n_patches(a: Architecture) -> int:
    return (a.image_px // a.patch_px) ** 2 if a.image_px and a.patch_px else 0


def _n_tokens(a: Architecture) -> int:
    return a.n_tokens if a.n_tokens is not None else _n_patches(a) + a.n_extra_tokens


def _patch_values(a: Architecture) -> int:
    return a.n_channels * a.patch_px**2 if a.patch_px else 0


def _embedding_mac(a: Architecture) -> int:
    """MACs of projecting the patches; looking up tokens takes none."""
    return _n_patches(a) * _patch_values(a) * a.width


def _head_mac(a: Architecture) -> int:
    """MACs of the head, applied to one token: the class token, or the last of a sequence."""
    return a.width * (a.n_vocabulary or a.n_classes)


def _norm_parameters(a: Architecture) -> int:
    return a.width if a.norm == "rms" else 2 * a.width


def _embedding_parameters(a: Architecture, n_tokens: int) -> int:
    if a.n_vocabulary:
        return (a.n_vocabulary + a.n_positions) * a.width
    return (_patch_values(a) + 1 + a.n_extra_tokens + n_tokens) * a.width  # projection, bias, extra tokens, positions


def _head_parameters(a: Architecture) -> tuple[int, int]:
    """Return the parameters of norm and head that are its own, and those it shares with the embedding."""
    if a.n_vocabulary:
        table = a.n_vocabulary * a.width
        return _norm_parameters(a) + (0 if a.tied_head else table), table if a.tied_head else 0
    return _norm_parameters(a) + (a.width + 1) * a.n_classes, 0


def _block_parameters(a: Architecture, query_width: int, kv_width: int, n_mlp_matrices: int) -> int:
    matrices = a.width * (2 * query_width + kv_width + n_mlp_matrices * a.mlp_width)
    qkv_biases = query_width + kv_width if a.qkv_bias else 0
    other_biases = a.width + (n_mlp_matrices - 1) * a.mlp_width + a.width if a.bias else 0
    return matrices + qkv_biases + other_biases + 2 * _norm_parameters(a) + (2 * a.width if a.layer_scale else 0)
