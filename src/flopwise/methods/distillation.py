"""Losses between a model and what it is to imitate. Logits are (B, C), labels int64 (B,)."""


def kl(targets, logits, temperature: float = 1.0):
    """T^2 / B sum_i KL(softmax(targets_i / T) || softmax(logits_i / T)); no gradient reaches `targets`. 0 for no rows.

    Hinton, Vinyals and Dean 2015; arXiv 2310.17653 uses T = 1."""
    from torch.nn.functional import kl_div, log_softmax

    if not len(logits):
        return logits.sum()
    wanted, found = (log_softmax(part / temperature, 1) for part in (targets.detach(), logits))
    return temperature**2 * kl_div(found, wanted, reduction="batchmean", log_target=True)


def cross_entropy(logits, labels, as_released: bool = False):
    """Mean cross-entropy with the labels. `as_released`: of probabilities taken for logits, as the official code of arXiv
    2310.17653 has it: softmax twice, so that the loss is bounded and its gradient weak."""
    from torch.nn import functional

    return functional.cross_entropy(logits.softmax(1) if as_released else logits, labels)


def similarity_kl(teacher, student):
    """Sum over rows of KL between the softmax of cosine similarities inside a batch: the teacher's rows against the
    student's. Features (B, d), of any two widths; official code of arXiv 2310.17653 (`CD`)."""
    from torch.nn.functional import kl_div, normalize

    wanted, found = (normalize(part, dim=1) @ normalize(part, dim=1).T for part in (teacher.detach(), student))
    return kl_div(found.log_softmax(1), wanted.log_softmax(1), reduction="sum", log_target=True)
