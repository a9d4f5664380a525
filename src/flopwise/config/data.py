"""Configuration of the data sets of a scale."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from flopwise.config.fields import Slug, Strict, check_known, setting

ALL = "`[all]`: every set of this role in the catalogue or the embedded world"


class PoolConfig(Strict):
    """A pool of image-text pairs, made here or read from a user's copy."""

    source: str | None = setting(None, "name in the catalogue of the pool that is read; none: made here", "our choice")
    samples: int = setting(20_000, "images in the pool", "our choice", ge=64, le=10_000_000)
    caption_noise: float = setting(
        0.2, "share of the pool's captions that are wrong or damaged", "our choice", ge=0, le=1
    )
    families: tuple[str, ...] = setting((), "kinds of images it holds; none given: all", "our choice")

    @field_validator("families")
    @classmethod
    def _known(cls, families):
        from flopwise.data.world import POOL_FAMILIES

        check_known("a name", families, POOL_FAMILIES)
        return families


class DataConfig(Strict):
    """The data sets of a scale and how much of each is made or read."""

    kind: Literal["embedded", "catalogue"] = setting(
        "embedded", "made here (`embedded`) or read from a user's copies (`catalogue`)", "our choice"
    )
    adaptation: tuple[str, ...] = setting((), f"names of the data sets that stream in; {ALL}", "official code")
    evaluation: tuple[str, ...] = setting((), f"names of the data sets only evaluated on; {ALL}", "official code")
    allow_subset: bool = setting(
        False,
        "a copy with fewer images or classes than the catalogue says is read, with a warning in its card",
        "our choice",
    )
    train_per_class: int = setting(40, "training images per class (embedded)", "our choice", ge=2, le=10_000)
    test_per_class: int = setting(20, "test images per class (embedded)", "our choice", ge=2, le=10_000)
    pools: dict[Slug, PoolConfig] = setting({}, "pre-training pools by name", "our choice")
    materials: dict[Slug, dict[str, Annotated[int, Field(ge=1)]]] = setting(
        {}, "material for the other studies (embedded): samples of each split, by name", "our choice"
    )

    @field_validator("adaptation", "evaluation")
    @classmethod
    def _all_of_a_role(cls, names, info):
        if names != ("all",):
            return names
        if info.data["kind"] == "embedded":
            from flopwise.data.world import WORLD

            sets = WORLD.values()
        else:
            from flopwise.data.catalogue import catalogue

            sets = [row for row in catalogue().values() if row.streams]
        return tuple(row.name for row in sets if row.role == info.field_name)

    @model_validator(mode="after")
    def _materials_exist(self):
        from flopwise.data.materials import MATERIALS

        check_known("a material", self.materials, MATERIALS)
        for name, sizes in self.materials.items():
            splits = tuple(MATERIALS[name].sizes)
            if sorted(sizes) != sorted(splits):
                raise ValueError(f"material {name!r} has splits {', '.join(sizes)}; needed are {', '.join(splits)}")
        return self

    @model_validator(mode="after")
    def _sets_exist(self):
        from flopwise.data.world import WORLD

        for name in (*self.adaptation, *self.evaluation) if self.kind == "embedded" else ():
            if name not in WORLD:
                raise ValueError(f"data set {name!r} is not part of the embedded world; allowed are {', '.join(WORLD)}")
        for name, pool in self.pools.items():
            if (pool.source is None) != (self.kind == "embedded"):
                needed = "needs a `source`" if self.kind == "catalogue" else "is made here and has no `source`"
                raise ValueError(f"pools.{name}: a pool of a scale of kind {self.kind!r} {needed}")
        twice = [name for name in self.adaptation if name in self.evaluation or self.adaptation.count(name) > 1]
        if twice:
            raise ValueError(f"data set {twice[0]!r} is listed twice; a set is for adaptation or for evaluation, once")
        return self
