# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
A retrieval model in MTEB, whose tasks of text and video it then runs:

    python -m modeling_allinone.integrations.mteb run -m FOLDER -b "MVEB(text, video)"

is `mteb run ...` with the folder of a model for a name.
"""

import hashlib
import math
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoConfig
from transformers.utils import logging

from ..evaluation.video_encoder import VideoEncoder

if TYPE_CHECKING:
    from mteb.models import ModelMeta
    from mteb.types import Array

logger = logging.get_logger(__name__)

# What a model makes vectors of; sound is not among it.
MODALITIES = ("text", "image", "video")
# What `from_pretrained` reads, and so what tells one model from another.
_READ_SUFFIXES = {".json", ".safetensors", ".txt"}


class MtebEncoder:
    """
    A retrieval model as MTEB takes it: vectors of unit length, compared by their cosine.

    A row with several of text, image and video has the mean of their vectors. Sound is left out, with a warning. Files
    of videos are read as everywhere in this package, so torchcodec need not be installed.

    Args:
        folder (`str` or `Path`): Of a model that [`VideoEncoder`] takes.
        name (`str`, *optional*): Its name in MTEB, `"organization/model"`.
        revision (`str`, *optional*): See [`register_model`].
        device (`str`, `int` or `torch.device`, *optional*): Default: a GPU if there is one, else the CPU.
        dtype (`str`, *optional*): What the model computes in, such as `"bfloat16"`. Default: that of the weights.
        embed_dim (`int`, *optional*): Taken as MTEB gives it, which has compared it with that of the model.

    Raises:
        OSError: If there is no such folder.
        ValueError: If it holds a model without projections.
    """

    mteb_model_meta: "ModelMeta"

    def __init__(
        self,
        folder: str | Path,
        name: str | None = None,
        revision: str | None = None,
        device: str | int | torch.device | None = None,
        dtype: str | None = None,
        embed_dim: int | None = None,
    ):
        device = torch.device(device) if isinstance(device, int) else device
        self.encoder = VideoEncoder.from_pretrained(folder, device, dtype)

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any = None,
        hf_split: str | None = None,
        hf_subset: str | None = None,
        prompt_type: Any = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
    ) -> np.ndarray:
        """
        Vectors of the rows of a task.

        Args:
            inputs (`torch.utils.data.DataLoader`): Its `dataset` has the columns `text`, `image` and `video`, or some
                of them. Clips are what [`VideoEncoder.encode_video`] takes, `datasets.Video`, arrays `(T, 3, H, W)` or
                `(T, H, W, 3)`, or decoders of torchcodec; its `num_workers` processes read them.
            task_metadata, hf_split, hf_subset, prompt_type: What task this is, which changes nothing.
            batch_size (`int`, defaults to 32): Rows read at a time.
            show_progress_bar (`bool`, *optional*): Whether there is one; by default, on a terminal.

        Returns:
            `np.ndarray` of shape `(rows, D)`: In float32, of unit length.

        Raises:
            ValueError: If there is no column to read.
            Exception: What reading a clip raises, with its name.
        """
        dataset = inputs.dataset
        names = getattr(dataset, "column_names", None) or list(dataset[0])
        read = [name for name in MODALITIES if name in names]
        if not read:
            raise ValueError(
                f"The task has the columns {', '.join(names)}; expected one of {', '.join(MODALITIES)}. Take a task "
                "of text, images or video."
            )
        if "audio" in names:
            logger.warning_once("The sound of a task with video and sound is left out: the model reads frames alone.")
        features = []
        for name in read:
            column = _Column(dataset, name)
            if name == "text":
                vectors = self.encoder.encode_text(column, batch_size, show_progress=show_progress_bar)
            else:
                workers = inputs.num_workers
                vectors = self.encoder.encode_video(column, batch_size, workers, show_progress=show_progress_bar)
            features.append(vectors)
        total = torch.stack(features).sum(dim=0)
        return torch.nn.functional.normalize(total, dim=-1).numpy() if len(read) > 1 else total.numpy()

    def similarity(self, embeddings1: "Array", embeddings2: "Array") -> torch.Tensor:
        """
        Cosines of all with all.

        Args:
            embeddings1 (`np.ndarray` or `torch.Tensor` of shape `(rows, D)`): From `encode`, or one, `(D,)`.
            embeddings2 (`np.ndarray` or `torch.Tensor` of shape `(others, D)`): As well.

        Returns:
            `torch.FloatTensor` of shape `(rows, others)`
        """
        rows, others = (torch.atleast_2d(torch.as_tensor(given)) for given in (embeddings1, embeddings2))
        return rows @ others.T

    def similarity_pairwise(self, embeddings1: "Array", embeddings2: "Array") -> torch.Tensor:
        """
        Cosines of pairs.

        Args:
            embeddings1, embeddings2 (`np.ndarray` or `torch.Tensor` of shape `(rows, D)`): From `encode`.

        Returns:
            `torch.FloatTensor` of shape `(rows,)`
        """
        return (torch.as_tensor(embeddings1) * torch.as_tensor(embeddings2)).sum(dim=-1)


class _Column(Sequence):
    """Texts or clips of a table. Each is taken when it is asked for, and no video is decoded by the table."""

    def __init__(self, dataset: Any, name: str):
        import datasets

        self._dataset, self._name = dataset, name
        if isinstance(dataset, datasets.Dataset):
            feature = dataset.features[name]
            dataset = dataset.select_columns([name])
            if isinstance(feature, datasets.Video) and feature.stream_index is None:
                dataset = dataset.cast_column(name, datasets.Video(decode=False))
            elif isinstance(feature, datasets.Array3D | datasets.Array4D):
                dataset = dataset.with_format("numpy", dtype=np.dtype(feature.dtype))  # else lists of lists of numbers
            self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place):
        value = self._dataset[place][self._name]
        if value is None:
            raise ValueError(f"Row {place} of the task has no {self._name}; a column has to be there for all or none.")
        return value if self._name == "text" else {self._name: value, "sample_id": place}


@cache
def _meta_class() -> "type[ModelMeta]":
    """MTEB's description of a model, but for what it wants installed."""
    try:
        from mteb.models import ModelMeta
    except ImportError as error:
        raise ImportError("MTEB is not installed; pip install mteb") from error

    class AllInOneModelMeta(ModelMeta):
        def _check_requirements(self) -> None:
            """Of a model for video MTEB wants torchcodec, which nothing here uses."""

    return AllInOneModelMeta


