"""Model cards: the code on them runs as it stands, and their metadata is what the Hub reads."""

import re

import pytest
from huggingface_hub import ModelCard
from transformers import BertTokenizer

import modeling_allinone
from modeling_allinone import AllInOneConfig, AllInOneProcessor, AllInOneVideoProcessor
from modeling_allinone.model_card import create_model_card, to_eval_results

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
    (sample,) = re.findall(r"```python\n(.*?)```", card.text, re.DOTALL)
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
