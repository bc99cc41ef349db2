# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""AllInOne model configuration."""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers.activations import ACT2FN
from transformers.configuration_utils import PreTrainedConfig

from .adapters_allinone import name_targets
from .saving_allinone import SavedWithLoader
from .tasks_allinone import pipelines_of_others

_PRESETS = {
    "tiny": {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768},
    "small": {
        "hidden_size": 384,
        "num_attention_heads": 6,
        "intermediate_size": 1536,
        "use_distillation_token": True,
    },
    "base": {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
}
_PRESET_ALIASES = {"ti": "tiny", "s": "small", "b": "base"}

PRETRAINING_OBJECTIVES = ("masked_lm", "matching", "contrastive", "clip_order", "masked_patches")
# A class for each order: 120 for 5 frames, 40320 for 8.
_MAX_ORDERED_FRAMES = 5
_PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
# The only integers that are no sizes.
_NO_SIZES = ("pad_token_id", "patch_order_seed")


@strict
class AllInOneConfig(SavedWithLoader, PreTrainedConfig):
    r"""
    Configuration of an All-in-one model. The defaults are those of All-in-one-B at 3 frames of 224 × 224 pixels
    ([All in One: Exploring Unified Video-Language Pre-training](https://huggingface.co/papers/2203.07303)).

    Args:
        vocab_size (`int`, defaults to 30522): Size of the text vocabulary, in tokens.
        hidden_size (`int`, defaults to 768): Width of every token.
        num_hidden_layers (`int`, defaults to 12): Number of transformer blocks.
        num_attention_heads (`int`, defaults to 12): Attention heads of a block; divides `hidden_size`.
        intermediate_size (`int`, defaults to 3072): Width of a block's MLP.
        hidden_act (`str`, defaults to `"gelu"`): Activation of the MLPs (exact GELU).
        hidden_dropout_prob (`float`, defaults to 0.1): Dropout probability of embeddings, attention output and MLPs.
        attention_probs_dropout_prob (`float`, defaults to 0.0): Dropout probability of the attention weights.
        drop_path_rate (`float`, defaults to 0.1): Stochastic depth: probability of skipping a residual branch of the
            last block; rises linearly from 0 at the first block.
        layer_norm_eps (`float`, defaults to 1e-6): Epsilon of the blocks' layer norms.
        text_layer_norm_eps (`float`, defaults to 1e-12): Epsilon of the layer norms that come from BERT: text
            embeddings and masked-language-modelling head.
        qkv_bias (`bool`, defaults to `True`): Whether query, key and value projections have a bias.
        initializer_range (`float`, defaults to 0.02): Standard deviation of newly initialised weights.
        linear_initializer (`str`, defaults to `"normal"`): How linear layers and the patch projection start:
            `"normal"` with standard deviation `initializer_range`, or `"xavier_uniform"`, with which narrow models
            learn far sooner (and with an `initializer_range` of about 1 for what is left, the embeddings).
        max_position_embeddings (`int`, defaults to 40): Longest text, in tokens.
        type_vocab_size (`int`, defaults to 2): Number of BERT token types.
        pad_token_id (`int`, defaults to 0): Padding token; its embedding gets no gradient.
        modality_type_vocab_size (`int`, defaults to 2): Number of modality types: 0 text, 1 video or image, and 2 for
            the second image of a pair. A model for pairs has at least 3, whatever this says.
        image_size (`int`, `list` or `tuple`, defaults to 224): Height and width of a frame, in pixels, that the
            position table was made for; other sizes are interpolated.
        patch_size (`int`, defaults to 16): Side of a square patch, in pixels.
        num_channels (`int`, defaults to 3): Colour channels of a frame.
        num_frames (`int`, defaults to 3): Number of frames that the temporal embedding covers. Clips may have fewer.
        use_distillation_token (`bool`, defaults to `False`): Whether a DeiT distillation token stands behind the
            visual [CLS] (All-in-one-S). Such a model has no temporal embedding, as in the original.
        max_image_length (`int`, *optional*): How many patches of each frame are kept, drawn at random (a fixed draw in
            evaluation). `None` and -1 keep all.
        temporal_mixing (`str`, defaults to `"token_roll"`): What passes between neighbouring frames before every block
            of a joint pass: `"token_roll"` (the paper), `"channel_shift"` (Temporal Shift Module, Lin et
            al. 2019) or `"none"`.
        roll_divisor (`int`, defaults to 8): Of the visual tokens (or channels, with `"channel_shift"`), one part in
            `roll_divisor` moves forward and one backward; at least 3.
        patch_order (`str`, defaults to `"random"`): Order of the patches, which decides what rolls. `"random"`, as the
            original: a new permutation for each frame at each training step, a fixed one in evaluation. `"raster"`:
            row by row.
        patch_order_seed (`int`, defaults to 0): Seed of the permutation in evaluation.
        classifier_hidden_size (`int`, *optional*): Width of the hidden layer of the answer classifier; `None` is
            `hidden_size // 2`. The original has `2 * hidden_size` for soft labels (VQAv2).
        classifier_dropout (`float`, defaults to 0.5): Dropout probability before the answer classifier.
        prompt (`str`, *optional*): Text that a video classifier was trained to read with every clip, and reads where
            none is given, as in pipelines. `None`: no text.
        prompt_input_ids (`list` of `int`, *optional*): Its tokens, with those that the tokenizer puts around them.
            [`AllInOneProcessor.encode_prompt`] gives both.
        choice_hidden_size (`int`, *optional*): Width of the hidden layer of the multiple-choice scorer. `None` is a
            linear scorer (captions, zero-shot); the original has 256 for multiple-choice questions.
        choice_dropout (`float`, defaults to 0.1): Dropout probability before a multiple-choice scorer with a hidden
            layer.
        projection_dim (`int`, *optional*, defaults to 512): Width of the space in which texts and clips are compared.
            `None` builds no such projections, for a retrieval model that only scores pairs.
        contrastive_temperature (`float`, defaults to 0.05): What cosine similarities are divided by in the contrastive
            loss.
        use_pair_scorer (`bool`, defaults to `True`): Whether a retrieval model scores pairs of text and clip, too.
        pretraining_objectives (`list` of `str`, *optional*): Objectives that a pre-training model has heads for:
            `"masked_lm"`, `"matching"`, `"contrastive"`, `"masked_patches"` and, for 2 to 5 frames, `"clip_order"`.
            `None` is all of them.
        alignment_loss_weight (`float`, defaults to 0.1): Weight of the word-patch alignment loss beside that of
            matching.
        align_distillation_token (`bool`, defaults to `False`): Whether words are aligned with the distillation token,
            too, where there is one. The original does that unless the name of its ViT holds "deit": then it leaves out
            the second visual token, which in a DeiT without distillation token (All-in-one-Ti) is a patch. Here, no
            patch is left out.
        clip_order_hidden_size (`int`, defaults to 512): Width of the hidden layer of the clip-order classifier.
        clip_order_dropout (`float`, defaults to 0.5): Dropout probability before its last layer.
        image_mean (`list` of `float`, defaults to ImageNet's): What was subtracted from each channel of a frame, of
            values from 0 to 1, before it was divided by `image_std`; gives masked patches their colour back.
        image_std (`list` of `float`, defaults to ImageNet's): See `image_mean`.
        problem_type (`str`, *optional*): What labels are, where a head has a choice: `"single_label_classification"`,
            `"multi_label_classification"` or, for video classification alone, `"regression"`. `None`: see the head.
        tie_word_embeddings (`bool`, defaults to `False`): Whether the decoder of masked words has the word embeddings
            as its weights; in the original, it has its own.

    Example:

    ```python
    >>> from modeling_allinone import AllInOneConfig, AllInOneModel

    >>> config = AllInOneConfig.from_preset("tiny", num_frames=4)
    >>> config.hidden_size, config.num_hidden_layers, config.num_patches
    (192, 12, 196)
    >>> model = AllInOneModel(config)

    ```
    """

    model_type = "allinone"
    _loaded_by = "AutoConfig"
    # Trainer joins predictions row by row, which a matrix of texts × clips is not made for.
    keys_to_ignore_at_inference = [
        "visual_attention_mask",
        "similarities",
        *(
            f"{part}{name}"
            for part in ("", "text_", "video_", "answer_", "rationale_")
            for name in ("hidden_states", "attentions", "patch_permutation")
        ),
    ]

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.0
    drop_path_rate: float | int = 0.1
    layer_norm_eps: float = 1e-6
    text_layer_norm_eps: float = 1e-12
    qkv_bias: bool = True
    initializer_range: float = 0.02
    linear_initializer: Literal["normal", "xavier_uniform"] = "normal"
    max_position_embeddings: int = 40
    type_vocab_size: int = 2
    pad_token_id: int | None = 0
    modality_type_vocab_size: int = 2
    image_size: int | list[int] | tuple[int, int] = 224
    patch_size: int = 16
    num_channels: int = 3
    num_frames: int = 3
    use_distillation_token: bool = False
    max_image_length: int | None = None
    temporal_mixing: Literal["token_roll", "channel_shift", "none"] = "token_roll"
    roll_divisor: int = 8
    patch_order: Literal["raster", "random"] = "random"
    patch_order_seed: int = 0
    classifier_hidden_size: int | None = None
    classifier_dropout: float | int = 0.5
    prompt: str | None = None
    prompt_input_ids: list[int] | tuple[int, ...] | None = None
    choice_hidden_size: int | None = None
    choice_dropout: float | int = 0.1
    projection_dim: int | None = 512
    contrastive_temperature: float | int = 0.05
    use_pair_scorer: bool = True
    pretraining_objectives: list[str] | tuple[str, ...] | None = None
    alignment_loss_weight: float | int = 0.1
    align_distillation_token: bool = False
    clip_order_hidden_size: int = 512
    clip_order_dropout: float | int = 0.5
    image_mean: list[float] | tuple[float, ...] = (0.485, 0.456, 0.406)
    image_std: list[float] | tuple[float, ...] = (0.229, 0.224, 0.225)
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        if self.id2label is not None and self.label2id is None:
            self.label2id = {label: int(index) for index, label in self.id2label.items()}
        elif self.label2id is not None and self.id2label is None:
            self.id2label = {int(index): label for label, index in self.label2id.items()}
        if self._auto_class is None and (others := pipelines_of_others(kwargs.pop("custom_pipelines", None))):
            kwargs["custom_pipelines"] = others  # where the package is imported, its own go before those of a folder
        super().__post_init__(**kwargs)
        if self.architectures is None:
            self.architectures = []  # AutoModel, which has two classes to choose from, goes over them
        if self.max_image_length == -1:
            self.max_image_length = None
        self._check_values()

    def _check_values(self):
        """Raise a `ValueError` that names the first field whose value no model can be built from."""
        for name, kind in AllInOneConfig.__annotations__.items():
            value = getattr(self, name)
            if kind in (int, int | None) and name not in _NO_SIZES and value is not None and value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1.")
            if name.endswith(("_prob", "_dropout", "_rate")) and not 0 <= value < 1:
                raise ValueError(f"{name} is {value}, but must be a probability in [0, 1).")
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size is {self.hidden_size}, which {self.num_attention_heads} attention heads do not divide; "
                "choose num_attention_heads so that it does."
            )
        if not isinstance(self.image_size, int) and len(self.image_size) != 2:
            raise ValueError(f"image_size is {self.image_size}, but expected one side, or height and width.")
        for side in self.image_height_width:
            if side < 1 or side % self.patch_size:
                raise ValueError(
                    f"image_size is {self.image_size}, not a positive multiple of patch_size={self.patch_size}."
                )
        if self.modality_type_vocab_size < 2:
            raise ValueError(
                f"modality_type_vocab_size is {self.modality_type_vocab_size}, but text and video need 2 types."
            )
        if self.problem_type not in (None, *_PROBLEM_TYPES):
            raise ValueError(
                f"problem_type is {self.problem_type!r}, but expected one of {', '.join(_PROBLEM_TYPES)}, or None."
            )
        if sorted(self.id2label) != list(range(max(self.num_labels, 1))):
            raise ValueError(
                f"id2label has the keys {sorted(self.id2label)[:10]}, but expected a name for each output: 0, 1, and "
                "so on."
            )
        if self.roll_divisor < 3:
            raise ValueError(
                f"roll_divisor is {self.roll_divisor}, but must be at least 3: one part moves forward, one backward, "
                "and some must stay."
            )
        self._check_prompt()
        if self.hidden_act not in ACT2FN:
            raise ValueError(f"hidden_act is {self.hidden_act!r}, but must be one of {', '.join(ACT2FN)}.")
        self._check_pretraining_objectives()
        if self.contrastive_temperature <= 0:
            raise ValueError(f"contrastive_temperature is {self.contrastive_temperature}, but must be above 0.")

    def _check_prompt(self):
        tokens = self.prompt_input_ids
        if (self.prompt is None) != (tokens is None):
            raise ValueError(
                f"prompt is {self.prompt!r} and prompt_input_ids is {tokens}, but they go together: give both, as "
                "processor.encode_prompt(text) makes them."
            )
        if tokens is None:
            return
        if not 1 <= len(tokens) <= self.max_position_embeddings:
            raise ValueError(
                f"prompt_input_ids has {len(tokens)} tokens, but expected 1 to {self.max_position_embeddings}."
            )
        if not all(0 <= token < self.vocab_size for token in tokens):
            raise ValueError(
                f"prompt_input_ids is {list(tokens)}, but expected tokens below vocab_size={self.vocab_size}."
            )

    def _check_pretraining_objectives(self):
        unknown = [name for name in self.pretraining_objectives or () if name not in PRETRAINING_OBJECTIVES]
        if unknown or self.pretraining_objectives in ([], ()):
            raise ValueError(
                f"pretraining_objectives is {list(self.pretraining_objectives)}, but expected some of "
                f"{', '.join(PRETRAINING_OBJECTIVES)}."
            )

    def to_dict(self) -> dict[str, Any]:
        """As in transformers; `peft` asks for it just before it looks up the layers that adapters go to by default."""
        name_targets()
        return super().to_dict()

    @property
    def chosen_pretraining_objectives(self) -> tuple[str, ...]:
        """Objectives that a pre-training model of this configuration has heads for."""
        objectives = self.pretraining_objectives
        fits = {
            "clip_order": 2 <= self.num_frames <= _MAX_ORDERED_FRAMES,
            "contrastive": self.projection_dim is not None,
        }
        if objectives is None:
            return tuple(name for name in PRETRAINING_OBJECTIVES if fits.get(name, True))
        if "clip_order" in objectives and not fits["clip_order"]:
            raise ValueError(
                f"pretraining_objectives names clip_order, which has a class for each order of 2 to "
                f"{_MAX_ORDERED_FRAMES} frames, but num_frames is {self.num_frames}."
            )
        if "contrastive" in objectives and not fits["contrastive"]:
            raise ValueError("pretraining_objectives names contrastive, but projection_dim is None.")
        return tuple(objectives)

    @classmethod
    def from_preset(cls, name: str, **overrides) -> "AllInOneConfig":
        """
        The configuration of one of the three sizes of the paper.

        Args:
            name (`str`): `"tiny"` or `"Ti"` (192 wide, 3 heads), `"small"` or `"S"` (384 wide, 6 heads, distillation
                token), `"base"` or `"B"` (768 wide, 12 heads); 12 blocks each. Case does not matter.
            **overrides: Any field of the configuration, to be set to another value.

        Returns:
            [`AllInOneConfig`]

        Raises:
            ValueError: If there is no preset of that name.
        """
        key = _PRESET_ALIASES.get(name.lower(), name.lower())
        if key not in _PRESETS:
            raise ValueError(f"There is no preset {name!r}; there are {', '.join(map(repr, _PRESETS))}.")
        return cls(**{**_PRESETS[key], **overrides})

    @property
    def image_height_width(self) -> tuple[int, int]:
        """Height and width of a frame, in pixels."""
        height, width = (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size
        return height, width

    @property
    def patch_grid(self) -> tuple[int, int]:
        """Rows and columns of the patch grid."""
        height, width = self.image_height_width
        return height // self.patch_size, width // self.patch_size

    @property
    def num_patches(self) -> int:
        """Number of patches of a frame."""
        rows, columns = self.patch_grid
        return rows * columns

    @property
    def num_special_visual_tokens(self) -> int:
        """Visual tokens before the patches: [CLS], and the distillation token where there is one."""
        return 2 if self.use_distillation_token else 1


__all__ = ["AllInOneConfig"]
