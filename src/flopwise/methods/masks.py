"""Who teaches which sample: masks and choices, decided from logits (B, C) and labels (B,). Ties leave a sample with the
frozen student, which is what the strict inequalities of arXiv 2310.17653 say."""


def confidence(logits, labels=None):
    """Softmax probability of the label; without labels the largest one. (..., B, C) -> (..., B)"""
    probabilities = logits.softmax(-1)
    if labels is None:
        return probabilities.amax(-1)
    index = labels.expand(probabilities.shape[:-1])[..., None]
    return probabilities.gather(-1, index)[..., 0]


def prefer_teacher(teacher, frozen, labels=None):
    """m_i = 1 iff the teacher is more confident than the frozen student, bool (B,): of the label (supervised), or of
    whatever either believes (unsupervised)."""
    return confidence(teacher, labels) > confidence(frozen, labels)


def choose(frozen, teachers, labels=None):
    """Index (B,) of the most confident of {frozen student, teacher 1, ...}, `teachers` being (T, B, C): 0 is the frozen
    student. The first of several equals wins."""
    import torch

    return confidence(torch.cat([frozen[None], teachers]), labels).argmax(0)


def flips(teacher, student, labels):
    """(positive, negative) flips, bool (B,) each: only the teacher is right, only the student is right."""
    right, own = (logits.argmax(1) == labels for logits in (teacher, student))
    return right & ~own, own & ~right


def shuffled(mask, generator):
    """A mask with as many ones at random places."""
    import torch

    return mask[torch.randperm(len(mask), generator=generator).to(mask.device)]
