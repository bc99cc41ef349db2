# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What transformers asks of every model: names of inputs, frozen embeddings, costs, tied weights, chosen states."""

import copy
import inspect

import pytest
import torch
from head_batches import HEADS, LABELS, make_batch
from peft import (
    AdaLoraConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoraConfig,
    PrefixTuningConfig,
    PromptTuningConfig,
    get_peft_model,
)
from peft.utils.constants import (
    TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING,
    TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING,
)
from torch.utils.flop_counter import FlopCounterMode
from transformers.loss.loss_utils import ForSequenceClassificationLoss

from modeling_allinone import AllInOneForMaskedLM, AllInOneModel
from modeling_allinone.models import linear_allinone
from modeling_allinone.training.distributed import count_labelled
from modeling_allinone.training.trainer import AllInOneTrainer, AllInOneTrainingArguments, VideoClassificationTrainer

pytestmark = pytest.mark.usefixtures("modules_are_not_collected")


@pytest.fixture
def build(tiny_config, tiny_inputs):
    """Make a tiny model in evaluation mode, and a batch with labels; keywords change the configuration."""

    def make(head: str, attn_implementation: str = "sdpa", **fields):
        cls, kind, labels = HEADS[head]
        config = tiny_config(projection_dim=6, clip_order_hidden_size=8, patch_order="raster", **fields)
        model = cls._from_config(config, attn_implementation=attn_implementation).eval()
        inputs = tiny_inputs()
        texts = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        if kind == "embeds":
            batch = {"inputs_embeds": torch.randn(2, 7, 32), "pixel_values": inputs["pixel_values"]}
        else:
            batch = make_batch(kind, texts, inputs["pixel_values"])
        return model, batch | labels

    return make


@pytest.mark.parametrize("cls", {cls: None for cls, *_ in HEADS.values()} | {AllInOneModel: None})
def test_the_main_input_is_what_forward_begins_with(cls):
    assert cls.main_input_name == list(inspect.signature(cls.forward).parameters)[1]


# --------------------------------------------------------------------------------------------- frozen embeddings


@pytest.mark.parametrize("head", [head for head in HEADS if head != "no_target"])
def test_blocks_learn_though_embeddings_are_frozen(build, head):
    """Re-entrant checkpointing gives no gradient to what no input needs one for."""
    model, batch = build(head)
    model.requires_grad_(False)
    adapters = [layer.attention.out_proj.weight.requires_grad_() for layer in model.base_model.layers]

    def gradients():
        model.zero_grad()
        torch.manual_seed(1)
        model(**batch).loss.backward()
        return [adapter.grad.clone() for adapter in adapters]

    expected = gradients()
    model.train()  # checkpoints are of training alone; dropout off, so that the numbers are the same
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) or hasattr(module, "probability"):
            module.eval()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    actual = gradients()
    assert all(gradient.any() for gradient in actual)
    torch.testing.assert_close(actual, expected)
    torch.optim.SGD(adapters, lr=1.0).step()
    model.gradient_checkpointing_disable()
    assert not torch.equal(gradients()[0], expected[0])


def test_hooks_for_frozen_embeddings_are_not_doubled(build):
    model, _ = build("classes_without_text")
    modality_types = model.base_model.embeddings.modality_type_embeddings
    for _ in range(2):
        model.gradient_checkpointing_enable()
        model.enable_input_require_grads()
    assert len(modality_types._forward_hooks) == len(model.get_input_embeddings()._forward_hooks) == 1
    model.disable_input_require_grads()
    assert not modality_types._forward_hooks and not model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize("head", ("classes_without_text", "commonsense"))
def test_adapters_of_peft_learn(build, head):
    model, batch = build(head)
    model = get_peft_model(model, LoraConfig(r=2, target_modules=["qkv"])).train()
    model.gradient_checkpointing_enable({"use_reentrant": True})
    model(**batch).loss.backward()
    gradients = [parameter.grad for name, parameter in model.named_parameters() if "lora_B" in name]
    assert len(gradients) == 2 and all(gradient.any() for gradient in gradients)


