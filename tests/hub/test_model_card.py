# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Model cards: the code on them runs as it stands, and their metadata is what the Hub reads."""

import re

import pytest
from huggingface_hub import ModelCard
from transformers import BertTokenizer

import modeling_allinone
from modeling_allinone import AllInOneConfig, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.hub.model_card import create_model_card, to_eval_results, update_scores

CLASSES = [name for name in modeling_allinone.__all__ if name.startswith("AllInOneFor") or name == "AllInOneModel"]
SIZES = {
    "vocab_size": 20,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 32,
    "modality_type_vocab_size": 3,
}


@pytest.mark.parametrize("projection_dim", (16, None))
@pytest.mark.parametrize("class_name", CLASSES)
def test_code_on_the_card_runs(tmp_path, monkeypatch, capsys, class_name, projection_dim):
    config = AllInOneConfig(**SIZES, projection_dim=projection_dim)
    getattr(modeling_allinone, class_name)(config).save_pretrained(tmp_path / 'my "model"')
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *["a", "man", "dog", "plays", "the", "guitar", "what", "is"],
    ]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=40)
    video_processor = AllInOneVideoProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    AllInOneProcessor(video_processor, tokenizer).save_pretrained(tmp_path / 'my "model"')

    create_model_card(config, class_name, 'my "model"', "Drawn at random.").save(tmp_path / "README.md")
    card = ModelCard.load(tmp_path / "README.md")
    (sample,) = re.findall(r"^```python\n(.*?)^```$", card.text, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(sample, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()
    assert f"`{class_name}`" in card.text


def test_metadata():
    scores = [{"dataset": "MSRVTT 1k-A", "split": "test", "metric": "recall@1", "value": 35.4, "task": "retrieval"}]
    card = create_model_card(
        AllInOneConfig(num_frames=1),
        "AllInOneForVideoTextRetrieval",
        "someone/retrieval",
        "Fine-tuned.",
        license="mit",
        base_model="someone/all-in-one",
        datasets=["someone/msrvtt"],
        scores=scores,
    )
    data = card.data.to_dict()
    assert data["model-index"][0]["name"] == "retrieval"
    (result,) = data["model-index"][0]["results"]
    assert result["dataset"] == {"name": "MSRVTT 1k-A", "type": "msrvtt-1k-a", "split": "test"}
    assert result["metrics"] == [{"type": "recall@1", "value": 35.4}]
    assert data["license"] == "mit" and data["base_model"] == "someone/all-in-one"
    assert data["datasets"] == ["someone/msrvtt"] and "arxiv:2203.07303" in data["tags"]
    assert "It sees one frame of a clip" in card.text


def test_code_and_processor_are_mentioned():
    config = AllInOneConfig()
    bare = create_model_card(config, "AllInOneForMaskedLM", "x", "", has_processor=False).text
    assert "needs the package `modeling_allinone`" in bare and "no processor here yet" in bare
    whole = create_model_card(config, "AllInOneForPairedVisualReasoning", "x", "", has_code=True).text
    assert "The code is in this repository" in whole and "no processor" not in whole
    assert 'AutoModel.from_pretrained("x", trust_remote_code=True)' in whole
    assert "import modeling_allinone" not in whole


@pytest.mark.parametrize("class_name", CLASSES)
def test_tasks_are_those_of_the_hub_and_of_the_class(class_name):
    # Of the Hub's list, https://huggingface.co/tasks and the data sets' categories, what these classes could be.
    own = {
        "AllInOneModel": "feature-extraction",
        "AllInOneForMaskedLM": "fill-mask",
        "AllInOneForVideoQuestionAnswering": "visual-question-answering",
        "AllInOneForMultipleChoice": "multiple-choice",
        "AllInOneForSequenceClassification": "text-ranking",
        "AllInOneForVideoTextRetrieval": "feature-extraction",
        "AllInOneForVideoClassification": "video-classification",
        "AllInOneForVisualCommonsenseReasoning": "visual-question-answering",
    }
    score = {"dataset": "a", "metric": "accuracy", "value": 0.5}
    data = create_model_card(AllInOneConfig(), class_name, "x", "", scores=[score]).data
    assert data.pipeline_tag == own.get(class_name)
    assert data.eval_results[0].task_type == own.get(class_name, "other")
    assert ("pipeline_tag" in data.to_dict()) == (class_name in own)


def test_pairs_alone_are_no_features():
    data = create_model_card(AllInOneConfig(projection_dim=None), "AllInOneForVideoTextRetrieval", "x", "").data
    assert data.pipeline_tag is None


def test_text_says_what_was_measured_and_how_it_was_trained():
    scores = [
        {
            "dataset": "a|b",
            "split": "test",
            "num_rows": 7,
            "metric": "accuracy",
            "value": 0.51237,
            "blank_video": 0.25,
        },
        {"dataset": "a|b", "split": "test", "num_rows": 7, "metric": "rank", "value": 3},
    ]
    training = {"learning rate": 1e-4, "seed": 3}
    config = AllInOneConfig(prompt="which | way?", prompt_input_ids=[1, 2])
    card = create_model_card(config, "AllInOneForVideoClassification", "x", "", scores=scores, training=training)
    assert "| data set | split | rows | metric | value | with blank video |" in card.text
    assert (
        "| a\\|b | test | 7 | accuracy | 0.5124 | 0.25 |\n| a\\|b | test | 7 | rank | 3 |  |\n\n## Intended"
        in card.text
    )
    assert "| learning rate | 0.0001 |\n| seed | 3 |" in card.text
    assert "`which \\| way?`" in card.text

    update_scores(card, [{"dataset": "c", "metric": "accuracy", "value": 1.0}])
    assert "| c | accuracy | 1 |\n\n## Intended" in card.text and "| a\\|b |" not in card.text
    assert [result.dataset_name for result in card.data.eval_results] == ["c"]
    bare = create_model_card(config, "AllInOneForVideoClassification", "x", "")
    assert "## Scores" not in bare.text
    update_scores(bare, [{"dataset": "c", "metric": "accuracy", "value": 1.0}])
    assert bare.text.count("| c | accuracy | 1 |") == bare.text.count("## Scores") == 1


@pytest.mark.parametrize(
    ("fields", "said", "unsaid"),
    (
        ({}, ("by token rolling", "fixed in inference", "English"), ("shift", "single frames")),
        ({"patch_order": "raster"}, ("by token rolling", "in their places"), ("fixed in inference",)),
        ({"temporal_mixing": "channel_shift"}, ("by a temporal shift",), ("rolling", "patches roll")),
        ({"temporal_mixing": "none"}, ("frames are read one by one",), ("rolling", "patches roll")),
        ({"num_frames": 1}, ("reads single frames",), ("rolling", "patches roll")),
    ),
)
def test_clauses_are_those_of_the_configuration(fields, said, unsaid):
    text = create_model_card(AllInOneConfig(**fields), "AllInOneModel", "x", "").text
    assert all(clause in text for clause in said) and not any(clause in text for clause in unsaid)
    unknown = create_model_card(AllInOneConfig(**fields), "AllInOneModel", "x", "", language=None)
    assert "English" not in unknown.text and "language" not in unknown.data.to_dict()


def test_import_stands_in_the_first_lines():
    lines = create_model_card(AllInOneConfig(), "AllInOneForMaskedLM", "x", "").text.strip().splitlines()
    assert "`import modeling_allinone` first" in " ".join(lines[:3])
    with_code = create_model_card(AllInOneConfig(), "AllInOneForMaskedLM", "x", "", has_code=True).text
    assert all(f"`{package}`" in with_code for package in ("transformers", "torch", "numpy", "Pillow", "av"))


@pytest.mark.parametrize(
    "score", ({}, {"dataset": "a", "metric": "b"}, "a", {"dataset": "a", "metric": "b", "value": 1, "x": 2})
)
def test_score_with_wrong_fields(score):
    with pytest.raises(ValueError, match="expected a mapping with dataset, metric, value and perhaps"):
        to_eval_results([score])


@pytest.mark.parametrize("value", ("46", None, True))
def test_score_that_is_no_number(value):
    with pytest.raises(ValueError, match="but expected a number"):
        to_eval_results([{"dataset": "a", "metric": "b", "value": value}])
