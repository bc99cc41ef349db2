# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What somebody who has not imported this package does with saved models; `test_remote_code.py` calls it."""

import sys
from pathlib import Path

import torch
import transformers
from clean_processes import keep_code_in
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForVisualQuestionAnswering,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.models.auto.video_processing_auto import AutoVideoProcessor

TRUST = {"trust_remote_code": True}


def computed(model, inputs: dict) -> dict:
    """Every tensor that a model returns."""
    with torch.no_grad():
        outputs = model.eval()(**inputs)
    return {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}


def classes_of(*parts) -> list[tuple[str, str]]:
    """Where from and which."""
    return [(type(part).__module__, type(part).__name__) for part in parts]


def load_model(directory: Path, auto_class: str, inputs: dict) -> dict:
    """What its Auto class makes of a directory, where a head that is new starts from the seed; and `AutoModel`."""
    torch.manual_seed(0)
    model = getattr(transformers, auto_class).from_pretrained(directory, **TRUST)
    own = AutoModel.from_pretrained(directory, **TRUST)
    return {"classes": classes_of(model.config, model, own), "outputs": computed(model, inputs)}


def load_processor(directory: Path, videos) -> dict:
    processor = AutoProcessor.from_pretrained(directory, **TRUST)
    video_processor = AutoVideoProcessor.from_pretrained(directory, **TRUST)
    return {
        "classes": classes_of(processor, processor.video_processor, video_processor),
        "inputs": dict(processor(text="a dog runs", videos=videos)),
        "pixel_values": video_processor(videos)["pixel_values"],
    }


def fine_tune(directory: Path, inputs: dict, output_dir: Path) -> dict:
    """One step, saved and loaded again with its processor."""
    model = AutoModelForVisualQuestionAnswering.from_pretrained(directory, **TRUST).train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model(**inputs, labels=torch.tensor([0, 1])).loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    model.save_pretrained(output_dir)
    AutoProcessor.from_pretrained(directory, **TRUST).save_pretrained(output_dir)

    loaded = AutoModelForVisualQuestionAnswering.from_pretrained(output_dir, **TRUST)
    same = AutoModel.from_pretrained(output_dir, **TRUST)
    other = AutoModelForMaskedLM.from_pretrained(output_dir, **TRUST)
    weights = model.state_dict()
    return {
        "has_learned": any(not torch.equal(weights[name], before[name]) for name in weights),
        "classes": [name for _, name in classes_of(loaded, same, other)],
        "is_kept": all(torch.equal(weight, weights[name]) for name, weight in loaded.state_dict().items()),
    }


def fine_tune_from_pretraining(directory: Path, output_dir: Path) -> tuple[list[str], set[str]]:
    """Classes and pipelines of what is saved as a model for questions and was loaded from a pre-trained folder."""
    AutoModelForVisualQuestionAnswering.from_pretrained(directory, **TRUST).save_pretrained(output_dir)
    auto_classes = (AutoModel, AutoModelForVisualQuestionAnswering, AutoModelForMaskedLM)
    models = [cls.from_pretrained(output_dir, **TRUST) for cls in auto_classes]
    return [type(model).__name__ for model in models], set(models[0].config.custom_pipelines)


def releases(*directories: Path) -> list:
    """Which release of the code each directory brings."""
    models = [AutoModel.from_pretrained(directory, **TRUST) for directory in directories]
    return [getattr(type(model), "release", None) for model in models]


def is_imported() -> bool:
    """Whether anything of the package has been imported."""
    return any(name.startswith("modeling_allinone.") for name in sys.modules)


def is_without_package() -> bool:
    """Whether an import of the package fails, and nothing of it has been imported."""
    try:
        import modeling_allinone  # noqa: F401
    except ImportError:
        return not is_imported()
    return False


def use_all(folder: Path) -> dict:
    """
    Results of using directories that were saved with code.

    The folder holds one for each model class, and `jobs.pt` with the Auto class and the inputs of each, and with
    frames. What is fine-tuned goes to `finetuned`.
    """
    keep_code_in(folder / "modules")
    torch.set_num_threads(1)
    jobs = torch.load(folder / "jobs.pt")
    results = {"without_decoders": load_processor(folder / "without_decoders", jobs["frames"])}
    sys.modules.pop("av", None)
    sys.meta_path[0].hidden.remove("av")
    results["models"] = {name: load_model(folder / name, *job) for name, job in jobs["models"].items()}
    pretraining, of_tasks = folder / "AllInOneForPreTraining", dict(jobs["models"].values())
    del of_tasks["AutoModel"]
    results["of_pretraining"] = {name: load_model(pretraining, name, inputs) for name, inputs in of_tasks.items()}
    results["tokenizer"] = classes_of(AutoTokenizer.from_pretrained(pretraining, **TRUST))
    question_answering = folder / "AllInOneForVideoQuestionAnswering"
    results["config"] = classes_of(AutoConfig.from_pretrained(question_answering, **TRUST))
    results["processor"] = load_processor(question_answering, str(folder / "clip.mp4"))
    inputs = jobs["models"]["AllInOneForVideoQuestionAnswering"][1]
    results["fine_tuning"] = fine_tune(question_answering, inputs, folder / "finetuned")
    results["from_pretraining"] = fine_tune_from_pretraining(pretraining, folder / "from_pretraining")
    of_now, of_later = folder / "AllInOneModel", folder / "later_release"
    results["releases"] = releases(of_now, of_later, of_now)
    results["is_without_package"] = is_without_package()
    return results


def what_is_loaded(folder: Path, auto_classes: tuple[str, ...], trust_remote_code: bool | None) -> dict[str, str]:
    """What each Auto class makes of a folder, in words, or what it raises."""
    keep_code_in(folder / "modules")
    said = {}
    for name in auto_classes:
        assert not is_imported(), f"before {name}"
        loader = AutoVideoProcessor if name == "AutoVideoProcessor" else getattr(transformers, name)
        try:
            loaded = loader.from_pretrained(folder, trust_remote_code=trust_remote_code)
            said[name] = f"{type(loaded).__module__}.{type(loaded).__name__}, {type(loaded)._auto_class}"
        except Exception as error:
            said[name] = " ".join(f"{type(error).__name__}: {error}".split())
    return said


def load_video_processors(directories: list[Path], cache: Path) -> tuple[list, list[str]]:
    """Classes of the directories' video processors, and what the `AutoVideoProcessor` that users import says."""
    keep_code_in(cache)
    loaded = [AutoVideoProcessor.from_pretrained(directory, **TRUST) for directory in directories]
    try:
        said = [
            name for _, name in classes_of(transformers.AutoVideoProcessor.from_pretrained(directories[0], **TRUST))
        ]
    except ImportError as error:
        said = [" ".join(str(error).split())]
    return classes_of(*loaded), said