ADAPTERS = {
    "LoRA": (LoraConfig(r=2), "lora_B", 2),
    "AdaLoRA": (AdaLoraConfig(total_step=9), "lora_E", 2),
    "IA3": (IA3Config(), "ia3_l", 4),
    "LoHa": (LoHaConfig(r=2), "hada_", 8),
    "LayerNorm": (LNTuningConfig(), "layernorm_", 8),
}


@pytest.mark.door("adapters of peft, on every head, by default", "peft")
@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("head", {cls: head for head, (cls, *_) in HEADS.items() if head != "no_target"}.values())
def test_adapters_know_where_to_go(build, head, adapter):
    """In all blocks, and nowhere else."""
    config, name, expected = ADAPTERS[adapter]
    model, batch = build(head)
    model = get_peft_model(model, copy.deepcopy(config)).train()
    new = {key: parameter for key, parameter in model.named_parameters() if name in key and parameter.requires_grad}
    assert len(new) == expected and all(".layers." in key for key in new)
    if adapter == "AdaLoRA":  # which starts at 0 with all factors but one
        with torch.no_grad():
            for parameter in new.values():
                parameter.fill_(1.0)
    model(**batch).loss.backward()
    learning = [
        key for key, parameter in model.named_parameters() if parameter.grad is not None and parameter.grad.any()
    ]
    assert set(new) & set(learning)
    assert all(".layers." in key for key in learning)


def test_adapters_know_where_to_go_however_late_peft_comes(build, monkeypatch):
    """As if it were imported after the model was made; and what it was told before stays."""
    model, _ = build("answers")
    monkeypatch.delitem(TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING, "allinone", raising=False)
    monkeypatch.setitem(TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING, "allinone", ["fc1"])
    get_peft_model(model, IA3Config())
    assert TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING["allinone"] == ["qkv", "fc2"]
    assert TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING["allinone"] == ["fc1"]


def test_tuned_prompts_stand_before_the_text_and_prefixes_are_refused(build):
    for config in (
        PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=3),
        PrefixTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=3),
    ):
        model, batch = build("answers")
        model = get_peft_model(model, config).train()
        if isinstance(config, PrefixTuningConfig):
            with pytest.raises(ValueError, match="past_key_values are given, as prefix tuning does"):
                model(**batch)
        else:
            model(**batch).loss.backward()
            (learning,) = [parameter for parameter in model.parameters() if parameter.requires_grad]
            assert learning.shape == (3, 32) and learning.grad.any()


# --------------------------------------------------------------------------------------------------------- costs


@pytest.mark.parametrize("head", HEADS)
def test_operations_are_those_that_torch_counts(build, head, monkeypatch):
    monkeypatch.setattr(linear_allinone, "_HAS_FASTER_KERNEL", False)  # which is given rows of zeros as well
    # Similarities and the transport plan of alignment are left out.
    compares = {"features", "hard_negatives", "contrast_alone", "one_pass", "own_passes", "hard_clips"}
    few_patches = {"max_image_length": 5, "use_distillation_token": True}
    prompt = {"prompt": "what action", "prompt_input_ids": [2, 7, 8, 3]}
    for fields in (
        {},
        {"answers": few_patches, "one_pass": few_patches, "classes_without_text": prompt}.get(head, {}),
    ):
        model, batch = build(head, attn_implementation="eager", **fields)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(**batch)
        expected = 3 * counter.get_total_flops()
        assert model.floating_point_ops(batch) == pytest.approx(expected, rel=0.004 if head in compares else 0)


def train(trainer_class, model, rows, folder, **arguments):
    """The state after one step over all rows."""
    trainer = trainer_class(
        model,
        AllInOneTrainingArguments(
            folder,
            max_steps=1,
            per_device_train_batch_size=len(rows),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            **arguments,
        ),
        train_dataset=rows,
    )
    trainer.train()
    return trainer.state


