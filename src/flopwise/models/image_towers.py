"""Image towers of open_clip with a linear head, behind the methods of timm's classes that the transfer study uses."""

from pathlib import Path

from torch import Tensor, nn

from flopwise.models import clip


class TowerClassifier(nn.Module):
    """tower: of an open_clip model; embed_dim: of its features, which the head reads."""

    def __init__(self, tower: nn.Module, embed_dim: int, classes: int):
        super().__init__()
        self.tower, self.head = tower, nn.Linear(embed_dim, classes)

    def get_classifier(self) -> nn.Module:
        return self.head

    def forward_features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised -> (B, embed_dim)."""
        return self.tower(images)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return features if pre_logits else self.head(features)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


def create(name: str, classes: int, device: str = "cpu") -> TowerClassifier:
    """The tower of `<model>.<tag>` with a head as it is drawn; `normalisation` as the checkpoint carries it."""
    import torch

    whole, how = clip.create(name, device=device), clip.preprocessing(name)
    with torch.device(device):
        made = TowerClassifier(whole.visual, clip.configuration(name)["embed_dim"], classes)
    made.normalisation = how.mean, how.std
    return made


def load(made: TowerClassifier, name: str, path: Path) -> None:
    """Put the tower's part of a released checkpoint into it. Raises `RunFailure` where the file does not fit."""
    from flopwise.models import weights

    whole = clip.create(name)
    weights.load(whole, name, path)
    made.tower.load_state_dict(whole.visual.state_dict())
