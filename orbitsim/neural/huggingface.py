"""Models of the package `transformers`, from a configuration or a local folder, as one tensor in and one out."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from orbitsim.errors import InputError, Problem
from orbitsim.neural.cutting import cut
from orbitsim.neural.layout import find_block_list
from orbitsim.neural.parts import ModelKind, ModelParts
from orbitsim.neural.weights import materialise
from orbitsim.scenario.suggestions import suggestion

DOWNLOAD = "only `orbitsim profile` downloads one, with --allow-download"
_SEQ_LEN = 128
_PER_BLOCK = ("layer_types", "out_features", "out_indices", "stage_names", "mlp_layer_types")


class OneTensor(nn.Module):
    """A model of `transformers` called with one tensor and answering with one.

    Parameters
    ----------
    model : PreTrainedModel
        The model.
    input_name : str
        ``pixel_values`` or ``input_ids``.
    output_name : str
        Field of the model's output.
    arguments : mapping
        Further arguments of every call.
    """

    def __init__(self, model: nn.Module, input_name: str, output_name: str, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.input_name, self.output_name, self.arguments = input_name, output_name, dict(arguments)

    def forward(self, x: Tensor) -> Tensor:
        """Return the chosen field of the model's output."""
        output: Tensor = self.model(**{self.input_name: x}, **self.arguments)[self.output_name]
        return output


@contextmanager
def quiet() -> Iterator[None]:
    """Keep `transformers` from writing progress bars and advice to the terminal."""
    from transformers.utils import logging as its_logging

    logging: Any = its_logging  # its functions have no types
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def known_model_types() -> tuple[str, ...]:
    """Return every `model_type` that `transformers` knows, sorted; not all are vision or decoder models."""
    from transformers import CONFIG_MAPPING

    return tuple(sorted(CONFIG_MAPPING.keys()))


def read_config(source: str | Path, settings: Mapping[str, Any] | None = None, *, allow_download: bool = False) -> Any:
    """Return a configuration: of a `model_type`, a JSON file, a local folder, or a name of the hub.

    Parameters
    ----------
    source : str or Path
        Where it is.
    settings : mapping, optional
        Values to change.
    allow_download : bool
        Whether a name of the hub may be looked up on the network; else only in its cache.

    Raises
    ------
    InputError
        When there is no such configuration, it has no such key, or it refuses a value.
    """
    path, changed = Path(source), dict(settings or {})
    try:
        with quiet():
            return _with_settings(_values(source, path, allow_download), changed)
    except InputError as error:
        raise error.located(source) from error
    except Exception as error:  # transformers raises what its configuration classes happen to raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if not path.exists() and not allow_download and isinstance(error, OSError):
            reason = f"found no such file or folder, and no model of that name in the hub's cache; {DOWNLOAD}"
        raise InputError(Problem("", f"expected a configuration of transformers: {reason}", str(source))) from error


def config_of_type(model_type: str, settings: Mapping[str, Any] | None = None) -> Any:
    """Return the configuration of a `model_type` with some values changed; no file or folder of that name is looked at.

    Parameters
    ----------
    model_type : str
        One of `known_model_types`.
    settings : mapping, optional
        Values to change.

    Raises
    ------
    InputError
        When the type is not known, has no such key, or refuses a value.
    """
    try:
        with quiet():
            return _with_settings({"model_type": model_type}, dict(settings or {}))
    except InputError as error:
        raise error.located(model_type) from error
    except Exception as error:  # transformers raises what its configuration classes happen to raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(Problem("", f"expected a configuration of transformers: {reason}", model_type)) from error


def _values(source: str | Path, path: Path, allow_download: bool) -> dict[str, Any]:
    """Return the values that a configuration states, `model_type` among them."""
    from transformers import PreTrainedConfig

    if path.is_file():
        values = json.loads(path.read_text(encoding="utf-8"))
    elif path.is_dir() or "/" in str(source):
        values, _ = PreTrainedConfig.get_config_dict(str(source), local_files_only=path.is_dir() or not allow_download)
    else:
        values = {"model_type": str(source)}
    if not isinstance(values, dict) or not isinstance(values.get("model_type"), str):
        raise InputError(Problem("model_type", "expected a model_type of transformers"))
    return dict(values)


