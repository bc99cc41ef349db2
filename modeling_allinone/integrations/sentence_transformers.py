# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
A model for retrieval in the form of sentence-transformers: one folder, which `SentenceTransformer` opens as what makes
vectors of texts and clips, and `CrossEncoder` as what scores pairs of them.
"""

import copy
import json
from pathlib import Path
from typing import cast

from huggingface_hub import ModelCard, ModelCardData

from ..evaluation.zero_shot import share_weights
from ..hub.model_card import create_model_card
from ..models.modeling_pretraining_allinone import AllInOneForPreTraining
from ..models.modeling_retrieval_allinone import AllInOneForVideoTextRetrieval
from ..models.processing_allinone import AllInOneProcessor

# `CrossEncoder` turns a pair into two messages. This makes the text of them; the clip goes beside it.
PAIR_TEMPLATE = """\
{%- for message in messages -%}
  {%- if message['content'] is string -%}
    {{ message['content'] }}
  {%- else -%}
    {%- for part in message['content'] if part['type'] == 'text' -%}
      {{ part['text'] }}
    {%- endfor -%}
  {%- endif -%}
{%- endfor -%}
"""

_USAGE = """\
## With sentence-transformers

```python
{package}import numpy
from sentence_transformers import SentenceTransformer

model = SentenceTransformer({name}{trust})
captions = ["a man plays the guitar", "a dog catches a ball"]
clips = [numpy.zeros((16, 240, 320, 3), dtype="uint8")]  # or files: {{"video": "clip.mp4"}}
print(model.similarity(model.encode(captions), model.encode(clips)))  # captions, clips
```

Texts and clips are encoded by calls of their own. An image is a clip of one frame.
"""

_RANKER_USAGE = """
The same folder, as what reads a text and a clip together and puts the best in a finer order:

```python
from sentence_transformers import CrossEncoder

ranker = CrossEncoder({name}{trust})
print(ranker.predict([(caption, clips[0]) for caption in captions]))  # logits
print(ranker.rank(captions[0], clips, top_k=1))
```

