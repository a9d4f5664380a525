import subprocess
import sys

import pytest

HEAVY = ("torch._dynamo", "timm", "transformers", "huggingface_hub")


def run(code: str) -> list[str]:
    """Which of `HEAVY` a fresh process has imported after `code`."""
    code += f"\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split()


@pytest.mark.slow
def test_an_embedded_model_needs_none_of_the_heavy_packages():
    code = (
        "from flopwise.models import clip; clip.import_minimal('vit-xs-8'); model = clip.create('vit-xs-8'); "
        "model(None, clip.tokenizer('vit-xs-8')(['a leaf'])); "
        "from flopwise.studies.continual.budget import step_gflops; step_gflops('vit-xs-8', 'lora-r4', 8)"
    )
    assert run(code) == []


@pytest.mark.slow
def test_they_can_be_imported_afterwards():
    code = (
        "from flopwise.models import clip, compat; clip.import_minimal('vit-xs-8'); model = clip.create('vit-xs-8'); "
        "import sys, torch; torch.optim.SGD(model.parameters(), lr=0.1); torch._dynamo.utils.counters; "
        "assert isinstance(sys.modules['torchvision.ops.roi_align'].is_compile_supported('cpu'), bool); "
        "compat.import_timm().create_model('test_vit')"
    )
    assert run(code) == ["torch._dynamo", "timm", "huggingface_hub"]


@pytest.mark.slow
def test_a_process_that_uses_other_models_has_all_of_open_clip():
    code = (
        "from flopwise.models import clip; clip.import_minimal('ViT-B-32'); open_clip = clip.import_open_clip(); "
        "assert open_clip.timm_model.timm and open_clip.hf_model.transformers"
    )
    assert {"timm", "transformers"} <= set(run(code))