def _with_settings(values: dict[str, Any], changed: dict[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING, AutoConfig

    model_type = values.pop("model_type")
    if model_type not in CONFIG_MAPPING:
        raise InputError(Problem("model_type", f"expected a model_type of transformers, got {model_type!r}"))
    kind = CONFIG_MAPPING[model_type]
    known = {*kind().to_dict(), *kind.attribute_map, "num_labels"}
    if unknown := [key for key in changed if key not in known]:
        raise InputError(Problem(key, f"expected a key of {kind.__name__}{suggestion(key, known)}") for key in unknown)
    if changed:  # lists with an entry for each block follow from the number of blocks, unless they are given
        values = {key: value for key, value in values.items() if key not in _PER_BLOCK}
    return AutoConfig.for_model(model_type, **{**values, **changed})


def model_class(config: Any) -> tuple[Any, ModelKind]:
    """Return the class of model for a configuration, and whether it takes images or tokens.

    Raises
    ------
    InputError
        When it is neither a vision nor a decoder model.
    """
    import transformers

    named = getattr(transformers, (getattr(config, "architectures", None) or [""])[0], None)
    candidates: list[Any] = [named] if isinstance(named, type) else []
    for mapping in (
        transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
        transformers.MODEL_FOR_CAUSAL_LM_MAPPING,
        transformers.MODEL_MAPPING,
    ):
        if type(config) in mapping:
            found = mapping[type(config)]
            candidates.append(found[0] if isinstance(found, tuple) else found)
    for candidate in candidates:
        main_input = getattr(candidate, "main_input_name", "")
        if main_input == "pixel_values":
            return candidate, "vision"
        if main_input == "input_ids" and candidate is not transformers.MODEL_MAPPING.get(type(config), None):
            return candidate, "decoder"
    raise InputError(f"expected a vision or decoder model of transformers, {config.model_type!r} is neither")


def parts_of_config(
    config: Any,
    name: str,
    *,
    image_px: int | None = None,
    seq_len: int | None = None,
    seed: int = 1,
    one_at_a_time: bool = False,
) -> ModelParts:
    """Return the parts of a model with random weights.

    Parameters
    ----------
    config : PreTrainedConfig
        Its configuration.
    name : str
        Name in the trace.
    image_px, seq_len : int, optional
        Side of the image (default: the configuration's) [px]; tokens of a sequence (default: 128, or all that the
        model has positions for). [1]
    seed : int
        Seed of the weights.
    one_at_a_time : bool
        Only lay the model out, to build one part at a time.
    """
    if image_px is not None:
        config = _resized(config, image_px)
    cls, _ = model_class(config)
    with quiet(), torch.device("meta"):
        try:
            model = cls(config)
        except (TypeError, ValueError, RuntimeError, KeyError, AttributeError) as error:
            raise InputError(f"expected a configuration that {cls.__name__} can be built from: {error}") from error
    if not one_at_a_time:
        materialise(model, lambda local: f"model.{local}" if local else "model", model._init_weights, seed)
        model.tie_weights()
    return parts_of_model(model, name, seq_len=seq_len, seed=seed)


def parts_of_folder(
    folder: str | Path,
    name: str,
    *,
    image_px: int | None = None,
    seq_len: int | None = None,
    allow_download: bool = False,
) -> ModelParts:
    """Return the parts of a model with its trained weights, read from safetensors only: nothing is unpickled.

    Raises
    ------
    InputError
        When the folder has no safetensors, or they are not those of the configuration.
    """
    path = Path(folder)
    if path.is_dir() and not any(path.glob("*.safetensors")):
        raise InputError(Problem("", "expected weights in *.safetensors files, found none", str(folder)))
    config = read_config(folder, allow_download=allow_download)
    if image_px is not None and image_px != _image_px(config):
        raise InputError(f"expected images of {_image_px(config)} px with these weights, got {image_px} px")
    cls, _ = model_class(config)
    try:
        with quiet():
            model, report = cls.from_pretrained(
                str(folder),
                use_safetensors=True,
                local_files_only=path.is_dir() or not allow_download,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # transformers and safetensors raise what they happen to raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(Problem("", f"the weights cannot be read: {reason}", str(folder))) from error
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        shown = ", ".join(missing[:3])
        message = f"expected weights for all of {cls.__name__}, {len(missing)} are missing ({shown}, ...)"
        raise InputError(Problem("", message, str(folder)))
    return parts_of_model(model, name, seq_len=seq_len)


def parts_of_model(
    model: Any, name: str, *, seq_len: int | None = None, all_tokens: bool = False, seed: int = 1
) -> ModelParts:
    """Return the parts of a `transformers` model that is at hand.

    Parameters
    ----------
    model : PreTrainedModel
        A vision or decoder model, with weights or on the meta device; set to evaluation mode.
    name : str
        Name in the trace.
    seq_len : int, optional
        Tokens of one sample of a decoder. [1]
    all_tokens : bool
        Whether a decoder's head works on every token, not only the last.
    seed : int
        Seed of random weights of parts that are built one at a time.
    """
    model.eval()
    config = model.config
    kind: ModelKind = "vision" if model.main_input_name == "pixel_values" else "decoder"
    arguments: dict[str, Any] = {}
    n_vocabulary: int | None = None
    shape: tuple[int, ...]
    has_logits = model.get_output_embeddings() is not None or "ImageClassification" in type(model).__name__
    output = "logits" if has_logits else "last_hidden_state"
    if kind == "vision":
        side = _image_px(config)
        shape = (getattr(config, "num_channels", 3), side, side)
    else:
        config.use_cache = False
        arguments["use_cache"] = False
        text = config.get_text_config()
        n_vocabulary = int(text.vocab_size)
        limit = getattr(text, "max_position_embeddings", None) or _SEQ_LEN
        shape = (min(_SEQ_LEN, limit) if seq_len is None else seq_len,)
        if seq_len is not None and not 0 < seq_len <= limit:
            raise InputError(f"expected a seq_len from 1 to the {limit} positions of the model, got {seq_len}")
        if "logits_to_keep" in inspect.signature(model.forward).parameters and not all_tokens:
            arguments["logits_to_keep"] = 1
    root = OneTensor(model, model.main_input_name, output, arguments).eval()
    tied = {f"model.{a}": f"model.{b}" for a, b in (getattr(model, "all_tied_weights_keys", None) or {}).items()}
    return cut(
        root,
        find_block_list(root),
        name=name,
        kind=kind,
        output="last-token logits" if "logits_to_keep" in arguments else output,
        input_shape=shape,
        n_vocabulary=n_vocabulary,
        seed=seed,
        initialise=model._init_weights,  # noqa: SLF001  the model's own rule, one module at a time
        tied=tied,
    )


def _resized(config: Any, image_px: int) -> Any:
    _image_px(config)
    owner = config if hasattr(config, "image_size") else config.vision_config
    patch = getattr(owner, "patch_size", 1)
    if image_px < 1 or (isinstance(patch, int) and image_px % patch):
        raise InputError(f"expected an image side that is a multiple of the patch, {patch} px, got {image_px} px")
    owner.image_size = image_px
    return config


def _image_px(config: Any) -> int:
    size = getattr(config, "image_size", None)
    if size is None and hasattr(config, "vision_config"):
        size = getattr(config.vision_config, "image_size", None)
    if isinstance(size, list | tuple):
        size = size[0] if len(set(size)) == 1 else None
    if not isinstance(size, int):
        raise InputError(f"expected a square image_size in the configuration, got {size!r}; give image_px")
    return size


def has_weights(folder: str | Path) -> bool:
    """Whether a local folder holds weights that can be read without unpickling."""
    return Path(folder).is_dir() and any(Path(folder).glob("*.safetensors"))