The model is trained so that the sum `similarity / {temperature} + logit` ranks best.
"""

_IMPORT = "import modeling_allinone  # makes transformers know the model\n"
_NEXT_SECTION = "## Configuration"


def save_sentence_transformer(
    model: AllInOneForVideoTextRetrieval | AllInOneForPreTraining,
    processor: AllInOneProcessor,
    folder: str | Path,
    card: ModelCard | None = None,
) -> None:
    """
    Save a model for retrieval so that `SentenceTransformer(folder)` gives vectors of unit length for texts, clips and
    images, and `CrossEncoder(folder)` the scores of pairs; with a model card that says how. There is one set of
    weights, and the folder still is one of this package and of transformers.

    `CrossEncoder` makes the class of its own from the weights ([`AllInOneForSequenceClassification`], by way of
    `AutoModelForSequenceClassification`), and says in its log that it converts the model.

    Args:
        model ([`AllInOneForVideoTextRetrieval`] or [`AllInOneForPreTraining`]): With projections. Without a scorer of
            pairs, the scorer of `CrossEncoder` is new and has to be trained.
        processor ([`AllInOneProcessor`])
        folder (`str` or `Path`): Where to; what is there is written over.
        card (`huggingface_hub.ModelCard`, *optional*): A card of the model, to which a section is added. Default: what
            is in the folder already, or else one that knows the configuration alone.

    Raises:
        ImportError: If sentence-transformers is not installed.
        TypeError: If the model is of another class.
        ValueError: If it has no projections, or the processor makes several views of a clip.

    Example:

    ```python
    >>> from transformers import BertTokenizer
    >>> from modeling_allinone import AllInOneConfig, AllInOneForVideoTextRetrieval, AllInOneVideoProcessor

    >>> model = AllInOneForVideoTextRetrieval(AllInOneConfig.from_preset("tiny", num_hidden_layers=1))
    >>> processor = AllInOneProcessor(AllInOneVideoProcessor(), BertTokenizer())
    >>> save_sentence_transformer(model, processor, "for-sentence-transformers")

    >>> from sentence_transformers import SentenceTransformer
    >>> SentenceTransformer("for-sentence-transformers", device="cpu").modalities
    ['text', 'video', 'image']

    ```
    """
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Transformer
    except ImportError as error:
        raise ImportError(
            "This needs sentence-transformers; install it with `pip install modeling_allinone[sentence-transformers]`."
        ) from error
    retrieval = _as_retrieval(model)
    if processor.video_processor.num_views > 1:
        raise ValueError(
            f"The processor makes {processor.video_processor.num_views} views of a clip, each of which would be taken "
            "for a clip; set num_views=1 in its video_processor."
        )
    folder, processor = Path(folder), copy.deepcopy(processor)
    processor.chat_template = PAIR_TEMPLATE
    card = card or _find_card(retrieval, folder)
    retrieval.save_pretrained(folder)
    processor.save_pretrained(folder)

    pooled = {"method_output_name": "pooler_output"}
    clips = {"method": "get_video_features", **pooled}
    transformer = Transformer(
        str(folder),
        modality_config={"text": {"method": "get_text_features", **pooled}, "video": clips, "image": clips},
        module_output_name="sentence_embedding",
    )
    # What CrossEncoder looks for: logits as they are.
    transformer.config.sentence_transformers = {"activation_fn": "torch.nn.modules.linear.Identity"}
    modules = [transformer, Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder), create_model_card=False)
    _add_usage(card, retrieval, folder)
    card.save(folder / "README.md")


def _as_retrieval(model: AllInOneForVideoTextRetrieval | AllInOneForPreTraining) -> AllInOneForVideoTextRetrieval:
    """What makes vectors of texts and clips; raises where there is no such thing."""
    if not isinstance(model, AllInOneForVideoTextRetrieval | AllInOneForPreTraining):
        raise TypeError(
            f"model is a {type(model).__name__}; expected AllInOneForVideoTextRetrieval, or AllInOneForPreTraining "
            "with the contrastive objective."
        )
    retrieval = share_weights(model) if isinstance(model, AllInOneForPreTraining) else model
    if retrieval is None or retrieval.text_projection is None:
        raise ValueError(
            f"This {type(model).__name__} has no projections, so it makes no vectors of texts and clips; take one "
            "with projection_dim that was trained for retrieval, or pre-trained with the contrastive objective."
        )
    return retrieval


def _find_card(model: AllInOneForVideoTextRetrieval, folder: Path) -> ModelCard:
    """The card that lies in a folder, or a new one."""
    path = folder / "README.md"
    if path.is_file():
        return ModelCard.load(path, ignore_metadata_errors=True)
    name, source = type(model).__name__, "Who saved it has not said."
    return create_model_card(model.config, name, folder.name, source, has_code=_has_code(model))


def _has_code(model: AllInOneForVideoTextRetrieval) -> bool:
    """Whether it is saved inside of [`saving_code`]."""
    return type(model)._auto_class is not None


def _add_usage(card: ModelCard, model: AllInOneForVideoTextRetrieval, folder: Path) -> None:
    """Say in a card, once, how sentence-transformers opens the folder."""
    data = cast(ModelCardData, card.data)
    data.library_name = "sentence-transformers"
    data.tags = list(dict.fromkeys([*(data.tags or []), "sentence-transformers", "feature-extraction"]))
    package, trust = ("", ", trust_remote_code=True") if _has_code(model) else (_IMPORT, "")
    template = _USAGE + ("" if model.scorer is None else _RANKER_USAGE)
    name, temperature = json.dumps(folder.name), model.config.contrastive_temperature
    usage = template.format(package=package, name=name, trust=trust, temperature=temperature)
    if usage.splitlines()[0] in card.text:
        return
    before, heading, after = card.text.partition(_NEXT_SECTION)
    card.text = f"{before.rstrip()}\n\n{usage}\n{heading}{after}" if heading else f"{before.rstrip()}\n\n{usage}"


__all__ = ["save_sentence_transformer"]
