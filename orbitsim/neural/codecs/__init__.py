"""Activation codecs: tensors to real bytes and back, with surrogates that can be trained.

`make_codec` builds one by name; `fit_uniform`, `fit_gumbel` and `fit_transform` calibrate one from activations;
`save_codec` and `load_codec` keep it. The byte stream is written out in ``docs/codec-stream.md``.
"""
