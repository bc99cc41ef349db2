# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Models as graphs that ONNX Runtime and OpenVINO run, equal to the models at sizes that they were not made with."""

import copy
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from head_batches import make_batch

import modeling_allinone
from modeling_allinone import AllInOneForMaskedLM, AllInOneProcessor, AllInOneVideoProcessor, Predictor
from modeling_allinone.cli.app import main
from modeling_allinone.datasets import load_moving_shapes, write_moving_shapes
from modeling_allinone.integrations import onnx_export
from modeling_allinone.integrations.onnx_export import export_onnx
from modeling_allinone.integrations.onnx_model import load_onnx

CHECKPOINT = Path(__file__).parents[2] / "examples/checkpoints/moving-shapes"
HEADS = {
    "AllInOneModel": "joint",
    "AllInOneForMaskedLM": "joint",
    "AllInOneForMultipleChoice": "texts",
    "AllInOneForPairedVisualReasoning": "two clips",
    "AllInOneForPreTraining": "joint",
    "AllInOneForSequenceClassification": "joint",
    "AllInOneForVideoClassification": "video",
    "AllInOneForVideoQuestionAnswering": "joint",
    "AllInOneForVideoTextRetrieval": "joint",
    "AllInOneForVisualCommonsenseReasoning": "answers",
}
ONNX = pytest.mark.door("ONNX, in ONNX Runtime", "onnx", "onnxruntime")
OPENVINO = pytest.mark.door("ONNX, in OpenVINO", "openvino")
INT8 = pytest.mark.door("ONNX in int8, in ONNX Runtime", "onnx", "onnxruntime")
each_runtime = pytest.mark.parametrize(
    "runtime", [pytest.param("onnxruntime", marks=ONNX), pytest.param("openvino", marks=OPENVINO)]
)


@pytest.fixture(scope="module")
def make_model(tiny_config):
    """Make a tiny model whose patches are in random order, as is the default."""

    def make(name: str, **fields) -> torch.nn.Module:
        torch.manual_seed(0)
        if name != "AllInOneForSequenceClassification":
            fields["id2label"] = {0: "red", 1: "green", 2: "blue"}
        if name == "AllInOneForVideoClassification":
            fields |= {"prompt": "what", "prompt_input_ids": [2, 7, 3]}
        config = tiny_config(**{"num_hidden_layers": 1, "projection_dim": 8, **fields})
        return getattr(modeling_allinone, name)(config).eval()

    return make


@pytest.fixture(scope="module")
def exported(tmp_path_factory, make_model, processor):
    """A model that answers questions, and the folders of it and of what the command made of it."""
    folder = tmp_path_factory.mktemp("exported")
    # Of the last block, only what is read is computed: two blocks are the least that show both kinds.
    model = make_model("AllInOneForVideoQuestionAnswering", num_hidden_layers=2)
    model.save_pretrained(folder / "model")
    processor.save_pretrained(folder / "model")
    assert main(["export-onnx", str(folder / "model"), str(folder / "onnx")]) == 0
    return model, folder / "model", folder / "onnx"


@each_runtime
def test_answers_are_the_models(runtime, exported, processor, rows):
    model, _, folder = exported
    asked = [(row["video"], row["caption"]) for row in rows]
    expected = [Predictor(model, processor).ask(*one).top_k for one in asked]
    got = [Predictor(*load_onnx(folder, runtime)).ask(*one).top_k for one in asked]
    assert [[one["answer"] for one in best] for best in got] == [[one["answer"] for one in best] for best in expected]
    scores = [[[one["score"] for one in best] for best in both] for both in (got, expected)]
    np.testing.assert_allclose(*scores, atol=1e-6)


@pytest.mark.slow
@OPENVINO
def test_models_that_close_in_any_order_leave_signals_alone(exported):
    """OpenVINO puts a stack of its own in the place of the one that signal handlers run on."""
    program = """
import gc, os, signal, sys
from modeling_allinone.integrations.onnx_model import load_onnx
signal.signal(signal.SIGCHLD, lambda *notice: None)
models = [load_onnx(sys.argv[1], "openvino") for _ in range(2)]
while models:
    del models[0]
    gc.collect()
os.kill(os.getpid(), signal.SIGCHLD)
"""
    subprocess.run([sys.executable, "-c", program, str(exported[2])], check=True, timeout=200)


