"""Training steps of the efficiency study's objectives against the same steps made of lightly's losses: same trunk, heads, views,
batches and optimiser, in one process and in turn. What differs is the loss, and for teachers the average of the weights. Needs
lightly, which the package does not."""

import argparse
import copy

import torch
from common import interleaved, quartiles, show
from torch.nn.functional import normalize

from flopwise.models.compat import prepare_torchvision

prepare_torchvision()

from lightly import loss as lightly_loss  # noqa: E402
from lightly.models.utils import update_momentum  # noqa: E402

from flopwise.core.loop import adamw, update  # noqa: E402
from flopwise.cost import flops  # noqa: E402
from flopwise.data.augment import view  # noqa: E402
from flopwise.methods.efficiency import Batch, Facts, load  # noqa: E402
from flopwise.models.trunk import Shape, Trunk  # noqa: E402

FACTS = Facts(classes=24, vocabulary=20, context=9)


def batch(size: int, step: int) -> Batch:
    draw = torch.Generator().manual_seed(step)
    pictures = torch.randn((size, 3, 32, 32), generator=draw)
    return Batch(
        pictures, draw, torch.eye(24)[torch.arange(size) % 24], torch.randint(1, 20, (size, 9), generator=draw)
    )


def two_views(one: Batch, options: dict) -> list:
    return [view(one.pictures, one.generator, options["smallest"], options["colour"]) for _ in range(2)]


def simclr(net, one: Batch, options: dict):
    first, second = net.projector(net.trunk(torch.cat(two_views(one, options))).mean(1)).chunk(2)
    return net.criterion(first, second)


def byol(net, one: Batch, options: dict):
    views = torch.cat(two_views(one, options))
    predicted = net.predictor(net.projector(net.trunk(views).mean(1))).chunk(2)
    with torch.no_grad():
        target = net.average[1](net.average[0](views).mean(1)).chunk(2)
    return 4 + 2 * (net.criterion(predicted[0], target[1]) + net.criterion(predicted[1], target[0]))


def dino(net, one: Batch, options: dict):
    large = torch.cat(two_views(one, options))
    small = [view(one.pictures, one.generator, 0.15, options["colour"], 16) for _ in range(options["local"])]

    def scores(parts, views):
        hidden = normalize(parts[1](parts[0](views).mean(1)), dim=1)
        return list((hidden @ normalize(parts[2].weight, dim=1).T).split(len(one.pictures)))

    own = [net.trunk, net.projector, net.last]
    with torch.no_grad():
        teacher = scores(net.average, large)
    return net.criterion(teacher, scores(own, large) + scores(own, torch.cat(small)), epoch=0)


THEIRS = {
    "simclr": (simclr, lambda o: lightly_loss.NTXentLoss(temperature=o["temperature"])),
    "byol": (byol, lambda o: lightly_loss.NegativeCosineSimilarity()),
    "dino": (
        dino,
        lambda o: lightly_loss.DINOLoss(
            output_dim=o["prototypes"], warmup_teacher_temp=o["temperature"], teacher_temp=o["temperature"],
            warmup_teacher_temp_epochs=1,
        ),
    ),
}  # fmt: skip


def steps(name: str, size: int, count: int) -> dict:
    """Functions that take `count` steps of ours, and where lightly has it of theirs."""
    objective = load(name)
    torch.manual_seed(0)
    ours = objective.learner(Trunk(Shape()), FACTS, **objective.options)
    made = {
        "ours": (ours, lambda net, one: net.loss(one), lambda net: net.after_step(0.99) if objective.teacher else None)
    }
    if name in THEIRS:
        theirs, (loss, criterion) = copy.deepcopy(ours), THEIRS[name]
        theirs.criterion = criterion(objective.options)

        def follow(net):
            if objective.teacher:
                own = [net.trunk, net.projector, *([net.last] if name == "dino" else [])]
                for part, average in zip(own, net.average):
                    update_momentum(part, average, 0.99)

        made["lightly"] = (theirs, lambda net, one: loss(net, one, objective.options), follow)

    def run(net, loss, after):
        optimiser = adamw([p for p in net.parameters() if p.requires_grad], 1e-3, 0.05)
        batches = [batch(size, step) for step in range(count)]

        def go():
            for one in batches:
                update(loss(net, one), optimiser, 1e-3, clip_norm=3.0)
                after(net)

        return go

    return {which: run(*parts) for which, parts in made.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = []
    for name in ("supervised", "clip", "simclr", "byol", "dino", "mae", "mae-tiny"):
        seconds = interleaved(steps(name, options.batch, options.steps), options.repetitions)
        objective = load(name)
        net = objective.learner(Trunk(Shape()), FACTS, **objective.options)
        gflops = flops.count(lambda: net.loss(batch(options.batch, 0)).backward()) / 1e9  # noqa: B023
        ratio = quartiles(seconds["lightly"] / seconds["ours"]) if "lightly" in seconds else "-"
        images = options.batch * options.steps
        rows.append(
            {"objective": name, "lightly / ours": ratio, "images per CPU second": quartiles(images / seconds["ours"]),
             "GFLOP/s": quartiles(options.steps * gflops / seconds["ours"])}
        )  # fmt: skip
    show(rows, options.json)


if __name__ == "__main__":
    main()