@pytest.mark.parametrize(("counts", "expected"), (("all", 14), ("non_padding", 10)))
def test_trainer_counts_tokens_of_text(build, tmp_path, counts, expected):
    model, batch = build("answers")
    rows = [{name: value[row] for name, value in batch.items()} for row in range(2)]
    state = train(AllInOneTrainer, model, rows, tmp_path, include_num_input_tokens_seen=counts)
    assert state.num_input_tokens_seen == expected
    assert state.total_flos == model.floating_point_ops(batch)


def test_trainer_counts_operations_of_every_view(build, tmp_path):
    model, batch = build("classes_without_text")
    rows = [{"pixel_values": batch["pixel_values"], "labels": torch.tensor(row)} for row in range(2)]
    state = train(VideoClassificationTrainer, model, rows, tmp_path)
    assert state.total_flos == 2 * model.floating_point_ops(batch)


# -------------------------------------------------------------------------------------------------- tied weights


@pytest.mark.parametrize("head", ("masked_lm", "one_pass"))
def test_words_are_tied_on_demand(build, head, tmp_path):
    model, batch = build(head, tie_word_embeddings=True)
    words, decoder = model.get_input_embeddings(), model.get_output_embeddings()
    assert decoder.weight is words.weight
    model(**batch).loss.backward()
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    model.save_pretrained(tmp_path)
    loaded, report = type(model).from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    torch.testing.assert_close(loaded(**batch).loss, model(**batch).loss)
    loaded.resize_token_embeddings(120)
    assert loaded.get_output_embeddings().weight is loaded.get_input_embeddings().weight
    assert loaded.get_output_embeddings().bias.shape == (120,)


def test_an_untied_checkpoint_is_not_loaded_as_tied(build, tmp_path):
    model, _ = build("one_pass")
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"tie_word_embeddings is True, but the word embeddings .* differ"):
        AllInOneForMaskedLM.from_pretrained(tmp_path, tie_word_embeddings=True)


def test_tied_words_need_no_head(build):
    model, batch = build("no_target", tie_word_embeddings=True, pretraining_objectives=["matching"])
    assert model(**batch).matching_logits.shape == (2, 2)


# ------------------------------------------------------------------------------------------------- hidden states


@pytest.mark.parametrize("chosen", ([0, 4, -1], 3, [-5], [0, 17], True))
def test_indices_of_hidden_states_count_through_both_passes_of_a_pair(build, chosen):
    model, batch = build("pairs")
    every = model(**batch, output_hidden_states=True).hidden_states
    found = model(**batch, output_hidden_states=chosen).hidden_states
    indices = range(6) if chosen is True else [chosen] if isinstance(chosen, int) else chosen
    assert len(every) == len(found) == 6
    wanted = {index % 6 for index in indices if index < 6}
    assert {index for index, state in enumerate(found) if state is not None} == wanted
    for index in wanted:
        torch.testing.assert_close(found[index], every[index])
    assert model(**batch, output_hidden_states=[]).hidden_states is None


def test_pretraining_returns_the_hidden_states_that_are_chosen(build):
    model, batch = build("one_pass")
    every = model(**batch, output_hidden_states=True)
    chosen = model(**batch, output_hidden_states=[0, -2])
    torch.testing.assert_close(chosen.loss, every.loss)
    assert chosen.hidden_states[2] is None
    torch.testing.assert_close(chosen.hidden_states[:2], every.hidden_states[:2])


# -------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("num_labels", "labels", "problem_type"),
    (
        (1, torch.tensor([0.5, -100.0]), "regression"),
        (1, torch.tensor([[0.5], [2.0]]), "regression"),
        (3, torch.tensor([2, 0]), "single_label_classification"),
        (3, torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]), "multi_label_classification"),
    ),
)
def test_classes_have_the_loss_of_the_librarys_heads(build, num_labels, labels, problem_type):
    model, batch = build("classes_without_text", num_labels=num_labels)
    outputs = model(**batch | {"labels": labels})
    assert model.config.problem_type == problem_type, "the first labels decide"
    expected = ForSequenceClassificationLoss(labels, outputs.logits, copy.deepcopy(model.config))
    torch.testing.assert_close(outputs.loss, expected)