@INT8
def test_int8_is_smaller_and_close(exported, processor, tiny_inputs, tmp_path):
    model, _, folder = exported
    export = export_onnx(model, processor, tmp_path / "int8", int8=True)
    assert 0 < export.largest_difference < 0.1 * export.largest_number
    sizes = [(place / "model.onnx").stat().st_size for place in (tmp_path / "int8", folder)]
    assert sizes[0] < sizes[1]
    inputs = tiny_inputs()
    with torch.no_grad():
        expected = model(**inputs).logits
    difference = (load_onnx(tmp_path / "int8")[0](**inputs).logits - expected).abs().max()
    assert 0 < difference < 0.1 * expected.abs().max()


@INT8
def test_int8_leaves_pooler_and_heads_as_they_are(exported, processor, tmp_path):
    model, _, _ = exported
    export_onnx(model, processor, tmp_path / "int8", int8=True)
    graph = onnx.load(tmp_path / "int8/model.onnx").graph
    kept = [onnx.numpy_helper.to_array(one) for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT]
    for linear in (model.allinone.pooler.dense, model.classifier.dense, model.classifier.out_proj):
        weights = linear.weight.detach().numpy()
        assert any(np.array_equal(one, weights) or np.array_equal(one, weights.T) for one in kept)
    num_rounded = sum(node.op_type == "MatMulInteger" for node in graph.node)
    assert num_rounded == 4 * model.config.num_hidden_layers


@pytest.mark.slow
@each_runtime
@pytest.mark.parametrize("name", HEADS)
def test_every_head_gives_the_models_numbers(name, runtime, make_model, processor, tmp_path):
    """Compared by the export itself in ONNX Runtime; by the same comparison in OpenVINO."""
    model = make_model(name)
    export = export_onnx(model, processor, tmp_path / "onnx")
    assert export.largest_difference < 1e-5 < export.largest_number
    if runtime == "openvino":
        graphs = onnx_export._graphs_of(model, processor)
        difference, _ = onnx_export._compare(model, graphs, tmp_path / "onnx", runtime)
        assert difference < 1e-5


@pytest.mark.slow
@ONNX
@pytest.mark.parametrize(
    "fields, options",
    [
        ({}, {"do_pad": True, "do_center_crop": False, "size_divisor": 8}),
        ({"patch_order": "raster"}, {"do_pad": True, "do_center_crop": False, "size_divisor": 8}),
        ({"max_image_length": 5}, {}),
        ({"max_image_length": 5}, {"do_pad": True, "do_center_crop": False, "size_divisor": 8}),
        ({"temporal_mixing": "channel_shift"}, {"do_center_crop": False}),
        ({"use_distillation_token": True}, {}),
        ({"num_frames": 1}, {}),
        ({"image_size": 48}, {}),
        ({"patch_order": "raster", "attn_implementation": "eager"}, {}),
    ],
)
def test_every_configuration_gives_the_models_numbers(fields, options, make_model, processor, tmp_path):
    video_processor = AllInOneVideoProcessor(num_frames=4, size=32, crop_size=32, **options)
    model = make_model("AllInOneForMultipleChoice", **fields)
    export = export_onnx(model, AllInOneProcessor(video_processor, processor.tokenizer), tmp_path / "onnx")
    assert export.largest_difference < 1e-5 < export.largest_number
    if json.loads((tmp_path / "onnx/onnx.json").read_text())["draws_order_of_patches"]:
        with pytest.raises(ValueError, match="draw the order of patches in 64 bits, in which OpenVINO"):
            load_onnx(tmp_path / "onnx", "openvino")
    else:
        graphs = onnx_export._graphs_of(model, AllInOneProcessor(video_processor, processor.tokenizer))
        assert onnx_export._compare(model, graphs, tmp_path / "onnx", "openvino")[0] < 1e-5


