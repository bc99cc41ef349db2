# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
Saving with code: the directory loads and computes the same without the package. Saving without: it loads where the
package is installed, and names it where it is not.
"""

import ast
import inspect
import json
import re
import sys
from pathlib import Path

import pytest
import remote_code_user
import torch
from clean_processes import call_without
from transformers import AutoConfig, AutoModelForMaskedLM, AutoProcessor, BertTokenizer
from transformers.dynamic_module_utils import get_imports
from transformers.models.auto.video_processing_auto import AutoVideoProcessor
from video_fixtures import encode_video, grey_frames

import modeling_allinone
from modeling_allinone import (
    AllInOneConfig,
    AllInOneForMaskedLM,
    AllInOneForVideoQuestionAnswering,
    AllInOnePreTrainedModel,
    AllInOneProcessor,
    AllInOneVideoProcessor,
)
from modeling_allinone.hub.remote_code import saving_code
from modeling_allinone.models.saving_allinone import LOADER

AUTO_CLASSES = {
    "AllInOneModel": "AutoModel",
    "AllInOneForMaskedLM": "AutoModelForMaskedLM",
    "AllInOneForMultipleChoice": "AutoModelForMultipleChoice",
    "AllInOneForPairedVisualReasoning": "AutoModel",
    "AllInOneForPreTraining": "AutoModelForPreTraining",
    "AllInOneForSequenceClassification": "AutoModelForSequenceClassification",
    "AllInOneForVideoClassification": "AutoModelForVideoClassification",
    "AllInOneForVideoQuestionAnswering": "AutoModelForVisualQuestionAnswering",
    "AllInOneForVideoTextRetrieval": "AutoModel",
    "AllInOneForVisualCommonsenseReasoning": "AutoModel",
}
ALWAYS_INSTALLED = {"PIL", "fsspec", "huggingface_hub", "numpy", "torch", "transformers"}  # fsspec by huggingface_hub
HEADS = {name: auto_class for name, auto_class in AUTO_CLASSES.items() if auto_class != "AutoModel"}
PACKAGE = Path(modeling_allinone.__file__).parent
MODELS = PACKAGE / "models"


def build_model(name: str, config):
    fields = {"AllInOneForPairedVisualReasoning": {"modality_type_vocab_size": 3}}.get(name, {})
    return getattr(modeling_allinone, name)(config(**fields)).eval()


def build_processor() -> AllInOneProcessor:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs"]
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)}, model_max_length=16)
    return AllInOneProcessor(AllInOneVideoProcessor(size=40, crop_size=32), tokenizer)


def save_with_code(directory: Path, model, processor=None) -> Path:
    with saving_code(model, processor):
        model.save_pretrained(directory)
        if processor is not None:
            processor.save_pretrained(directory)
    return directory


def inputs_of(name: str, inputs: dict) -> dict:
    """Inputs of a class, made of those of one text for each clip."""
    texts = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    choices = {key: torch.stack([text, text.roll(1, 0)], dim=1) for key, text in texts.items()}
    clips = inputs["pixel_values"]
    if name == "AllInOneForMultipleChoice":
        return choices | {"pixel_values": clips}
    if name == "AllInOneForVisualCommonsenseReasoning":
        return {f"answer_{key}": text for key, text in choices.items()} | {"pixel_values": clips}
    if name == "AllInOneForPairedVisualReasoning":
        return texts | {"pixel_values": torch.stack([clips, clips.flip(-1)], dim=1)}
    if name == "AllInOneForPreTraining":
        return inputs | {"matching_labels": torch.tensor([1, 0])}
    return inputs


def computed(model, inputs: dict) -> dict:
    with torch.no_grad():
        outputs = model.eval()(**inputs)
    return {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}


def needed_files(*classes) -> set[str]:
    """Names of the files that classes, heads and pipelines are in, and of all that those import from beside them."""
    others = [getattr(modeling_allinone, name) for name in (*HEADS, "VideoQuestionAnsweringPipeline")]
    files, waiting = set(), [inspect.getsourcefile(cls) for cls in (*classes, *others)]
    while waiting:
        path = Path(waiting.pop())
        if path.name not in files:
            files.add(path.name)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            siblings = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
            waiting += [path.with_name(f"{module}.py") for module in siblings]
    return files


def code_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.py")}


def is_code_of_package(directory: Path, *classes) -> bool:
    return code_in(directory) == {name: (MODELS / name).read_bytes() for name in needed_files(*classes)}


def assert_names_what_is_there(directory: Path):
    """Each `auto_map` of a directory names files beside it."""
    for path in directory.glob("*.json"):
        for reference in re.findall(r'"Auto\w+": "(\w+)\.\w+"', path.read_text(encoding="utf-8")):
            assert (directory / f"{reference}.py").is_file(), f"{path.name} names {reference}"


def auto_maps(directory: Path) -> list[str]:
    return [path.name for path in directory.glob("*.json") if "auto_map" in path.read_text(encoding="utf-8")]


# ------------------------------------------------------------------------------------------------ without the package


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_config, tiny_inputs) -> Path:
    """Everything saved with code."""
    folder = tmp_path_factory.mktemp("remote_code")
    torch.manual_seed(0)
    inputs, processor, jobs = tiny_inputs(), build_processor(), {}
    for name, auto_class in AUTO_CLASSES.items():
        save_with_code(folder / name, build_model(name, tiny_config), processor)
        jobs[name] = (auto_class, inputs_of(name, inputs))
    torch.save({"models": jobs, "frames": torch.from_numpy(grey_frames())}, folder / "jobs.pt")
    encode_video(folder / "clip.mp4")
    save_with_code(folder / "without_decoders", build_model("AllInOneModel", tiny_config), processor)
    later = save_with_code(folder / "later_release", build_model("AllInOneModel", tiny_config))
    with (later / "modeling_allinone.py").open("a") as file:
        file.write('\nAllInOneModel.release = "later"\n')

    return folder


@pytest.fixture(scope="module")
def results(folder) -> dict:
    """What a process finds in which the package and decoders cannot be imported; but `av`, later on."""
    return call_without(("modeling_allinone", "decord", "av"), remote_code_user.use_all, folder)


def test_the_process_has_no_package(folder, results):
    assert results["is_without_package"]
    used = [model["classes"] for model in results["models"].values()]
    used += [results["config"], *(results[name]["classes"] for name in ("processor", "without_decoders"))]
    for module, name in (cls for classes in used for cls in classes):
        assert module.startswith("transformers_modules."), f"{name} is of {module}"
        assert (folder / "modules" / module.replace(".", "/")).with_suffix(".py").is_file()


def test_every_model_class_is_tried():
    public = (getattr(modeling_allinone, name) for name in modeling_allinone.__all__)
    models = {cls.__name__ for cls in public if isinstance(cls, type) and issubclass(cls, AllInOnePreTrainedModel)}
    assert set(AUTO_CLASSES) == models - {"AllInOnePreTrainedModel"}


@pytest.mark.parametrize("name", AUTO_CLASSES)
def test_models_compute_the_same(folder, results, tiny_inputs, name):
    found = results["models"][name]
    model = getattr(modeling_allinone, name).from_pretrained(folder / name)
    torch.testing.assert_close(found["outputs"], computed(model, inputs_of(name, tiny_inputs())), rtol=0, atol=0)
    assert [class_name for _, class_name in found["classes"]] == ["AllInOneConfig", name, name]


@pytest.mark.door("a pre-trained folder with code, by the Auto class of each task without the package", "transformers")
@pytest.mark.parametrize(("name", "auto_class"), HEADS.items())
def test_a_pretrained_model_opens_for_every_task(folder, results, tiny_inputs, name, auto_class):
    """What its heads know goes where the package puts it; a head that is new starts from the same seed."""
    found = results["of_pretraining"][auto_class]
    torch.manual_seed(0)
    model = getattr(modeling_allinone, name).from_pretrained(folder / "AllInOneForPreTraining")
    torch.testing.assert_close(found["outputs"], computed(model, inputs_of(name, tiny_inputs())), rtol=0, atol=0)
    classes = [class_name for _, class_name in found["classes"]]
    assert classes == ["AllInOneConfig", name, "AllInOneForPreTraining"]


def test_processors_read_a_film_the_same(folder, results):
    found, processor = results["processor"], AllInOneProcessor.from_pretrained(folder / "AllInOneForMaskedLM")
    clip = str(folder / "clip.mp4")
    expected = dict(processor(text="a dog runs", videos=clip, video_backend="pyav"))
    torch.testing.assert_close(found["inputs"], expected, rtol=0, atol=0)
    assert torch.equal(found["pixel_values"], expected["pixel_values"])
    classes = [class_name for _, class_name in found["classes"]]
    assert classes == ["AllInOneProcessor", "AllInOneVideoProcessor", "AllInOneVideoProcessor"]


def test_processors_need_no_decoder_for_frames(results):
    found, expected = results["without_decoders"], build_processor()(text="a dog runs", videos=grey_frames())
    torch.testing.assert_close(found["inputs"], dict(expected), rtol=0, atol=0)


def test_fine_tuned_models_keep_their_code(folder, results):
    classes = ["AllInOneForVideoQuestionAnswering"] * 2 + ["AllInOneForMaskedLM"]
    assert results["fine_tuning"] == {"has_learned": True, "is_kept": True, "classes": classes}
    assert results["from_pretraining"] == (classes, {"video-question-answering"})
    finetuned, origin = folder / "finetuned", folder / "AllInOneForVideoQuestionAnswering"
    assert code_in(finetuned) == code_in(origin)
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        maps = [json.loads((directory / name).read_text())["auto_map"] for directory in (finetuned, origin)]
        assert maps[0] == maps[1], name


def test_tokenizers_are_those_of_the_library(results):
    [(module, _)] = results["tokenizer"]
    assert module.startswith("transformers.")


def test_releases_of_the_code_do_not_mix(results):
    assert results["releases"] == [None, "later", None]


@pytest.mark.door("AutoVideoProcessor without torchvision", "transformers")
@pytest.mark.parametrize("with_code", (True, False), ids=("with code", "plain"))
def test_video_processors_load_without_torchvision(folder, tmp_path, with_code):
    """With a processor or alone; what transformers exports asks for torchvision in words where it is missing."""
    whole, alone = folder / "AllInOneForMaskedLM" if with_code else tmp_path / "whole", tmp_path / "alone"
    processor, hidden = build_processor(), ("torchvision",)
    if with_code:
        hidden += ("modeling_allinone",)
        with saving_code(AllInOneForMaskedLM.from_pretrained(whole), processor):
            processor.video_processor.save_pretrained(alone)
    else:
        processor.save_pretrained(whole)
        processor.video_processor.save_pretrained(alone)
    classes, [said] = call_without(
        hidden, remote_code_user.load_video_processors, [whole, alone], tmp_path / "modules"
    )
    assert [name for _, name in classes] == ["AllInOneVideoProcessor"] * 2
    assert {module.startswith("transformers_modules.") for module, _ in classes} == {with_code}
    assert said == "AllInOneVideoProcessor" or "requires the Torchvision library" in said


# --------------------------------------------------------------------------------------------------- with the package


@pytest.mark.parametrize("trust_remote_code", (None, False, True))
def test_the_package_goes_before_the_code(tiny_config, tmp_path, trust_remote_code):
    save_with_code(tmp_path, build_model("AllInOneForMaskedLM", tiny_config), build_processor())
    expected = {
        AutoConfig: AllInOneConfig,
        AutoModelForMaskedLM: AllInOneForMaskedLM,
        AutoProcessor: AllInOneProcessor,
        AutoVideoProcessor: AllInOneVideoProcessor,
    }
    for auto_class, cls in expected.items():
        assert type(auto_class.from_pretrained(tmp_path, trust_remote_code=trust_remote_code)) is cls


@pytest.mark.parametrize("name", AUTO_CLASSES)
def test_only_needed_files_are_copied(folder, tiny_config, tmp_path, name):
    model = build_model(name, tiny_config)
    save_with_code(tmp_path, model)
    assert is_code_of_package(tmp_path, type(model))
    assert auto_maps(tmp_path) == ["config.json"]
    assert is_code_of_package(folder / name, type(model), AllInOneProcessor), "with its processor"


def test_code_travels_with_its_licence_and_needs_no_other_library(folder):
    """Transformers refuses files with an import that fails, even one inside a function."""
    for path in {path.name: path for name in AUTO_CLASSES for path in (folder / name).glob("*.py")}.values():
        assert path.read_text(encoding="utf-8").startswith("# Copyright"), path.name
        assert set(get_imports(path)) <= ALWAYS_INSTALLED | sys.stdlib_module_names, path.name


def test_code_that_is_there_is_replaced(tiny_config, tmp_path):
    for name in ("modeling_allinone.py", "configuration_allinone.py"):
        (tmp_path / name).write_text("of another release")
    save_with_code(tmp_path, build_model("AllInOneForMaskedLM", tiny_config))
    assert is_code_of_package(tmp_path, AllInOneForMaskedLM)


class TestAfterwards:
    """Nothing of it stays: neither in the classes nor in the objects that were saved."""

    def save_without_code(self, directory: Path, *parts):
        for part in parts:
            part.save_pretrained(directory)
        assert list(code_in(directory)) == [f"{LOADER}.py"]
        assert_names_what_is_there(directory)

    def test_nothing_is_saved_with_code(self, tiny_config, tmp_path):
        model, processor = build_model("AllInOneForMaskedLM", tiny_config), build_processor()
        save_with_code(tmp_path / "with", model, processor)
        self.save_without_code(tmp_path / "same", model, processor, processor.video_processor)
        self.save_without_code(tmp_path / "others", build_model("AllInOneForMaskedLM", tiny_config), build_processor())

    def test_even_if_saving_fails(self, tiny_config, tmp_path):
        model, processor = build_model("AllInOneModel", tiny_config), build_processor()
        with pytest.raises(OSError, match="disk"), saving_code(model, processor):
            model.save_pretrained(tmp_path / "with")
            raise OSError("the disk is full")
        self.save_without_code(tmp_path / "without", model, processor)

    def test_maps_that_were_there_are_put_back(self, tiny_config, tmp_path):
        first, second = tmp_path / "first", tmp_path / "second"
        save_with_code(first, build_model("AllInOneForMaskedLM", tiny_config), build_processor())
        model, processor = AutoModelForMaskedLM.from_pretrained(first), AutoProcessor.from_pretrained(first)
        parts = (model.config, processor.video_processor)
        for part in parts:
            part.auto_map = {"AutoModelForCausalLM": "elsewhere.Model"}
        save_with_code(second, model, processor)
        for part in parts:
            assert part.auto_map == {"AutoModelForCausalLM": "elsewhere.Model"}
        for name in ("config.json", "processor_config.json"):
            assert (second / name).read_text() == (first / name).read_text()
        heads = [getattr(modeling_allinone, name) for name in ("AllInOneForMaskedLM", *HEADS)]
        references = [f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}" for cls in heads]
        assert json.loads((second / "config.json").read_text())["auto_map"] == {
            "AutoConfig": "configuration_allinone.AllInOneConfig",
            **dict(zip(("AutoModel", *HEADS.values()), references, strict=True)),
        }


# ----------------------------------------------------------------------------------------------------- without code

LOADERS = ("AutoProcessor", "AutoVideoProcessor", "AutoConfig", "AutoModelForMaskedLM", "AutoTokenizer")


@pytest.fixture(scope="module")
def load_elsewhere(tmp_path_factory, tiny_config):
    """Ask what Auto classes give for a model and processor saved as anybody would, without the package imported."""
    folder = tmp_path_factory.mktemp("plain")
    build_model("AllInOneForMaskedLM", tiny_config).save_pretrained(folder)
    build_processor().save_pretrained(folder)

    def load(*auto_classes: str, trusted: bool | None, hidden: tuple[str, ...] = ()) -> dict[str, str]:
        return call_without(hidden, remote_code_user.what_is_loaded, folder, auto_classes, trusted)

    return load


@pytest.mark.parametrize("trust_remote_code", (None, False))
def test_without_import_nothing_is_guessed(load_elsewhere, trust_remote_code):
    found = load_elsewhere(*LOADERS, trusted=trust_remote_code)
    assert found.pop("AutoTokenizer").startswith("transformers."), "which is what was asked for"
    for name, said in found.items():
        assert said.startswith("ValueError") and "pass the argument `trust_remote_code=True`" in said, name


def test_without_import_the_package_is_found_if_trusted(load_elsewhere):
    expected = {
        "AutoProcessor": "processing_allinone.AllInOneProcessor",
        "AutoVideoProcessor": "video_processing_allinone.AllInOneVideoProcessor",
        "AutoConfig": "configuration_allinone.AllInOneConfig",
        "AutoModelForMaskedLM": "modeling_masked_lm_allinone.AllInOneForMaskedLM",
    }
    for name, cls in expected.items():
        assert load_elsewhere(name, trusted=True)[name] == f"modeling_allinone.models.{cls}, None"


def test_without_the_package_it_is_named(load_elsewhere):
    for name, said in load_elsewhere(*LOADERS, trusted=True, hidden=("modeling_allinone",)).items():
        assert said.startswith("ImportError") and "pip install modeling_allinone" in said, name


def test_maps_name_no_code_that_was_left_behind(tiny_config, tmp_path):
    """A model that was saved with code, loaded by the package and saved without."""
    first = save_with_code(tmp_path / "first", build_model("AllInOneForMaskedLM", tiny_config), build_processor())
    AutoModelForMaskedLM.from_pretrained(first).save_pretrained(tmp_path / "second")
    AutoProcessor.from_pretrained(first).save_pretrained(tmp_path / "second")
    assert_names_what_is_there(tmp_path / "second")
    config = json.loads((tmp_path / "second" / "config.json").read_text())
    assert config["auto_map"] == {"AutoConfig": f"{LOADER}.AllInOneConfig"}
    video_processor = AllInOneVideoProcessor.from_pretrained(first)
    video_processor.save_pretrained(tmp_path / "third")
    assert_names_what_is_there(tmp_path / "third")


def test_the_library_pushes_the_loader(tmp_path):
    processor = build_processor()
    processor.save_pretrained(tmp_path)
    assert f"{LOADER}.py" not in processor._get_files_timestamps(tmp_path)


def test_code_outside_of_the_package_is_refused(tiny_config):
    class MyModel(AllInOneForVideoQuestionAnswering):
        pass

    class MyVideoProcessor(AllInOneVideoProcessor):
        pass

    model, processor = build_model("AllInOneModel", tiny_config), build_processor()
    own_part = AllInOneProcessor(MyVideoProcessor(), processor.tokenizer)
    for arguments, message in (
        (
            (MyModel(tiny_config()),),
            "model is of class MyModel from test_remote_code, but only code of modeling_allin",
        ),
        ((torch.nn.DataParallel(model),), r"model is of class DataParallel from torch\.nn\."),
        ((processor, model), "model is of class AllInOneProcessor .* expected AllInOnePreTrainedModel"),
        ((model, processor.tokenizer), "processor is of class BertTokenizer .* expected AllInOneProcessor"),
        ((model, own_part), r"processor\.video_processor is of class MyVideoProcessor from test_remote_code"),
    ):
        with pytest.raises(TypeError, match=message), saving_code(*arguments):
            pass
