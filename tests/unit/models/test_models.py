import pytest
import torch

from flopwise.core.errors import RunFailure, UserError
from flopwise.core.seeds import torch_generator
from flopwise.methods.continual import families, load, module_name
from flopwise.models import clip
from flopwise.models.loss import contrastive_loss

MODEL = "vit-xs-8"


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 32, 32, generator=generator)
    return images, clip.tokenizer(MODEL)(["a red circle", "two blue squares", "the letter K", "a leaf"])


@pytest.mark.parametrize(
    ("name", "millions"), [("vit-xs-8", 0.2), ("vit-s-8", 0.5), ("vit-m-8", 1.3), ("perceiver-xs", 0.22)]
)
def test_embedded_models_have_the_size_they_claim(name, millions):
    model = clip.create(name, device="meta")
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.15)
    assert type(model) is clip.import_open_clip().CLIP


def test_a_perceiver_is_an_image_tower_that_learns(batch):
    from flopwise.core.loop import adamw, update

    model = clip.create("perceiver-xs", seed=0)
    assert type(model.visual).__module__ == "flopwise.models.perceiver.towers"
    optimiser = adamw(model.parameters(), 2e-3, 0.0)
    losses = [update(contrastive_loss(model, *batch), optimiser, 2e-3, clip_norm=1.0) for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]
    with pytest.raises(UserError, match=r"no LayerNorms .* in its image tower"):
        recipe = load("lnfit")
        recipe.prepare(model, torch.Generator(), **recipe.prepare_options)


def test_open_clip_loads_what_we_save(tmp_path, batch):
    model = clip.create(MODEL, seed=3)
    clip.save(tmp_path / "w", MODEL, model.state_dict())
    other = clip.import_open_clip().create_model(f"local-dir:{tmp_path / 'w'}")
    with torch.no_grad():
        for ours, theirs in zip(model.eval()(*batch), other.eval()(*batch)):
            assert torch.equal(ours, theirs)


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    a, b, c = (clip.create(MODEL, seed=s).state_dict() for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


def test_tokenizer_encodes_anything_within_its_vocabulary():
    tokens = clip.tokenizer(MODEL)(["plain words", "Ünïcode → ☃ 漢字", "word " * 100])
    assert tokens.shape == (3, 24)
    assert tokens.max() == 2047  # the end mark, on which the text tower pools
    assert (tokens == 2047).sum(dim=1).tolist() == [1, 1, 1]


def test_damaged_and_missing_checkpoints_are_one_line(tmp_path):
    clip.save(tmp_path, MODEL, clip.create(MODEL).state_dict())
    path = tmp_path / clip.WEIGHTS
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(RunFailure, match=r"checkpoint .*open_clip_model.safetensors is damaged"):
        clip.load(tmp_path)
    with pytest.raises(RunFailure, match="is missing"):
        clip.load(tmp_path / "nowhere")


def test_unknown_model_and_method():
    with pytest.raises(UserError, match="model 'vit-xl-8' does not exist"):
        clip.configuration("vit-xl-8")
    for wrong in ("full-fit", "lora", "lora-r0", "lnfit-r4"):
        with pytest.raises(UserError, match=f"method {wrong!r} does not exist; allowed are"):
            module_name(wrong)
    assert families()["lora"] is True
    assert families()["ema-merge"] is False


def prepared(name: str):
    model, method = clip.create(MODEL, seed=0), load(name)
    method.prepare(model, torch_generator(0, "adapters"), **method.prepare_options)
    return model, method


def test_lnfit_trains_layer_norms_and_nothing_else(batch):
    model, _ = prepared("lnfit")
    before = clip.plain_state(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=0.1)
    contrastive_loss(model, *batch).backward()
    optimiser.step()
    changed = {name for name, value in clip.plain_state(model).items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if "ln_" in name}


def test_lora_starts_as_the_same_function_and_stays_low_rank(batch):
    plain = clip.create(MODEL, seed=0)
    model, _ = prepared("lora-r4")
    with torch.no_grad():
        assert torch.allclose(model.eval()(*batch)[0], plain.eval()(*batch)[0], atol=1e-6)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        contrastive_loss(model.train(), *batch).backward()
        optimiser.step()
    state, start = clip.plain_state(model), plain.state_dict()
    assert set(state) == set(start)
    changed = {name for name in start if not torch.equal(state[name], start[name])}
    assert changed == {name for name in start if name.endswith(("attn.in_proj_weight", "mlp.c_proj.weight"))}
    width = plain.visual.transformer.width
    for name in changed:
        for part in (state[name] - start[name]).split(width):
            assert torch.linalg.matrix_rank(part, rtol=1e-4) == 4
    plain.load_state_dict(state)
    with torch.no_grad():
        assert torch.allclose(model.eval()(*batch)[0], plain.eval()(*batch)[0], atol=1e-5)


def test_loss_equals_open_clips_own(batch):
    model = clip.create(MODEL, seed=0)
    loss = clip.import_open_clip().loss.ClipLoss()
    assert contrastive_loss(model, *batch).item() == pytest.approx(loss(*model(*batch)).item(), abs=1e-6)


def test_preprocessing_is_torchvisions():
    clip.import_open_clip()
    from torchvision.transforms.v2 import functional

    images = torch.randint(0, 256, (5, 16, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    scaled = functional.to_dtype(images.permute(0, 3, 1, 2), torch.float32, scale=True)
    torch.testing.assert_close(clip.preprocess(images.numpy()), functional.normalize(scaled, clip.MEAN, clip.STD))


def test_equal_texts_are_encoded_once_and_keep_their_places():
    texts = ["a leaf", "a red circle", "a leaf", "K", "a red circle"]
    assert torch.equal(clip.tokenize(MODEL, texts), clip.tokenizer(MODEL)(texts))