@pytest.mark.slow
@ONNX
def test_texts_find_the_clips_that_they_find(make_model, processor, rows, tmp_path):
    model = make_model("AllInOneForVideoTextRetrieval")
    export = export_onnx(model, processor, tmp_path / "onnx")
    assert export.files == ["text_features.onnx", "video_features.onnx", "pairs.onnx"]
    stand_in, _ = load_onnx(tmp_path / "onnx")
    batch = processor(text=[row["caption"] for row in rows], videos=[row["video"] for row in rows])
    with torch.no_grad():
        torch.testing.assert_close(stand_in(**batch).similarities, model(**batch).similarities, atol=1e-5, rtol=0)
    options = [row["caption"] for row in rows[:3]]
    for score_by in ("pairs", "features"):
        ours, theirs = (
            Predictor(one, processor, score_by).choose(rows[0]["video"], options) for one in (model, stand_in)
        )
        assert [one["answer"] for one in ours.top_k] == [one["answer"] for one in theirs.top_k]
        assert abs(ours.score - theirs.score) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "runtime, int8, least",
    [
        pytest.param("onnxruntime", False, 200, marks=ONNX),
        pytest.param("openvino", False, 200, marks=OPENVINO),
        pytest.param("onnxruntime", True, 198, marks=INT8),
    ],
)
def test_a_trained_model_gives_the_same_answers(runtime, int8, least, tmp_path, record_property):
    """The words that it fills in for hidden ones."""
    write_moving_shapes(tmp_path / "shapes", 200, "test", seed=2)
    rows = load_moving_shapes(tmp_path / "shapes", "test", "retrieval").to_list()[:200]
    model, processor = AllInOneForMaskedLM.from_pretrained(CHECKPOINT), AllInOneProcessor.from_pretrained(CHECKPOINT)
    export_onnx(model, processor, tmp_path / "onnx", int8)
    ours, theirs = Predictor(model, processor), Predictor(*load_onnx(tmp_path / "onnx", runtime))
    num_same = 0
    for row in rows:
        words = row["caption"].split()
        words[len(row["sample_id"]) % 2 + 1] = "[MASK]"
        asked = row["video"], " ".join(words)
        num_same += ours.fill(*asked).answer == theirs.fill(*asked).answer
    record_property("agreement", f"{num_same} of {len(rows)} words")
    assert len(rows) == 200 and num_same >= least


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [
        pytest.param("dynamo", marks=pytest.mark.door("transformers' exporter to torch.export", "transformers")),
        pytest.param("onnx", marks=pytest.mark.door("transformers' exporter to ONNX", "onnxscript", "onnxruntime")),
        pytest.param("openvino", marks=pytest.mark.door("transformers' exporter to OpenVINO", "openvino")),
        pytest.param("torch", marks=pytest.mark.door("torch's exporter to ONNX", "onnxscript", "onnxruntime")),
    ],
)
@pytest.mark.parametrize("name", HEADS)
def test_exporters_of_others_give_the_models_numbers(name, way, make_model, tiny_inputs, record_property):
    """Batch, frames and tokens of any size, whichever exporter is told that they are."""
    model = make_model(name)

    def batch(num_clips: int, num_frames: int, num_tokens: int) -> dict[str, torch.Tensor]:
        inputs = tiny_inputs(num_clips, num_frames, num_tokens)
        return make_batch(HEADS[name], inputs, inputs.pop("pixel_values"))

    inputs = batch(2, 3, 7)
    run = EXPORTERS[way](model, inputs)
    differences = []
    for sizes in ((1, 2, 5), (4, 4, 9), (3, 3, 16)):
        with torch.no_grad():
            expected = model(**batch(*sizes))
        got = run(batch(*sizes))
        differences += [(got[field] - expected[field]).abs().max().item() for field in expected if field in got]
    assert differences and max(differences) < 1e-4
    record_property("agreement", "numbers to 1e-4")


def any_size(inputs: dict[str, torch.Tensor]) -> dict[str, dict]:
    """Which axes of each input are of any size: all but the second of a pair, channels and sides of frames."""
    return {
        name: dict.fromkeys(range(values.ndim - 3 * (name == "pixel_values")), torch.export.Dim.AUTO)
        for name, values in inputs.items()
    }