def test_regression_of_several_numbers(build):
    model, batch = build("classes", num_labels=3, problem_type="regression")
    labels = torch.tensor([[1, 2, 3], [4, 5, 6]])
    outputs = model(**batch | {"labels": labels})
    torch.testing.assert_close(outputs.loss, (outputs.logits - labels).square().mean())


def test_classes_without_a_label_are_left_out(build):
    model, batch = build("classes", num_labels=3)
    labels = torch.tensor([[0.0, 1.0, 0.5], [-100.0] * 3])
    loss = model(**batch | {"labels": labels}).loss
    alone = {name: value[:1] for name, value in (batch | {"labels": labels}).items()}
    torch.testing.assert_close(loss, model(**alone).loss)
    assert count_labelled(labels) == 1 and count_labelled(torch.tensor([-100.0, 1.0])) == 2


@pytest.mark.parametrize(
    ("head", "fields", "labels", "message"),
    (
        ("classes", {}, torch.tensor([0, 3]), "labels holds 3, but expected a class from 0 to 2, or -100"),
        ("classes", {}, torch.tensor([True, False]), r"type torch.bool, but expected integers of shape \(2,\)"),
        ("classes", {}, torch.zeros(2), r"soft labels need \(2, 3\).* as config.problem_type is 'multi_label_class"),
        (
            "classes",
            {},
            torch.zeros(2, 3).long(),
            r"expected integers of shape \(2,\), as config.problem_type is 'sin",
        ),
        (
            "classes",
            {"problem_type": "single_label_classification"},
            torch.zeros(2, 3),
            "config.problem_type is 'sing",
        ),
        ("classes", {"problem_type": "multi_label_classification"}, LABELS, "config.problem_type is 'multi_label"),
        ("classes", {"problem_type": "regression"}, torch.zeros(2), r"each of 3 outputs in shape \(2, 3\), as config"),
        ("classes", {"num_labels": 1}, torch.tensor([0.0, float("nan")]), "labels holds NaN or infinity"),
        (
            "answers",
            {"problem_type": "single_label_classification"},
            torch.zeros(2, 3),
            "config.problem_type is 'sing",
        ),
        ("answers", {"problem_type": "multi_label_classification"}, LABELS, "config.problem_type is 'multi_label"),
        ("answers", {"problem_type": "regression"}, LABELS, "problem_type is 'regression', but answers are chosen or"),
        (
            "pairs",
            {"problem_type": "multi_label_classification"},
            LABELS,
            "but a pair has one class: expected 'single",
        ),
        ("pairs", {}, torch.zeros(2, 3), r"type torch.float32, but expected integers of shape \(2,\)"),
        ("choices", {}, torch.tensor([0.0, 1.0]), r"type torch.float32, but expected integers of shape \(2,\)"),
        ("masked_lm", {}, torch.zeros(2, 7), r"type torch.float32, but expected integers of shape \(2, 7\)"),
        ("masked_lm", {}, torch.full((2, 7), 99), "labels holds 99, but expected a class from 0 to 98"),
    ),
)
def test_labels_that_do_not_fit_are_refused(build, head, fields, labels, message):
    with pytest.raises(ValueError, match=message):
        model, batch = build(head, **{"num_labels": 3, **fields})
        model(**batch | {"labels": labels})


def test_soft_labels_of_answers_keep_the_loss_of_the_original(build):
    model, batch = build("answers", num_labels=3, problem_type="multi_label_classification")
    labels = torch.tensor([[0.0, 0.3, 1.0], [0.6, 0.0, 0.0]])
    outputs = model(**batch | {"labels": labels})
    expected = torch.nn.functional.binary_cross_entropy_with_logits(outputs.logits, labels) * 3
    torch.testing.assert_close(outputs.loss, expected)
