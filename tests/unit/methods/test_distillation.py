"""Losses, masks and slow weights of the transfer methods, against torch's own functions and hand-made cases."""

import pytest
import torch
from torch.nn import functional

from flopwise.core.errors import UserError
from flopwise.core.sgd import SGD
from flopwise.methods.distillation import cross_entropy, kl, similarity_kl
from flopwise.methods.masks import choose, flips, prefer_teacher, shuffled
from flopwise.methods.slow_weights import SlowWeights, tau_for
from flopwise.methods.transfer import Batch, load, names

LOG = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.25, 0.5, 0.25]]))
OWN = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.25, 0.35, 0.4], [0.8, 0.1, 0.1], [0.25, 0.5, 0.25]]))
LABELS = torch.tensor([0, 2, 2, 1])


def batch(teachers=LOG[None], student=OWN, **more) -> Batch:
    return Batch(student, OWN, teachers, LABELS, torch.arange(4), generator=torch.Generator().manual_seed(0), **more)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_kl_is_torchs_with_the_square_of_the_temperature(temperature):
    teacher, student = torch.randn(6, 5), torch.randn(6, 5)
    expected = functional.kl_div(
        (student / temperature).log_softmax(1), (teacher / temperature).softmax(1), reduction="batchmean"
    )
    assert kl(teacher, student, temperature) == pytest.approx(float(temperature**2 * expected), rel=1e-5)
    assert kl(teacher, teacher, temperature) == pytest.approx(0, abs=1e-5)
    assert kl(teacher[:0], student[:0]) == 0


def test_no_gradient_reaches_the_teacher():
    teacher, student = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    kl(teacher, student).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_the_released_cross_entropy_takes_probabilities_for_logits():
    assert cross_entropy(LOG, LABELS) == pytest.approx(float(functional.nll_loss(LOG, LABELS)), rel=1e-5)
    released = cross_entropy(LOG, LABELS, as_released=True)
    assert released == pytest.approx(float(functional.cross_entropy(LOG.exp(), LABELS)), rel=1e-5)
    sure = torch.full((1, 3), -50.0).index_fill(1, torch.tensor([0]), 50.0)
    assert cross_entropy(sure, torch.tensor([0]), as_released=True) > 0.5  # bounded from below: never satisfied


def test_masks_on_hand_made_logits():
    # label probabilities of the teacher .7 .3 .6 .5, of the frozen student .5 .4 .1 .5: the last row is a tie
    assert prefer_teacher(LOG, OWN, LABELS).tolist() == [True, False, True, False]
    # largest probabilities .7 .6 .6 .5 against .5 .4 .8 .5
    assert prefer_teacher(LOG, OWN).tolist() == [True, True, False, False]
    positive, negative = flips(LOG, OWN, LABELS)
    assert positive.tolist() == [False, False, True, False]
    assert negative.tolist() == [False, True, False, False]


def test_of_several_teachers_the_first_of_the_most_confident_wins_and_the_student_wins_ties():
    other = LOG.clone()
    other[1] = torch.log(torch.tensor([0.1, 0.1, 0.8]))
    assert choose(OWN, torch.stack([LOG, other]), LABELS).tolist() == [1, 2, 1, 0]
    assert choose(OWN, torch.stack([other, LOG]), LABELS).tolist() == [1, 1, 1, 0]
    assert choose(OWN, OWN[None].repeat(3, 1, 1), LABELS).tolist() == [0, 0, 0, 0]


def test_data_partitioning_takes_each_target_from_whom_the_mask_says():
    student = torch.randn(4, 3, requires_grad=True)
    found = load("kl-dp").loss(batch(student=student))
    targets = torch.where(prefer_teacher(LOG, OWN, LABELS)[:, None], LOG, OWN)
    assert found.value.item() == pytest.approx(kl(targets, student).item(), rel=1e-6)
    assert found.taught.tolist() == [True, False, True, False]
    weighted = load("kl-dp-gamma2").loss(batch(student=student), **load("kl-dp-gamma2").options)
    each = [kl(targets[i : i + 1], student[i : i + 1]).item() for i in range(4)]
    assert weighted.value.item() == pytest.approx((each[0] + each[2] + 2 * each[1] + 2 * each[3]) / 4, rel=1e-5)


def test_ablations_choose_by_flips():
    current = torch.log(torch.tensor([[0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]]))
    positive, negative = flips(LOG, current, LABELS)
    assert (positive.tolist(), negative.tolist()) == ([True, False, False, False], [False, True, False, False])
    for name, taught in {"flip-st": [1, 0, 0, 0], "flip-t": [1, 0, 1, 1], "flip-avg": [1, 0, 1, 1]}.items():
        method = load(name)
        found = method.loss(batch(student=current), **method.options)
        assert found.taught.int().tolist() == taught, name
    average = load("flip-avg").loss(batch(student=current), rule="average").value
    targets = torch.stack([LOG[0], OWN[1], (LOG[2] + current[2]) / 2, (LOG[3] + current[3]) / 2])
    assert average.item() == pytest.approx(float(kl(targets, current)), rel=1e-5)
    random = load("random-mask").loss(batch())
    assert random.taught.sum() == prefer_teacher(LOG, OWN, LABELS).sum()