def by_transformers(exporter: str, config: str):
    def export(model, inputs):
        from transformers import exporters

        settings = getattr(exporters, config)(dynamic_shapes=any_size(inputs))
        exported = getattr(exporters, exporter)().export(model, inputs, config=settings)
        if exporter == "OpenVINOExporter":  # by itself, it runs in 16 bits where the processor can
            exported.to("cpu", config={"INFERENCE_PRECISION_HINT": "f32"})
        return lambda inputs: exported(**inputs)

    return export


def by_torch(model, inputs):
    import onnxruntime

    program = torch.onnx.export(model, kwargs=inputs, dynamic_shapes=any_size(inputs), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    with torch.no_grad():
        names = [name for name, values in model(**inputs).items() if values is not None]

    def run(inputs):
        outputs = session.run(None, {one.name: inputs[one.name].numpy() for one in session.get_inputs()})
        return dict(zip(names, map(torch.from_numpy, outputs), strict=True))

    return run


EXPORTERS = {
    "dynamo": by_transformers("DynamoExporter", "DynamoConfig"),
    "onnx": by_transformers("OnnxExporter", "OnnxConfig"),
    "openvino": by_transformers("OpenVINOExporter", "OpenVINOConfig"),
    "torch": by_torch,
}


def test_all_that_is_to_be_known_lies_beside_it(exported):
    described = json.loads((exported[2] / "onnx.json").read_text())
    graph = described["graphs"]["model"]
    assert graph["inputs"] == {
        "input_ids": {"type": "int64", "shape": ["batch", "tokens"]},
        "attention_mask": {"type": "int64", "shape": ["batch", "tokens"]},
        "pixel_values": {"type": "float32", "shape": ["batch", "frames", 3, 32, 32]},
    }
    assert graph["outputs"] == {"logits": {"type": "float32", "shape": ["batch", 3]}}
    assert described["labels"] == ["red", "green", "blue"]
    assert described["most"] == {"tokens": 16, "words": 99, "frames": 4}
    assert described["preprocessing"]["frames"]["crop_size"] == {"height": 32, "width": 32}
    assert described["preprocessing"]["texts"]["max_length"] <= 16
    assert (
        "| input | `pixel_values` | float32 | (batch, frames, 3, 32, 32) |" in (exported[2] / "README.md").read_text()
    )


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"input_ids": torch.zeros(1, 17, dtype=torch.long)},
            "input_ids has 17 tokens, but the model reads at most 16",
        ),
        ({"input_ids": torch.full((1, 5), 99)}, "input_ids holds 99 to 99, but the model knows 0 to 98"),
        ({"pixel_values": torch.zeros(1, 5, 3, 32, 32)}, "pixel_values has 5 frames, but the model reads at most 4"),
        ({"pixel_values": torch.zeros(1, 4, 3, 40, 32)}, "takes (batch, frames, 3, 32, 32), here with 32 and not 40"),
        ({"pixel_values": torch.zeros(2, 4, 3, 32, 32)}, "here with 1 and not 2 at batch"),
        ({"pixel_values": torch.zeros(1, 3, 32, 32)}, "pixel_values has shape (1, 3, 32, 32), but model.onnx takes"),
        (
            {"pixel_values": None},
            "takes input_ids, attention_mask, pixel_values; given were input_ids, attention_mask",
        ),
        (
            {"pixel_values": torch.zeros(1, 4, 3, 32, 32, dtype=torch.uint8)},
            "pixel_values has type torch.uint8, but expected float32",
        ),
        ({"input_ids": torch.ones(1, 5)}, "input_ids has type torch.float32, but expected int64"),
        ({"labels": torch.zeros(1)}, "given were input_ids, pixel_values, labels, attention_mask"),
    ],
)
def test_what_does_not_fit_is_refused(change, message, exported):
    words = torch.ones(1, 5, dtype=torch.long)
    inputs = {"input_ids": words, "attention_mask": None, "pixel_values": torch.zeros(1, 4, 3, 32, 32), **change}
    if "input_ids" in change:
        inputs["attention_mask"] = torch.ones_like(change["input_ids"])
    with pytest.raises(ValueError, match=re.escape(message)):
        load_onnx(exported[2])[0](**inputs)


