# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
PyTorch All-in-one model: one ViT that takes text and video through the same blocks.

Shapes in the comments: B clips, T frames, L text tokens, P patches, V = special visual tokens + P, D hidden size.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import ModelOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs, logging
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .attention_allinone import AllInOneAttention, has_query_dimension
from .configuration_allinone import AllInOneConfig
from .embeddings_allinone import AllInOneEmbeddings, AllInOneVisualEmbeddings, text_shape
from .linear_allinone import linear_of, make_linear
from .tasks_allinone import name_pipelines
from .temporal_mixing_allinone import roll_tokens, shift_channels

logger = logging.get_logger(__name__)


@dataclass
class AllInOneModelOutput(ModelOutput):
    """
    What [`AllInOneModel`] returns.

    Args:
        last_hidden_state (`torch.FloatTensor` of shape `(B, L + V, D)`):
            Tokens after the last block, its layer norm and the mean over frames: text first, then visual [CLS], then
            the distillation token where there is one, then patches. Only the modalities that were given, and of them
            the first `tokens_to_keep`.
        pooler_output (`torch.FloatTensor` of shape `(B, D)`, *optional*):
            The first token of `last_hidden_state` after a linear layer and tanh.
        hidden_states (`tuple` of `torch.FloatTensor` of shape `(B * T, L + V, D)`, *optional*):
            Embeddings, then the output of each block, frame by frame, before the last layer norm.
        attentions (`tuple` of `torch.FloatTensor` of shape `(B * T, heads, L + V, L + V)`, *optional*):
            Attention weights of each block; needs `attn_implementation="eager"`.
        patch_permutation (`torch.LongTensor` of shape `(B, T, P)`, *optional*):
            Raster index of the patch that stood at each place of each frame when the frame was embedded.
        visual_attention_mask (`torch.BoolTensor` of shape `(B, V)`, *optional*):
            Which visual tokens are no padding; `None` if all.
    """

    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    patch_permutation: torch.Tensor | None = None
    visual_attention_mask: torch.Tensor | None = None


# ---------------------------------------------------------------------------------------------------------------------
# Blocks
# ---------------------------------------------------------------------------------------------------------------------


class AllInOneMLP(nn.Module):
    """Two linear layers around an activation."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.fc1 = make_linear(config, config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = make_linear(config, config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor, norm: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Returns the shape of `hidden_states`, which pass through a norm first."""
        return linear_of(self.fc2, self._activate, linear_of(self.fc1, norm, hidden_states))

    def _activate(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """What goes into the second linear layer."""
        return self.dropout(self.activation(hidden_states))


class AllInOneDropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv 1603.09382): training drops a residual branch of whole samples."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def forward(self, branch: torch.Tensor) -> torch.Tensor:
        """Returns the shape of `branch`, whose first dimension counts the samples."""
        if not self.training or self.probability == 0.0:
            return branch
        keep = 1.0 - self.probability
        # A tensor of probabilities: compiled with a number, every block would be a graph of its own.
        kept = torch.full((branch.shape[0], *[1] * (branch.ndim - 1)), keep, device=branch.device).bernoulli()
        return branch * (kept / keep).to(branch.dtype)

    def extra_repr(self) -> str:
        return f"probability={self.probability:g}"


