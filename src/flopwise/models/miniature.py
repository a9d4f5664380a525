"""Networks of a few ten thousand parameters for pictures of 32 x 32 pixels, made of timm's own classes: families with other
habits, cheap enough to be trained by the dozen on a processor core."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from flopwise.core.choices import check

SIZE = 32
MEAN, DEVIATION = 0.5, 0.25  # of pixels between 0 and 1, for models that say nothing else in `normalisation`


class Miniature(NamedTuple):
    """family: cnn, transformer or mlp. norm: what normalises. make(timm, classes) -> the network."""

    family: str
    norm: str
    make: Callable


def _resnet(timm, classes: int, channels, norm=None, **options):
    from timm.models.resnet import BasicBlock, ResNet

    more = {"norm_layer": partial(timm.layers.GroupNorm, num_groups=8)} if norm == "group" else {}
    named = {"stem_type": "deep", "stem_width": 8, **options, **more}
    # a stem of 3 x 3 convolutions and a pooling make 8 x 8 of 32 x 32, three more stages 4 x 4, 2 x 2 and 1 x 1
    network = ResNet(named.pop("block", BasicBlock), (1, 1, 1, 1), classes, channels=channels, **named)
    if norm == "group":
        _pool_with_channels_last(network.maxpool)
    return network


def _pool_with_channels_last(pool) -> None:
    """Of a network that holds channels first: on a CPU the pooling's kernel for channels last takes a fraction of the time."""
    import torch

    pool.register_forward_pre_hook(lambda _, maps: maps[0].contiguous(memory_format=torch.channels_last))
    pool.register_forward_hook(lambda _, maps, pooled: pooled.contiguous())


def _resnext(timm, classes: int):
    from timm.models.resnet import Bottleneck

    return _resnet(timm, classes, (8, 16, 24, 32), block=Bottleneck, cardinality=4, base_width=16)


def _vit(timm, classes: int, stem: tuple[int, ...] = (), **options):
    from timm.models.vision_transformer import VisionTransformer
    from timm.models.vision_transformer_hybrid import ConvStem

    # timm draws weights with a deviation of 0.02 unless told otherwise, far too small for such narrow layers
    named = {"class_token": False, "global_pool": "avg", "weight_init": "jax", "patch_size": 8, **options}
    if stem:  # convolutions of stride 2 in place of one large patch (Xiao et al. 2021): patches of 8 x 8 learn slowly
        embed = partial(
            timm.layers.HybridEmbed, backbone=ConvStem(depth=len(stem), channels=stem, stride=(2,) * len(stem))
        )
        named |= {"embed_layer": embed, "patch_size": 1}
    return VisionTransformer(SIZE, num_classes=classes, mlp_ratio=2, **named)


def _mixer(timm, classes: int, block: str, width: int, depth: int, patch: int = 8, **options):
    from timm.models import mlp_mixer

    named = {"block_layer": getattr(mlp_mixer, block)}
    if block == "SpatialGatingBlock":
        named["mlp_layer"] = timm.layers.GatedMlp
    if block == "ResBlock":  # layers start at full scale; 1e-4 needs hundreds of epochs
        named |= {"block_layer": partial(mlp_mixer.ResBlock, init_values=1.0), "norm_layer": mlp_mixer.Affine}
    return mlp_mixer.MlpMixer(classes, SIZE, 3, patch, depth, width, **named, **options)


def _convmixer(timm, classes: int):
    from timm.models.convmixer import ConvMixer

    return ConvMixer(48, 2, kernel_size=3, patch_size=4, num_classes=classes)


def _perceiver(timm, classes: int, width: int, latents: int, layers: int):
    """Perceiver IO with one query, behind the methods of timm's classes that are used here."""
    from torch import nn

    from flopwise.models.perceiver.towers import reader

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.perceiver, self.head = reader(SIZE, 4, width, latents, layers, heads=4), nn.Linear(width, classes)

        def get_classifier(self):
            return self.head

        def forward_features(self, images):
            return self.perceiver(images)[:, 0]

        def forward_head(self, features, pre_logits: bool = False):
            return features if pre_logits else self.head(features)

        def forward(self, images):
            return self.forward_head(self.forward_features(images))

    return Network()