def test_a_wrong_graph_is_not_written(exported, processor, tmp_path, monkeypatch):
    model, folder, graphs = exported
    other = type(model).from_pretrained(folder)
    other.classifier.out_proj.bias.data += 0.01
    monkeypatch.setattr(onnx_export, "_write", lambda model, graph, path, opset: shutil.copy(graphs / path.name, path))
    assert export_onnx(model, processor, tmp_path / "right").largest_difference < 1e-5
    with pytest.raises(ValueError, match=r"gives other numbers than the model: they differ by up to 0\.01"):
        export_onnx(other, processor, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists() and len(list(tmp_path.iterdir())) == 1


def test_what_the_processor_does_otherwise_is_told(exported, processor, tmp_path):
    other = copy.deepcopy(processor)
    other.tokenizer.model_max_length, other.video_processor.fps = 7, 2.0
    export_onnx(exported[0], other, tmp_path / "onnx", check=False)
    told = json.loads((tmp_path / "onnx" / "onnx.json").read_text())["preprocessing"]
    assert told["texts"]["max_length"] == 7 and told["frames"]["fps"] == 2


def test_an_export_is_replaced_on_demand_and_a_model_never(exported, tmp_path, capsys):
    folder, onnx = str(exported[1]), tmp_path / "onnx"
    onnx.mkdir()
    (onnx / "old.txt").write_text("old")
    assert main(["export-onnx", folder, str(onnx), "--no-check", "--overwrite"]) == 0
    assert not (onnx / "old.txt").exists() and (onnx / "model.onnx").is_file()
    assert main(["export-onnx", folder, folder, "--no-check", "--overwrite"]) == 2
    assert "lies in the output directory" in capsys.readouterr().err


def test_other_commands_ask_it(exported, rows, tmp_path, capsys):
    told = []
    for folder in exported[1:]:
        assert main(["ask", rows[0]["video"], "a ring", "--model", str(folder)]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert main(["ask", rows[0]["video"], "a ring", "--model", str(exported[2]), "--dtype", "bfloat16"]) == 2
    assert "holds an exported model, which computes as it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command, message",
    [
        ("export-onnx {1} {2}", "is not empty; pass --overwrite to replace it"),
        ("export-onnx {0} {0}/onnx", "holds no model, since config.json is missing"),
        ("export-onnx {0}/headless {0}/onnx", "holds AllInOneModel (model_type 'allinone'), which has no head"),
        ("export-onnx {0}/nowhere/at/all {0}/onnx", "is no folder, and no repository of the Hub"),
    ],
)
def test_a_wrong_command_says_why(command, message, make_model, exported, tmp_path, capsys):
    make_model("AllInOneModel").save_pretrained(tmp_path / "headless")
    assert main(command.format(tmp_path, *exported[1:]).split()) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "onnx").exists()


def test_what_cannot_be_exported_or_opened_says_why(make_model, processor, exported, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"in torch\.bfloat16; load it with dtype='float32'"):
        export_onnx(make_model("AllInOneForMaskedLM").bfloat16(), processor, tmp_path / "onnx")
    with pytest.raises(ValueError, match="model is a OnnxAllInOneForVideoQuestionAnswering; expected one of"):
        export_onnx(load_onnx(exported[2])[0], processor, tmp_path / "onnx")
    with pytest.raises(OSError, match=r"holds no exported model, since onnx\.json is missing"):
        load_onnx(tmp_path)
    with pytest.raises(ValueError, match="runtime is 'tensorrt'; expected one of onnxruntime, openvino"):
        load_onnx(exported[2], "tensorrt")
    for runtime, name in (("onnxruntime", "ONNX Runtime"), ("openvino", "OpenVINO")):
        with pytest.raises(ValueError, match=f"device is 'tpu', but {name} has"):
            load_onnx(exported[2], runtime, device="tpu")
    with pytest.raises(ValueError, match="threads is 0, but must be at least 1"):
        load_onnx(exported[2], threads=0)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=re.escape('pip install "modeling_allinone[export]"')):
        export_onnx(make_model("AllInOneForMaskedLM"), processor, tmp_path / "onnx")