def test_a_shuffled_mask_keeps_its_share():
    mask = torch.arange(50) < 17
    found = shuffled(mask, torch.Generator().manual_seed(1))
    assert found.sum() == 17
    assert found.tolist() != mask.tolist()


def test_mcl_leaves_out_what_only_the_student_has_right():
    student = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.25, 0.5, 0.25]]))
    found = load("xekl-mcl").loss(batch(student=student))  # row 1: the teacher is wrong, the student right
    kept = torch.tensor([0, 2, 3])
    expected = 0.68 * kl(LOG[kept], student[kept]) + 0.32 * cross_entropy(student, LABELS)
    assert found.value.item() == pytest.approx(float(expected), rel=1e-6)
    assert found.taught.tolist() == [True, False, True, True]


def test_contrastive_losses_are_small_where_student_and_teacher_agree():
    features = torch.randn(6, 4)
    assert similarity_kl(features, 3 * features) == pytest.approx(0, abs=1e-5), "cosines know no length"
    memory = load("crd").memory(10, (4, 4), 0)
    before = [bank.clone() for bank in memory.banks]
    value = memory.contrast((features, features), torch.arange(6), torch.Generator().manual_seed(0))
    assert value.item() > 0
    assert all(
        torch.equal(bank[6:], old[6:]) and not torch.equal(bank[:6], old[:6]) for bank, old in zip(memory.banks, before)
    )
    assert torch.allclose(memory.banks[0].norm(dim=1), torch.ones(10), atol=1e-5)


def _walk(as_released: bool, epochs: int = 2, steps: int = 4, every: int = 2, tau: float = 0.5) -> tuple[dict, list]:
    """Slow weights of a model whose single weight grows by 1 in every step, and the fast weight after each step."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    slow, path = SlowWeights(model, every, tau, as_released), []
    for _ in range(epochs):
        for _ in range(steps):
            model.weight.data += 1
            slow.after_step()
            path.append(model.weight.item())
        slow.after_epoch()
    return slow.weights(), path


def test_slow_weights_against_their_definition():
    slow, path = _walk(as_released=False)
    theta, tau = 0.0, 0.5
    for step, fast in enumerate(path, 1):
        if step % 2 == 0:
            theta = tau * theta + (1 - tau) * fast
    assert path == [1, 2, 3, 4, 5, 6, 7, 8]
    assert slow["weight"].item() == theta


def test_the_released_slow_weights_lose_the_fast_ones_after_every_epoch():
    slow, path = _walk(as_released=True)
    # steps 0 and 2 of each epoch update; the first update finds an alias: slow = fast = 1; then (1 + 3) / 2 = 2. The epoch
    # ends with fast = slow = 2, so that the second one starts at 3: (2 + 3) / 2 = 2.5, then (2.5 + 5) / 2 = 3.75
    assert path == [1, 2, 3, 4, 3, 4, 5, 6]
    assert slow["weight"].item() == 3.75


def test_tau_carries_the_weights_as_far_as_the_papers():
    assert tau_for(1 - 0.9999**5000, 5000) == pytest.approx(0.9999)
    assert 1 - tau_for(0.39, 50) ** 50 == pytest.approx(0.39)


@pytest.mark.slow  # torch.optim imports torch's compiler
def test_sgd_is_torchs():
    found, expected = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    expected.load_state_dict(found.state_dict())
    ours = SGD(found.parameters(), 0.1, 0.9, 0.01)
    theirs = torch.optim.SGD(expected.parameters(), 0.1, 0.9, weight_decay=0.01)
    for step in range(4):
        for model, optimiser in ((found, ours), (expected, theirs)):
            optimiser.zero_grad()
            model(torch.full((4, 3), 1.0 + step)).square().sum().backward()
            optimiser.step()
    for one, other in zip(found.parameters(), expected.parameters()):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-7)


def test_every_method_has_a_loss_for_its_own_kind_of_teachers():
    for name in names():
        method = load(name)
        teachers = {"none": OWN[:0, None], "one": LOG[None]}.get(method.teachers, torch.stack([LOG, LOG]))
        if method.teachers == "none":
            teachers = torch.zeros(0, 4, 3)
        features = torch.randn(4, 5)
        extra = {"memory": method.memory(8, (5, 5), 0)} if method.memory else {}
        student = OWN.clone().requires_grad_()
        found = method.loss(
            batch(teachers, student, features=features, teacher_features=features), **method.options, **extra
        )
        assert found.value.isfinite(), name
        assert method.label


def test_a_method_that_does_not_exist_is_named():
    with pytest.raises(UserError, match="method 'kl-pd' is unknown"):
        load("kl-pd")
