"""Loading: schedulers, incomplete folders, repositories that do not answer."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading

import huggingface_hub.errors
import pytest

from susx.errors import ModelError
from susx.images.generate import load_pipeline
from susx.images.generate.explain import explain_load_failure

REFUSALS = {
    "gone/model": (404, "RepoNotFound"),
    "some/gated": (403, "GatedRepo"),
    "some/old": (404, "RevisionNotFound"),
}


def test_identity_does_not_hold_the_path(random_model, painter, tmp_path):
    """A copy elsewhere is the same model; one changed byte is another."""
    copy = tmp_path / "random"
    shutil.copytree(random_model, copy)
    assert load_pipeline(copy, device="cpu").identity() == painter.identity()
    (copy / "scheduler" / "scheduler_config.json").write_text(
        (copy / "scheduler" / "scheduler_config.json").read_text() + "\n"
    )
    assert load_pipeline(copy, device="cpu").revision != painter.revision


def test_another_scheduler_takes_over_the_configuration(random_model):
    """By the name of its class."""
    loaded = load_pipeline(random_model, scheduler="DPMSolverMultistepScheduler", device="cpu")
    assert loaded.scheduler == type(loaded.pipe.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert loaded.pipe.scheduler.config.num_train_timesteps == 1000


@pytest.mark.parametrize(
    ("scheduler", "message"),
    [
        ("DDIMSheduler", "Did you mean 'DDIMScheduler'"),
        ("FlowMatchEulerDiscreteScheduler", "does not fit this model"),
    ],
)
def test_unknown_and_unfit_schedulers(random_model, scheduler, message):
    """The nearest name, or the list of those that fit."""
    with pytest.raises(ModelError, match=message):
        load_pipeline(random_model, scheduler=scheduler, device="cpu")


@pytest.mark.parametrize("how", ["folder", "index"])
def test_a_folder_without_a_vae(random_model, tmp_path, how):
    """The missing part is named, whether its folder or its entry is gone."""
    copy = tmp_path / "copy"
    shutil.copytree(random_model, copy)
    if how == "folder":
        shutil.rmtree(copy / "vae")
    else:
        index = json.loads((copy / "model_index.json").read_text())
        del index["vae"]
        (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="missing: vae"):
        load_pipeline(copy, device="cpu")


@pytest.mark.parametrize("text", [None, "{", '{"_class_name": "StableDifusionPipeline"}'])
def test_folders_that_are_no_pipeline(tmp_path, text):
    """No index, a broken one, or one of an unknown class."""
    if text is not None:
        (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(ModelError, match=r"model_index\.json"):
        load_pipeline(tmp_path, device="cpu")


def test_damaged_weights(random_model, tmp_path):
    """A cut-off file is one paragraph that names the model."""
    copy = tmp_path / "copy"
    shutil.copytree(random_model, copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"copy' .*could not be loaded"):
        load_pipeline(copy, device="cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:7"])
def test_devices_that_are_not_there(random_model, device, monkeypatch):
    """A word torch does not know, and a GPU it does not see."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ModelError, match=device):
        load_pipeline(random_model, device=device)


def test_a_path_that_does_not_exist(tmp_path):
    """A path is never taken for a repository."""
    with pytest.raises(ModelError, match="does not exist"):
        load_pipeline(tmp_path / "nowhere")


class _Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = "/".join(self.path.removeprefix("/api/models").strip("/").split("/")[:2])
        status, code = REFUSALS.get(name, (404, "RepoNotFound"))
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


def test_repositories_that_refuse(tmp_path):
    """Vanished, gated, wrong revision: id, revision, cause and alternatives, from the real hub client."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    code = (
        "import sys\nfrom susx.errors import ModelError\nfrom susx.images.generate import load_pipeline\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        load_pipeline(name, revision='v9', device='cpu')\n"
        "    except ModelError as error:\n        print(error)\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path),
                   "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}  # fmt: skip
    words = [sys.executable, "-c", code, *REFUSALS]
    try:
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    finally:
        server.shutdown()
        server.server_close()
    gone, gated, old = done.stdout.splitlines()
    assert "'gone/model' in revision 'v9'" in gone
    assert "no such repository" in gone
    assert "accept its licence" in gated
    assert "not in this revision" in old
    for text in (gone, gated, old):
        assert "CompVis/stable-diffusion-v1-4" in text
        assert "'demo'" in text


@pytest.mark.parametrize(
    ("name", "words"), [("OfflineModeIsEnabled", "offline mode"), ("LocalEntryNotFoundError", "local cache"),
                        ("DisabledRepoError", "disabled"), ("HFValidationError", "well-formed")],
)  # fmt: skip
def test_other_refusals_of_the_hub_client(name, words):
    """Errors of the hub client's own classes, also when diffusers has wrapped them."""
    kind = getattr(huggingface_hub.errors, name)
    outer = OSError("Cannot load model")
    outer.__cause__ = kind.__new__(kind)
    assert words in str(explain_load_failure("some/model", None, outer))


def test_a_pipeline_that_draws_from_no_text_is_named(tmp_path):
    """What diffusers says of a class that its AutoPipeline does not know names the class in ours."""
    from diffusers import AutoPipelineForText2Image

    (tmp_path / "model_index.json").write_text('{"_class_name": "StableVideoDiffusionPipeline"}')
    with pytest.raises(ValueError, match="AutoPipeline") as error:
        AutoPipelineForText2Image.from_pretrained(str(tmp_path))
    assert "its pipeline is StableVideoDiffusionPipeline, which" in str(
        explain_load_failure("m", None, error.value)
    )
