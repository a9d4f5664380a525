"""Other rules for who teaches a sample, from the official code: by flips of the current student instead of confidences.

`flip-st`: the teacher on positive flips only, else the frozen student. `flip-t`: the frozen student on negative flips only,
else the teacher. `flip-avg`: teacher on positive, frozen student on negative flips, else the mean of the teacher's and the
current student's logits. `random-mask`: as many samples as data partitioning gives the teacher, drawn at random."""

from flopwise.methods.distillation import kl
from flopwise.methods.masks import flips, prefer_teacher, shuffled
from flopwise.methods.transfer import Batch, Loss, Method


def by_flips(batch: Batch, rule: str) -> Loss:
    current = batch.student.detach()
    positive, negative = flips(batch.teacher, current, batch.labels)
    if rule == "average":
        targets = (batch.teacher + current) / 2
        targets = targets.where(~positive[:, None], batch.teacher).where(~negative[:, None], batch.frozen)
        return Loss(kl(targets, batch.student), ~negative)
    taught = positive if rule == "positive" else ~negative
    return Loss(kl(batch.teacher.where(taught[:, None], batch.frozen), batch.student), taught)


def at_random(batch: Batch) -> Loss:
    taught = shuffled(prefer_teacher(batch.teacher, batch.frozen, batch.labels), batch.generator)
    return Loss(kl(batch.teacher.where(taught[:, None], batch.frozen), batch.student), taught)


METHODS = {
    "flip-st": Method(by_flips, "teacher on positive flips", "ablation", {"rule": "positive"}),
    "flip-t": Method(by_flips, "student on negative flips", "ablation", {"rule": "negative"}),
    "flip-avg": Method(by_flips, "neutral flips averaged", "ablation", {"rule": "average"}),
    "random-mask": Method(at_random, "random mask", "ablation"),
}
