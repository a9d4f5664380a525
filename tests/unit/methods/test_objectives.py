"""Pre-training objectives against closed forms and other people's losses."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from flopwise.cost import flops, pretraining
from flopwise.methods.efficiency import Batch, Facts, byol, clip, dino, load, mae, names, simclr
from flopwise.models.trunk import Shape, Trunk

SHAPE, FACTS, SIZE = Shape(width=32, depth=1, heads=2), Facts(classes=6, vocabulary=9, context=4), 4


def learner(name: str, **options):
    torch.manual_seed(0)
    one = load(name)
    return one.learner(Trunk(SHAPE), FACTS, **{**one.options, **options})


def batch(seed: int = 0) -> Batch:
    draw = torch.Generator().manual_seed(7)
    pictures = torch.randn((SIZE, 3, 32, 32), generator=draw)
    words = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 6], [7, 0, 0, 0], [8, 9, 1, 0]])
    return Batch(pictures, torch.Generator().manual_seed(seed), torch.eye(6)[:SIZE], words)


def test_nt_xent_of_partners_that_agree_and_strangers_at_right_angles():
    z = torch.eye(8)[:3].repeat(2, 1)
    assert simclr.nt_xent(z, 0.2).item() == pytest.approx(math.log(1 + 4 * math.exp(-1 / 0.2)), rel=1e-5)


def test_byol_is_nothing_where_views_agree_and_eight_where_they_are_opposite():
    z = normalize(torch.randn(6, 5), dim=1)
    other = z.roll(3, 0)  # prediction of a view equals the target of the other
    assert byol.similarity_loss(z, other).item() == pytest.approx(0, abs=1e-5)
    assert byol.similarity_loss(z, -other).item() == pytest.approx(8, rel=1e-5)


def test_clip_without_knowledge_is_log_b_and_equals_open_clip():
    from flopwise.models.clip import import_minimal

    import_minimal("vit-xs-8")
    import open_clip

    assert clip.contrast(torch.zeros(5, 3), torch.zeros(5, 3), 10.0).item() == pytest.approx(math.log(5))
    images, texts = (normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(k)), dim=1) for k in (0, 1))
    theirs = open_clip.ClipLoss()(images, texts, torch.tensor(10.0))
    assert clip.contrast(images, texts, torch.tensor(10.0)).item() == pytest.approx(theirs.item(), rel=1e-6)


def test_dino_of_scores_that_say_nothing_is_log_k():
    scores = torch.zeros(2, 3, 16)
    assert dino.self_distillation(scores, torch.zeros(6, 3, 16), torch.zeros(16), 0.04, 0.1).item() == pytest.approx(
        math.log(16)
    )


def test_losses_equal_those_of_lightly():
    from flopwise.models.compat import prepare_torchvision

    prepare_torchvision()
    loss = pytest.importorskip("lightly.loss")
    first, second = (torch.randn((6, 8), generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    z = normalize(torch.cat([first, second]), dim=1)
    assert simclr.nt_xent(z, 0.2).item() == pytest.approx(
        loss.NTXentLoss(temperature=0.2)(first, second).item(), rel=1e-5
    )
    theirs = 4 + 2 * sum(loss.NegativeCosineSimilarity()(a, b).item() for a, b in ((first, second), (second, first)))
    predicted, target = torch.cat([first, second]), torch.cat([first, second])
    assert byol.similarity_loss(normalize(predicted, dim=1), normalize(target, dim=1)).item() == pytest.approx(
        theirs, rel=1e-5
    )
    teacher, student = torch.randn(2, 6, 16), torch.randn(5, 6, 16)
    reference = loss.DINOLoss(output_dim=16, warmup_teacher_temp=0.04, teacher_temp=0.04, warmup_teacher_temp_epochs=1)
    found = reference(list(teacher), list(student), epoch=0)
    assert dino.self_distillation(teacher, student, torch.zeros(16), 0.04, 0.1).item() == pytest.approx(
        found.item(), rel=1e-5
    )


def test_a_masked_autoencoder_looks_at_masked_patches_alone_and_never_into_them():
    pixels = torch.randn(2, 16, 192)
    masked = torch.zeros(2, 16, dtype=torch.bool)
    masked[:, :12] = True
    target = (pixels - pixels.mean(2, keepdim=True)) / (pixels.var(2, keepdim=True) + 1e-6).sqrt()
    assert mae.reconstruction(target, pixels, masked).item() == pytest.approx(0, abs=1e-10)
    wrong = target.clone()
    wrong[:, 12:] += 5  # what is visible is not asked for
    assert mae.reconstruction(wrong, pixels, masked).item() == pytest.approx(0, abs=1e-10)

    net = learner("mae").eval()
    kept = torch.rand((SIZE, 16), generator=torch.Generator().manual_seed(1)).argsort(1)[:, :4]
    pictures = batch().pictures
    changed = mae.patches(pictures, 8).clone() + 3
    changed.scatter_(
        1, kept[..., None].expand(-1, -1, 192), mae.patches(pictures, 8).gather(1, kept[..., None].expand(-1, -1, 192))
    )
    other = torch.nn.functional.fold(changed.transpose(1, 2), 32, 8, stride=8)
    assert torch.equal(net.encode(pictures, kept), net.encode(other, kept))
    assert not torch.equal(net.encode(pictures, kept), net.encode(pictures + 1, kept))


@pytest.mark.parametrize("name", ["byol", "dino"])
def test_averages_follow_and_stand_still_at_the_end(name):
    net = learner(name)
    before = [p.clone() for p in net.average.parameters()]
    for p in net.trunk.parameters():
        p.data += 1
    net.after_step(1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, net.average.parameters()))
    net.after_step(0.0)
    own = list(net.trunk.parameters())
    assert all(torch.allclose(a, b) for a, b in zip(own, net.average[0].parameters()))
    net.loss(batch()).backward()
    assert all(p.grad is None for p in net.average.parameters())


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("stem", ["convolutions", "patches"])
def test_closed_forms_are_what_a_step_executes(name, stem):
    """Teachers, text towers and decoders included."""
    shape = Shape(width=32, depth=2, heads=2, stem=stem)
    one = load(name)
    net = one.learner(Trunk(shape), FACTS, **one.options)
    counted = flops.count(lambda: net.loss(batch()).backward()) / SIZE
    trunk = pretraining.Trunk(32, 2, stem=stem)
    assert pretraining.per_image(name, trunk, SIZE, FACTS.classes, FACTS.context, one.options) == pytest.approx(
        counted, rel=5e-3
    )


@pytest.mark.parametrize("name", names())
def test_a_few_steps_lower_the_loss_of_every_objective(name):
    """Of the same batch and views, which any objective that trains at all can learn by heart."""
    from flopwise.core.loop import adamw, update

    net = learner(name)
    optimiser = adamw([p for p in net.parameters() if p.requires_grad], 3e-3, 0.0)
    losses = [update(net.loss(batch()), optimiser, 3e-3, clip_norm=3.0) for _ in range(25)]
    assert min(losses[-5:]) < losses[0] - 0.02
