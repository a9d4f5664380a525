"""The jobs that make data sets, pools and materials: what each writes, with which code and settings."""

from pathlib import Path

from flopwise.core.io import sha256_file, write_json

WILDCARDS = {"data_set": ("dataset",), "data_pool": ("pool",), "data_material": ("material",)}


def index(settings) -> Path:
    """The file with the hash of every data set's card: all sets of the scale as one input, for jobs that read them all."""
    return settings.results / "data" / "index.json"


def describe(settings, name: str) -> dict:
    """What the job that makes `name`, or the index, depends on and writes, as arguments of a `Job`."""
    data = settings.preset.data
    if not name:
        sets = tuple(settings.results / "data" / one for one in (*data.adaptation, *data.evaluation))
        return {"inputs": sets, "outputs": (index(settings),), "modules": ("flopwise.data.jobs",)}
    if name in data.materials:
        chosen = data.materials[name]
    elif name in data.pools:
        chosen = [data.kind, data.pools[name].model_dump(mode="json")]
    else:
        chosen = data.model_dump(mode="json", include={"kind", "train_per_class", "test_per_class", "allow_subset"})
    return {"outputs": (settings.results / "data" / name,), "modules": modules(data, name), "settings": chosen}


def modules(data, name: str) -> tuple[str, ...]:
    """Modules that make a data set, pool or material of the scale; the one that draws an embedded set is imported by name."""
    from flopwise.data.materials.catalogue import MATERIALS
    from flopwise.data.materials.catalogue import module_of as module_of_material
    from flopwise.data.world.catalogue import WORLD, module_of

    if name in MATERIALS:
        return "flopwise.data.materials.build", module_of_material(name)
    if data.kind == "catalogue":
        return ("flopwise.data.real",)
    return "flopwise.data.build", *((module_of(name),) if name in WORLD else ())


def run(settings, job) -> None:
    """Make one data set of the scale, one of its pools or of its materials, with its card; or the index."""
    data, name, out = settings.preset.data, job.name, job.outputs[0]
    if not name:
        write_json(out, {folder.name: sha256_file(folder / "card.json") for folder in job.inputs})
    elif name in data.materials:
        from flopwise.data.materials.build import build_material

        build_material(name, data.materials[name], out)
    elif data.kind == "catalogue":
        from flopwise.data.real import build_catalogue

        build_catalogue(data, name, settings.config.data_root, out)
    else:
        from flopwise.data.build import build_to

        build_to(data, name, out)


def facts(settings) -> dict[str, tuple[object, tuple[Path, ...]]]:
    """What notebooks may read of the data: the folder of all, with the files behind it, and names."""
    data, folder = settings.preset.data, settings.results / "data"
    sets, pools, materials = (*data.adaptation, *data.evaluation), list(data.pools), list(data.materials)
    return {
        "data.sets": (folder, tuple(folder / name for name in (*sets, *pools))),
        "data.materials": (folder, tuple(folder / name for name in materials)),
        "data.pool_names": (pools, ()),
        "data.material_names": (materials, ()),
    }


def resources(settings, rule: str) -> dict:
    """Memory and time of a job: the list of a real set holds up to millions of names, and the shards of a real pool are
    read once from front to back."""
    made_here = settings.preset.data.kind == "embedded" or rule == "data_material"
    return {"memory_mb": 2000, "minutes": 30} if made_here else {"memory_mb": 16000, "minutes": 600}