NETWORKS: dict[str, Miniature] = {
    "resnet-w16": Miniature("cnn", "batch", partial(_resnet, channels=(16, 24, 32, 48))),
    "resnet-w24": Miniature("cnn", "batch", partial(_resnet, channels=(24, 36, 48, 72))),
    "resnet-gn": Miniature("cnn", "group", partial(_resnet, channels=(16, 24, 32, 48), norm="group")),
    "resnext": Miniature("cnn", "batch", _resnext),
    "convmixer": Miniature("cnn", "batch", _convmixer),
    "vit-d48": Miniature("transformer", "layer+batch", partial(_vit, stem=(12, 24, 48), embed_dim=48, depth=2, num_heads=3)),
    "vit-d64": Miniature("transformer", "layer+batch", partial(_vit, stem=(8, 16, 32), embed_dim=64, depth=3, num_heads=4)),
    "vit-p8": Miniature("transformer", "layer", partial(_vit, embed_dim=48, depth=2, num_heads=3)),
    "vit-p4": Miniature(
        "transformer", "layer",
        partial(_vit, patch_size=4, embed_dim=32, depth=2, num_heads=2),
    ),
    "mixer-d48": Miniature("mlp", "layer", partial(_mixer, block="MixerBlock", width=48, depth=2, mlp_ratio=(1.0, 2.0))),
    "mixer-d80": Miniature("mlp", "layer", partial(_mixer, block="MixerBlock", width=80, depth=2, mlp_ratio=(1.0, 2.0))),
    "mixer-p4": Miniature("mlp", "layer", partial(_mixer, block="MixerBlock", width=32, depth=2, patch=4, mlp_ratio=(0.5, 2.0))),
    "resmlp-d64": Miniature("mlp", "affine", partial(_mixer, block="ResBlock", width=64, depth=2, mlp_ratio=2)),
    "perceiver-d48": Miniature("transformer", "layer", partial(_perceiver, width=48, latents=16, layers=2)),
    "gmlp-d48": Miniature("mlp", "layer", partial(_mixer, block="SpatialGatingBlock", width=48, depth=2, mlp_ratio=3)),
}  # fmt: skip


def create(name: str, classes: int, seed: int = 0, device: str = "cpu"):
    """The network `name` with weights drawn under `seed`; on the device `meta` without weights."""
    import torch

    from flopwise.core.seeds import derive
    from flopwise.models.compat import import_timm

    own = NETWORKS[check("network", name, NETWORKS)]
    timm = import_timm()
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(derive(seed, "initial weights"))  # timm's classes draw from the global generator
        model = own.make(timm, classes)
    # on a CPU a step of a CNN takes 16 to 29 % less time with channels last, of a transformer after convolutions 4 to 17 %;
    # group norm's kernel would take longer
    return model.to(memory_format=torch.channels_last) if "batch" in own.norm else model


def outputs(model, pixels):
    """(features (B, d), logits (B, C)) of a timm model for pixels (B, 3, H, W) between 0 and 1: what its classifier sees, and
    what it says. Pixels are normalised with the mean and deviation in the model's attribute `normalisation`."""
    import torch

    mean, deviation = getattr(model, "normalisation", (MEAN, DEVIATION))
    mean, deviation = (torch.as_tensor(value, device=pixels.device).view(-1, 1, 1) for value in (mean, deviation))
    head, maps = model.get_classifier(), model.forward_features((pixels - mean) / deviation)
    features = model.forward_head(maps, pre_logits=True).flatten(1)
    if isinstance(head, torch.nn.Linear) and getattr(model, "aux_head", None) is None:
        return features, head(features)
    return features, model.forward_head(maps)  # two heads, one on the map of features, or one that is a convolution
