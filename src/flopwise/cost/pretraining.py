"""FLOPs of pre-training one image with the objectives of `methods.efficiency` and a trunk of `models.trunk`, in closed form
(docs/efficiency.md has the formulas; a test holds each beside what a step executes). No torch.

    convolution k x k, a -> b, p places = 2 k^2 a b p        trunk f(n) = stem + L block(n)
    training of a trunk t = 3 f - first layer                (the first layer has no input gradient)
    supervised  t + 3 head                                   SimCLR  2 (t + 3 projector) + 3 . 2 (2B) d
    CLIP        t + 3 (text + both maps) + 3 . 2 B d         BYOL    2 (t + 3 (projector + predictor)) + 2 (f + projector)
    DINO        2 (t + 3 head) + m (t' + 3 head) + 2 (f + head)
    MAE         3 (stem + L block(visible)) - first layer + 3 decoder
"""

from dataclasses import dataclass

from flopwise.cost.closed_forms import block, linear, mlp

CHANNELS = (24, 48)


@dataclass(frozen=True)
class Trunk:
    """Shape of a `models.trunk.Trunk`."""

    width: int
    depth: int
    patch: int = 8
    stem: str = "convolutions"
    image: int = 32
    prefix: int = 0  # tokens of no patch

    def layers(self, image: int) -> list[int]:
        """The stem's layers; the first one first."""
        side, (first, second) = image // self.patch, CHANNELS
        if self.stem == "patches":
            return [linear(side**2, 3 * self.patch**2, self.width)]
        last = self.patch // 4
        return [
            2 * 9 * 3 * first * (image // 2) ** 2, 2 * 9 * first * second * (image // 4) ** 2,
            2 * last**2 * second * self.width * side**2,
        ]  # fmt: skip

    def tokens(self, image: int) -> int:
        return (image // self.patch) ** 2

    def forward(self, image: int | None = None, seen: int | None = None) -> int:
        """One picture; `seen`: tokens that go through the blocks."""
        image = image or self.image
        return sum(self.layers(image)) + self.depth * block((seen or self.tokens(image)) + self.prefix, self.width)

    def training(self, image: int | None = None, seen: int | None = None) -> int:
        return 3 * self.forward(image, seen) - self.layers(image or self.image)[0]


def per_image(method: str, trunk: Trunk, batch_size: int, classes: int, context: int, options: dict) -> float:
    """FLOPs of one image in a training step, forward and backward, the teacher's passes included.

    classes: of the pool; context: words of a caption; options: those of the objective."""
    width, t, f, o = trunk.width, trunk.training(), trunk.forward(), options
    if method == "supervised":
        return t + 3 * linear(1, width, classes)
    if method == "clip":
        text = o["depth"] * block(context, o["width"]) + linear(1, o["width"], o["shared"])
        return t + 3 * (text + linear(1, width, o["shared"]) + linear(1, o["shared"], batch_size))
    if method == "simclr":
        projector = mlp(width, *[o["hidden"]] * (o["layers"] - 1), o["out"])
        return 2 * (t + 3 * projector) + 2 * 3 * linear(1, o["out"], 2 * batch_size)
    if method == "byol":
        projector, predictor = mlp(width, o["hidden"], o["out"]), mlp(o["out"], o["hidden"], o["out"])
        return 2 * (t + 3 * (projector + predictor)) + 2 * (f + projector)
    if method == "dino":
        head = mlp(width, *[o["hidden"]] * (o["layers"] - 1), o["out"], o["prototypes"])
        local = trunk.training(o["local_side"]) + 3 * head
        return 2 * (t + 3 * head) + o["local"] * local + 2 * (f + head)
    n, own = trunk.tokens(trunk.image), o["width"]
    visible = max(1, int(n * (1 - o["mask"])))
    decoder = linear(visible, width, own) + o["depth"] * block(n, own) + linear(n, own, 3 * trunk.patch**2)
    return trunk.training(seen=visible) + 3 * decoder
