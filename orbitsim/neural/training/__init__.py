"""Training of activation codecs with the backbone in the loop, and of a small backbone from scratch.

`loop` runs any `Task` and survives being killed; `codec_task` and `backbone_task` are the two tasks; `train_codec` and
`train_backbone` are what the command line calls.
"""