class AllInOneLayer(GradientCheckpointingLayer):
    """A pre-norm ViT block, at whose entry neighbouring frames exchange visual tokens."""

    def __init__(self, config: AllInOneConfig, layer_index: int):
        super().__init__()
        self.temporal_mixing = config.temporal_mixing
        self.roll_divisor = config.roll_divisor
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = AllInOneAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = AllInOneMLP(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.drop_path = AllInOneDropPath(config.drop_path_rate * layer_index / max(config.num_hidden_layers - 1, 1))

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        num_mixed_frames: int = 1,
        num_text_tokens: int = 0,
        num_visual_tokens: torch.Tensor | None = None,
        tokens_to_keep: int | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> torch.Tensor:
        """
        Args:
            hidden_states (`torch.Tensor` of shape `(B * T, L + V, D)`)
            attention_mask (`torch.Tensor`, *optional*): In the form the attention implementation wants.
            num_mixed_frames (`int`, defaults to 1): T if frames are to exchange tokens, else 1.
            num_text_tokens (`int`, defaults to 0): L.
            num_visual_tokens (`torch.LongTensor` of shape `(B,)`, *optional*): Visual tokens that are not padding.
            tokens_to_keep (`int`, *optional*): How many tokens to compute, from the first on. Default: all.

        Returns:
            `torch.Tensor` of shape `(B * T, tokens_to_keep or L + V, D)`
        """
        if num_mixed_frames > 1 and self.temporal_mixing == "token_roll":
            hidden_states = roll_tokens(
                hidden_states, num_mixed_frames, num_text_tokens, self.roll_divisor, num_visual_tokens
            )
        elif num_mixed_frames > 1 and self.temporal_mixing == "channel_shift":
            hidden_states = shift_channels(hidden_states, num_mixed_frames, num_text_tokens, self.roll_divisor)
        # Not the modules themselves, since Accelerate moves those among the arguments of others to where these are.
        norm, norm_after = self.layernorm_before.__call__, self.layernorm_after.__call__
        context, _ = self.attention(hidden_states, norm, attention_mask, tokens_to_keep, **kwargs)
        hidden_states = hidden_states[:, :tokens_to_keep] + self.drop_path(self.dropout(context))
        return hidden_states + self.drop_path(self.dropout(self.mlp(hidden_states, norm_after)))


class AllInOnePooler(nn.Module):
    """The first token, through a linear layer and tanh."""

    def __init__(self, config: AllInOneConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Returns (B, D) for (B, tokens, D)."""
        return torch.tanh(self.dense(hidden_states[:, 0]))


# ---------------------------------------------------------------------------------------------------------------------
# Model
# ---------------------------------------------------------------------------------------------------------------------


class AllInOnePreTrainedModel(PreTrainedModel):
    """Base class: initialisation, loading, and what transformers needs to know of the model."""

    config: AllInOneConfig
    config_class = AllInOneConfig
    base_model_prefix = "allinone"
    main_input_name = "input_ids"
    input_modalities = ["text", "video", "image"]
    supports_gradient_checkpointing = True
    # Losses are means over the batch: Trainer is to average them over accumulation steps and processes.
    accepts_loss_kwargs = False
    _no_split_modules = [
        "AllInOneTextEmbeddings",
        "AllInOnePatchProjection",
        "AllInOneVisualEmbeddings",
        "AllInOneLayer",
    ]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": AllInOneLayer, "attentions": AllInOneAttention}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if isinstance(module, (nn.Linear, nn.Conv2d)) and self.config.linear_initializer == "xavier_uniform":
            # The patch projection is a linear layer on the pixels of a patch, and starts like one.
            bound = (6 / (module.weight.shape[0] + module.weight[0].numel())) ** 0.5
            init.uniform_(module.weight, -bound, bound)
        elif isinstance(module, AllInOneVisualEmbeddings):
            for parameter in module.parameters(recurse=False):
                init.trunc_normal_(parameter, std=self.config.initializer_range)

    def save_pretrained(self, save_directory, *arguments, **keywords):
        """As transformers does; with its code, the own class is also that of `AutoModel`, and pipelines are named."""
        if self._auto_class is not None:
            name_pipelines(self)
            module = type(self).__module__.rpartition(".")[2]
            others = getattr(self.config, "auto_map", None) or {}
            self.config.auto_map = {**others, "AutoModel": f"{module}.{type(self).__name__}"}
        return super().save_pretrained(save_directory, *arguments, **keywords)

    @property
    def _backbone(self) -> "AllInOneModel":
        return cast(AllInOneModel, self.base_model)

    def post_init(self):
        """Prepare as transformers does, and name the heads as what quantisation is to leave as it is."""
        super().post_init()
        if getattr(self.config, "quantization_config", None) is not None:
            # Some are a single row, which schemes refuse or cannot reopen; all are small and decide the answer.
            self._keep_in_fp32_modules = self._keep_in_fp32_modules | self._names_of_heads()

    def _names_of_heads(self) -> set[str]:
        """Of what stands beside the backbone."""
        return {name for name, child in self.named_children() if child is not self._backbone is not self}

    def _get_dtype_plan(self, dtype: torch.dtype) -> dict:
        """Heads have the type of the backbone: float16, too, for which transformers would keep them in float32."""
        return {
            key: value for key, value in super()._get_dtype_plan(dtype).items() if key not in self._names_of_heads()
        }

    def _set_gradient_checkpointing(self, enable: bool = True, *arguments, **keywords):
        super()._set_gradient_checkpointing(enable, *arguments, **keywords)
        if enable:  # as transformers does, but only for models whose main input is called "input_ids"
            self.enable_input_require_grads()

    def enable_input_require_grads(self):
        """
        Let gradients flow from the embeddings on where all embeddings are frozen: re-entrant gradient checkpointing
        gives none to adapters and unfrozen blocks otherwise.
        """
        self.disable_input_require_grads()
        super().enable_input_require_grads()
        # Every pass adds the type of its modality, also one without text, or with inputs_embeds.
        modality_types = self._backbone.embeddings.modality_type_embeddings
        hook = modality_types.register_forward_hook(lambda module, inputs, output: output.requires_grad_())
        self._require_grads_hooks.append(hook)

    def tie_weights(self, *arguments, **keywords):
        """Tie words as transformers does, which goes on with a warning where a checkpoint has them untied."""
        super().tie_weights(*arguments, **keywords)
        if not self.config.tie_word_embeddings or not self._tied_weights_keys:
            return
        words, decoder = self.get_input_embeddings().weight, self.get_output_embeddings().weight
        if decoder is not words and not words.is_meta:  # on the disk, the two cannot be compared
            raise ValueError(
                "tie_word_embeddings is True, but the word embeddings of the checkpoint and the decoder of its "
                "masked-language-modelling head differ; load it with tie_word_embeddings=False."
            )

    def floating_point_ops(self, inputs: Mapping[str, Any], exclude_embeddings: bool = True) -> int:
        """
        Count the floating point operations of a training step, by Trainer's convention: backward costs twice what
        forward does, and a multiplication with its addition are 2.

        Args:
            inputs (mapping of `str` to `torch.Tensor`): What `forward` is given; shapes count, padding included.
            exclude_embeddings (`bool`, defaults to `True`): Has no effect, since looking up embeddings costs nothing;
                for calls that are made as those of transformers are.

        Returns:
            `int`: Operations of the patch projection, the blocks' matrix products, pooler and heads; norms,
            activations and what losses do with the scores are left out.
        """
        return 6 * self._multiply_adds(inputs)

    def _multiply_adds(self, inputs: Mapping[str, Any]) -> int:
        """Of a forward pass: here, of one over text and video, whose pooled outputs go through the head."""
        text, clips = input_shapes(inputs)
        head = sum(num_weights(child) for child in self.children() if child is not self._backbone)
        tokens_to_keep = None if self._backbone is self else 1
        return self._multiply_adds_of_pass(text, clips, tokens_to_keep) + num_rows(text, clips) * head

    def _multiply_adds_of_pass(
        self, text: tuple[int, ...], clips: tuple[int, ...], tokens_to_keep: int | None = 1, projects: bool = True
    ) -> int:
        """
        Of the backbone, for texts (…, L), clips (B, T, C, height, width), or images without T, or both, whose patches
        it projects or is given.
        """
        config, width = self.config, self.config.hidden_size
        num_tokens, num_frames, total = (text[-1] if text else 0), 1, 0
        if clips:
            num_frames = clips[1] if len(clips) == 5 else 1
            num_patches = (clips[-2] // config.patch_size) * (clips[-1] // config.patch_size)
            of_patch = config.num_channels * config.patch_size**2 * width
            total += clips[0] * num_frames * num_patches * of_patch if projects else 0
            num_tokens += config.num_special_visual_tokens + min(config.max_image_length or num_patches, num_patches)
        of_query = width**2 + 2 * width * config.intermediate_size + 2 * num_tokens * width  # and what is read of it
        num_queries = (config.num_hidden_layers - 1) * num_tokens + (tokens_to_keep or num_tokens)
        of_frame = config.num_hidden_layers * num_tokens * 3 * width**2 + num_queries * of_query
        total += num_rows(text, clips) * num_frames * of_frame
        return total + (num_rows(text, clips) * width**2 if self._backbone.pooler is not None else 0)

    def resize_num_frames(self, num_frames: int):
        """
        Make the temporal embedding cover another number of frames: frames that are no longer needed are cut, new ones
        start at zero, as in the original. With a distillation token there is none, and only the configuration changes.

        Args:
            num_frames (`int`): Number of frames, at least 1.

        Returns:
            The model itself.

        Raises:
            ValueError: If `num_frames` is less than 1.
        """
        if num_frames < 1:
            raise ValueError(f"num_frames is {num_frames}, but must be at least 1.")
        embeddings = self._backbone.embeddings.visual_embeddings
        if embeddings.temporal_embeddings is not None:
            old = embeddings.temporal_embeddings
            missing = max(num_frames - old.shape[1], 0)
            new = nn.functional.pad(old.detach()[:, :num_frames], (0, 0, 0, missing))
            embeddings.temporal_embeddings = nn.Parameter(new.clone(), requires_grad=old.requires_grad)
        self.config.num_frames = num_frames
        return self

    def get_output_embeddings(self) -> nn.Module | None:
        """The layer that maps to the vocabulary, if the model has one."""
        head = getattr(self, "mlm_head", None)
        return None if head is None else head.decoder

    def set_output_embeddings(self, new_embeddings: nn.Module):
        """Replace the layer that maps to the vocabulary."""
        self.get_submodule("mlm_head").decoder = new_embeddings

    def get_position_embeddings(self) -> nn.Embedding:
        """The text position table."""
        return self._backbone.embeddings.text_embeddings.position_embeddings

    def resize_position_embeddings(self, new_num_position_embeddings: int):
        """
        Make the text position table cover another number of tokens: positions that are no longer needed are cut, new
        ones start as copies of the old ones in turn, as in Longformer (Beltagy et al. 2020, arXiv 2004.05150), but
        for the first, at which [CLS] alone stands. Texts that fitted before are read as before.

        Args:
            new_num_position_embeddings (`int`): Longest text, in tokens, at least 1. The tokenizer's
                `model_max_length` is to follow it.

        Returns:
            The model itself.

        Raises:
            ValueError: If `new_num_position_embeddings` is less than 1.
        """
        if new_num_position_embeddings < 1:
            raise ValueError(f"new_num_position_embeddings is {new_num_position_embeddings}, but must be at least 1.")
        embeddings = self.get_position_embeddings()
        old = embeddings.weight
        num_old = old.shape[0]
        first = min(1, num_old - 1)
        source = torch.arange(new_num_position_embeddings, device=old.device)
        source[num_old:] = first + (source[num_old:] - num_old) % (num_old - first)
        embeddings.weight = nn.Parameter(old.detach()[source], requires_grad=old.requires_grad)
        embeddings.num_embeddings = new_num_position_embeddings
        self.config.max_position_embeddings = new_num_position_embeddings
        return self


class AllInOneModel(AllInOnePreTrainedModel):
    """
    The All-in-one backbone: text and each frame of a clip go through the same blocks together; between blocks, frames
    exchange a few patch tokens; at the end, frames are averaged.

    - *joint* (text and clip): every frame is read with the whole text, and tokens roll between frames;
    - *text only*, *video only*: no token rolls;
    - *image*: a clip of one frame, without temporal embedding and without rolling.

    Args:
        config ([`AllInOneConfig`]): Sizes and behaviour.
        add_pooling_layer (`bool`, defaults to `True`): Whether to compute `pooler_output`.
        use_mask_token (`bool`, defaults to `False`): Whether there is a token to put in place of masked patches.

    Example:

    ```python
    >>> import torch
    >>> from modeling_allinone import AllInOneConfig, AllInOneModel

    >>> model = AllInOneModel(AllInOneConfig.from_preset("tiny")).eval()
    >>> outputs = model(input_ids=torch.tensor([[101, 2054, 102]]), pixel_values=torch.zeros(1, 3, 3, 224, 224))
    >>> outputs.last_hidden_state.shape, outputs.pooler_output.shape  # 3 text tokens, [CLS], 196 patches
    (torch.Size([1, 200, 192]), torch.Size([1, 192]))

    ```
    """

    def __init__(self, config: AllInOneConfig, add_pooling_layer: bool = True, use_mask_token: bool = False):
        super().__init__(config)
        self.embeddings = AllInOneEmbeddings(config, use_mask_token)
        self.layers = nn.ModuleList([AllInOneLayer(config, index) for index in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.pooler = AllInOnePooler(config) if add_pooling_layer else None
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings."""
        return self.embeddings.text_embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Module):
        """Replace the word embeddings."""
        self.embeddings.text_embeddings.word_embeddings = value

    def project_patches(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """
        The first step of reading clips, the linear layer on the pixels of each patch.

        Args:
            pixel_values (`torch.FloatTensor`): As in [`AllInOneModel.forward`].

        Returns:
            `torch.FloatTensor` of shape `(B, T, P, D)`: `patch_embeds` of [`AllInOneModel.forward`].
        """
        clips = pixel_values[:, None] if pixel_values.ndim == 4 else pixel_values
        return self.embeddings.visual_embeddings.project_patches(clips)

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        patch_permutation: torch.Tensor | None = None,
        image_token_type_idx: int = 1,
        texts_per_clip: int = 1,
        bool_masked_pos: torch.Tensor | None = None,
        tokens_to_keep: int | None = None,
        patch_embeds: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> AllInOneModelOutput:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): Text tokens.
            attention_mask (`torch.Tensor` of shape `(B, L)`, *optional*): 1 for text, 0 for padding. Default: all 1.
            token_type_ids (`torch.LongTensor` of shape `(B, L)`, *optional*): BERT's token types. Default: 0.
            pixel_values (`torch.FloatTensor` of shape `(B, T, channels, height, width)`, *optional*): Normalised
                frames, from 1 to `config.num_frames`; or `(B, channels, height, width)` for images. Height and width
                are multiples of `config.patch_size`.
            pixel_mask (`torch.Tensor` of shape `(B, height, width)` or `(B, T, height, width)`, *optional*): 1 for
                pixels, 0 for padding at the right and at the bottom. Default: no padding.
            inputs_embeds (`torch.FloatTensor` of shape `(B, L, D)`, *optional*): Word embeddings instead of
                `input_ids`.
            patch_permutation (`torch.LongTensor` of shape `(B, T, P)`, *optional*): Raster index of the patch to stand
                at each place of each frame; fewer than P drop the others. Default: by `config.patch_order`.
            image_token_type_idx (`int`, defaults to 1): Modality type of the clip.
            texts_per_clip (`int`, defaults to 1): With N > 1, rows `b * N` to `b * N + N - 1` of the text belong to
                clip b, which is embedded once.
            bool_masked_pos (`torch.BoolTensor` of shape `(B, T, P)`, *optional*): Patches, in raster order, to be
                replaced by the mask token. Needs `use_mask_token`.
            tokens_to_keep (`int`, *optional*): How many tokens of `last_hidden_state` to compute, from the first on:
                1 for what `pooler_output` is made of, L for the text. The last block and its layer norm leave out the
                others; those that are kept have the same values. Default: all, as also where hidden states or
                attentions are asked for.
            patch_embeds (`torch.FloatTensor` of shape `(B, T, P, D)`, *optional*): What [`project_patches`] makes of
                `pixel_values`, for those who read the same clips several times.

        Returns:
            [`AllInOneModelOutput`]

        Raises:
            ValueError: If inputs are missing, do not fit one another, or exceed what the model covers.
        """
        implementation = self.config._attn_implementation
        if kwargs.get("output_attentions") and implementation.startswith(("sdpa", "flash", "flex")):
            logger.warning_once(
                f"output_attentions is true, but {implementation!r} attention keeps no weights, so there are none; "
                "load the model with attn_implementation='eager', or call model.set_attn_implementation('eager')."
            )
        if kwargs.pop("past_key_values", None) is not None:  # type: ignore[typeddict-item]  # what peft gives
            raise ValueError(
                "past_key_values are given, as prefix tuning does, but this model reads all tokens at once and keeps "
                "none; tune prompts (PromptTuningConfig), or use LoRA or IA3."
            )
        if input_ids is not None and inputs_embeds is not None:
            raise ValueError("Both input_ids and inputs_embeds were given; give one of them.")
        words = input_ids if inputs_embeds is None else inputs_embeds
        if words is None and pixel_values is None:
            raise ValueError("Neither text (input_ids or inputs_embeds) nor video (pixel_values) was given.")

        parts: list[tuple[torch.Tensor, torch.Tensor | None]] = []  # tokens and mask of each modality
        num_text_tokens, num_frames = 0, 1
        visual_mask = num_visual_tokens = None
        if words is not None:
            _, num_text_tokens = shape = text_shape(input_ids, inputs_embeds, 2)
            if attention_mask is not None and attention_mask.shape != shape:
                raise ValueError(
                    f"attention_mask has shape {tuple(attention_mask.shape)}, but the text has shape {shape}."
                )
            text = self.embeddings.embed_text(words, token_type_ids)  # (B, L, D)
            parts.append((text[:, None], attention_mask))
        if pixel_values is not None:
            visual, num_visual_tokens, patch_permutation = self.embeddings.embed_video(
                pixel_values[:, None] if pixel_values.ndim == 4 else pixel_values,
                pixel_mask,
                patch_permutation,
                image_token_type_idx,
                bool_masked_pos,
                patch_embeds,
            )  # (B, T, V, D)
            num_frames = visual.shape[1]
            if texts_per_clip > 1:
                visual = _repeat_rows(visual, texts_per_clip)
            if num_visual_tokens is not None:
                num_visual_tokens = _repeat_rows(num_visual_tokens, texts_per_clip)
                places = torch.arange(visual.shape[2], device=visual.device)
                visual_mask = places < num_visual_tokens[:, None]  # (B, V)
            parts.append((visual, visual_mask))
        if parts[0][0].shape[0] != parts[-1][0].shape[0]:
            raise ValueError(
                f"The batch has {parts[0][0].shape[0]} texts but {parts[1][0].shape[0] // texts_per_clip} clips with "
                f"{texts_per_clip} text(s) each; give one text for each clip, or set texts_per_clip."
            )

        hidden_states, token_mask = _join_modalities(parts, num_frames)
        block_mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=hidden_states, attention_mask=token_mask
        )
        if has_query_dimension(block_mask):
            block_mask = block_mask[:, :, :1]  # every token reads the same ones
        if tokens_to_keep is not None and tokens_to_keep < 1:
            raise ValueError(f"tokens_to_keep is {tokens_to_keep}, but must be at least 1.")
        if any(kwargs.get(name, getattr(self.config, name)) for name in ("output_hidden_states", "output_attentions")):
            tokens_to_keep = None
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            hidden_states = layer(
                hidden_states,
                block_mask,
                num_mixed_frames=num_frames if num_text_tokens else 1,
                num_text_tokens=num_text_tokens,
                num_visual_tokens=num_visual_tokens,
                tokens_to_keep=tokens_to_keep if index == last else None,
                **kwargs,
            )
        last_hidden_state = self.layernorm(hidden_states)
        if num_frames > 1:
            last_hidden_state = last_hidden_state.unflatten(0, (-1, num_frames)).mean(dim=1)
        return AllInOneModelOutput(
            last_hidden_state=last_hidden_state,
            pooler_output=self.pooler(last_hidden_state) if self.pooler is not None else None,
            patch_permutation=patch_permutation,
            visual_attention_mask=visual_mask,
        )


def input_shapes(inputs: Mapping[str, Any], prefix: str = "") -> tuple[tuple[int, ...], tuple[int, ...]]:
    """
    Shapes of what a model is given.

    Args:
        inputs (mapping of `str` to `torch.Tensor`): What `forward` is given.
        prefix (`str`, defaults to `""`): What the name of the text begins with.

    Returns:
        Shape of the texts in tokens (…, L), and of the clips; each empty where there are none.
    """
    tokens, embeddings, pixels = (inputs.get(name) for name in (f"{prefix}input_ids", "inputs_embeds", "pixel_values"))
    if tokens is None and embeddings is not None:
        tokens = embeddings[..., 0]
    return () if tokens is None else tuple(tokens.shape), () if pixels is None else tuple(pixels.shape)


def num_rows(text: tuple[int, ...], clips: tuple[int, ...]) -> int:
    """How many pooled outputs a pass has: one for each text, or for each clip where one text is for all."""
    return max(math.prod(text[:-1]) if text else 0, clips[0] if clips else 0)


def num_weights(module: nn.Module | None) -> int:
    """How many multiplications with their additions the linear layers of a head make of one row; 0 without one."""
    layers = () if module is None else module.modules()
    return sum(layer.weight.numel() for layer in layers if isinstance(layer, nn.Linear))


def _join_modalities(
    parts: list[tuple[torch.Tensor, torch.Tensor | None]], num_frames: int
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """
    Tokens (B, T or 1, n, D) of each modality one after the other in each frame (B·T, L + V, D), and which of them are
    not padding (B·T, L + V), or `None` if all; of the masks (B, n).
    """
    tokens = torch.cat([part.expand(-1, num_frames, -1, -1) for part, _ in parts], dim=2).flatten(0, 1)
    if all(mask is None for _, mask in parts):
        return tokens, None
    masks = [torch.ones(part.shape[::2], device=part.device) if mask is None else mask for part, mask in parts]
    return tokens, _repeat_rows(torch.cat([mask.bool() for mask in masks], dim=1), num_frames)


def _repeat_rows(rows: torch.Tensor, times: int) -> torch.Tensor:
    """Each row (n, …) as many times, one after the other (n·times, …)."""
    # repeat_interleave does the same, but ONNX of it fails where the number is not known before the graph runs.
    return rows[:, None].expand(-1, times, *rows.shape[1:]).flatten(0, 1)


__all__ = ["AllInOneModel", "AllInOneModelOutput", "AllInOnePreTrainedModel"]
