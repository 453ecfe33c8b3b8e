"""Activation codecs: tensors to real bytes and back, with surrogates that can be trained.

`make_codec` builds one by name, `fit_codec` calibrates one from activations, `save_codec` and `load_codec` keep it;
`Codec` says what each can do. The byte stream is written out in ``docs/codec-stream.md``.
"""

from orbitsim.neural.codecs.base import Codec, NumpyCodec, SizeParts
from orbitsim.neural.codecs.calibration import fit_codec
from orbitsim.neural.codecs.registry import CODECS, make_codec
from orbitsim.neural.codecs.state_file import load_codec, save_codec
from orbitsim.neural.codecs.stream import StreamError

__all__ = [
    "CODECS",
    "Codec",
    "NumpyCodec",
    "SizeParts",
    "StreamError",
    "fit_codec",
    "load_codec",
    "make_codec",
    "save_codec",
]