def register_model(folder: str | Path, name: str | None = None, **fields: Any) -> "ModelMeta":
    """
    Add the model in a folder to MTEB's registry, where `mteb.get_model(meta.name)` finds it.

    Args:
        folder (`str` or `Path`): Of a model that [`VideoEncoder`] takes: one for retrieval, or pre-trained with the
            contrastive objective. Of a repository of the Hub, what `huggingface_hub.snapshot_download` returns.
        name (`str`, *optional*): In MTEB, `"organization/model"`. Default: `"local/"` and that of the folder.
        fields: Fields of `mteb.models.ModelMeta`, such as `training_datasets={"MSVDT2VRetrieval"}`, `license`,
            `reference`, or `loader_kwargs={"dtype": "bfloat16"}`, the arguments of [`MtebEncoder`].

    Returns:
        `mteb.models.ModelMeta`: Its `revision` is the beginning of a hash of configuration, tokenizer and weights, so
        that MTEB takes no stored score of other weights for one of these.

    Raises:
        FileNotFoundError: If the folder holds no model.
        ImportError: If MTEB is not installed.
        ValueError: If the model makes no vectors, or the name is that of another one.

    Example:

    ```python
    import mteb
    from modeling_allinone.integrations.mteb import register_model

    meta = register_model("models/retrieval")
    results = mteb.evaluate(mteb.get_model(meta.name), mteb.get_tasks(tasks=["MSVDT2VRetrieval"]))
    ```
    """
    meta_class = _meta_class()
    from mteb.models.model_implementations import MODEL_REGISTRY

    folder = Path(folder).resolve()
    weights = sorted(folder.glob("*.safetensors"))
    if not weights or not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"{folder} holds no config.json and *.safetensors; give a folder that save_pretrained of model and "
            "processor wrote. Of a repository of the Hub: huggingface_hub.snapshot_download(name)."
        )
    config, sizes = AutoConfig.from_pretrained(folder), _sizes(weights)
    if not any(name.startswith("text_projection.") for name in sizes):
        raise ValueError(
            f"{folder} holds {(config.architectures or ['a model'])[0]} without projections, so it makes no vectors "
            "of texts and clips; give a model for retrieval (AllInOneForVideoTextRetrieval with projection_dim)."
        )
    known = {
        "loader": partial(MtebEncoder, folder),
        "name": name or f"local/{folder.name}",
        "revision": _digest(folder),
        "release_date": None,
        "languages": ["eng-Latn"],
        "n_parameters": sum(sizes.values()),
        "memory_usage_mb": round(sum(file.stat().st_size for file in weights) / 2**20, 1),
        "max_tokens": config.max_position_embeddings,
        "embed_dim": config.projection_dim,
        "license": None,
        "open_weights": None,
        "public_training_code": None,
        "public_training_data": None,
        "framework": ["PyTorch", "Transformers", "safetensors"],
        "similarity_fn_name": "cosine",
        "use_instructions": False,
        "training_datasets": None,
        "modalities": list(MODALITIES),
    }
    meta = meta_class(**{**known, **fields})
    registered = MODEL_REGISTRY.setdefault(str(meta.name), meta)
    if getattr(registered.loader, "args", None) != (folder,):
        raise ValueError(f"{meta.name} is another model in MTEB's registry already; give {folder} another name.")
    MODEL_REGISTRY[str(meta.name)] = meta
    return meta


def _sizes(files: Sequence[Path]) -> dict[str, int]:
    """The weights in files, and how many numbers each has."""
    sizes: dict[str, int] = {}
    for file in files:
        with safe_open(file, framework="pt") as weights:
            sizes |= {name: math.prod(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    return sizes


def _digest(folder: Path) -> str:
    """What tells the model in a folder from all others."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _READ_SUFFIXES:
            with open(path, "rb") as file:
                digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def main(arguments: list[str] | None = None) -> None:
    """
    `mteb`, whose option `-m` takes a folder, too.

    Args:
        arguments (`list` of `str`, *optional*): Of the command line, after its name.
    """
    _meta_class()
    from mteb.cli import main as run_mteb

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for place, argument in enumerate(arguments):
        option, folder = "", argument
        if argument.startswith("--model="):
            option, folder = "--model=", argument.removeprefix("--model=")
        if (option or (place and arguments[place - 1] in ("-m", "--model"))) and Path(folder).is_dir():
            arguments[place] = f"{option}{register_model(folder).name}"
    sys.argv = ["mteb", *arguments]
    run_mteb()


if __name__ == "__main__":
    main()
