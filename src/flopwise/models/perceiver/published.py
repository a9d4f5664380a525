"""The configurations of the paper's models by name, at the sizes that it gives (tables 5, 6, 7, 11, 15 to 17, appendix; the
released code where the paper is silent). No torch. Comments say where both are silent and the choice is ours."""

from dataclasses import replace

from flopwise.core.choices import check
from flopwise.models.perceiver.config import Config
from flopwise.models.perceiver.specs import (
    Audio,
    Average,
    Flow,
    Fourier,
    FramePair,
    Image,
    InputQueries,
    Label,
    Learned,
    LearnedQueries,
    Linear,
    Modalities,
    Multimodal,
    MultimodalQueries,
    PositionQueries,
    Tasks,
    Text,
    Tied,
    Units,
    Video,
)

BYTES = 262  # padding, begin, end, mask, class, separator, then 256 byte values
GLUE = {"cola": 2, "mnli": 3, "mrpc": 2, "qnli": 2, "qqp": 2, "rte": 2, "sst2": 2, "stsb": 1}  # task -> outputs


def _language(symbols: int, length: int, latents: int, width: int, layers: int) -> Config:
    """Masked language model (table 11)."""
    return Config(
        Text(symbols, length, 768), LearnedQueries(length, 768), Tied(symbols), latents, width, layers,
        cross_heads=8, decoder_heads=8, qk=256, value=width, decoder_qk=256, decoder_value=768,
    )  # fmt: skip


def _imagenet(size: tuple[int, int], positions, query_residual: bool = True, **image) -> Config:
    """Configuration A of ImageNet (section A): 8 blocks of 6 shared layers, one query."""
    inputs, head = Image(size, positions, **image), Linear(1000, single=True)
    return Config(inputs, LearnedQueries(1, 1024), head, 512, 1024, 6, blocks=8, query_residual=query_residual)


def _flow(latents: int, layers: int, neighbourhood: int = 3, apart: bool = False) -> Config:
    """Optical flow at 368 x 496, the features of the first frame as queries (section 4.2, appendix H)."""
    size = (368, 496)
    # of the third dimension's resolution, in models that keep frames apart, nothing is said: two frames
    positions = Fourier(64, (2, *size) if apart else size)
    inputs = FramePair(size, positions, neighbourhood=neighbourhood, apart=apart)
    queries = InputQueries(size[0] * size[1], inputs.channels)
    return Config(inputs, queries, Flow(size), latents, 512, layers, heads=16)


def _multimodal(latents: int, sampled: int | None) -> Config:
    """Kinetics (section 4.3, appendix I): 16 frames of 224 x 224, 30,720 samples, a label that is hidden unless shown;
    `sampled` video points and audio patches are decoded per training step."""
    video, audio, classes = Fourier(32, (16, 56, 56)), Fourier(192, (30_720,)), 700
    inputs = Multimodal(
        {"audio": Audio(30_720, 16, audio), "image": Video(16, (224, 224), (1, 4, 4), video), "label": Label(classes)},
        mask_tokens=True, hidden=("label",),
    )  # fmt: skip
    queries = MultimodalQueries(
        {"audio": PositionQueries((1_920,), audio, sampled), "image": PositionQueries((16, 224, 224), video, sampled),
         "label": LearnedQueries(1, 1024)}
    )  # fmt: skip
    head = Modalities(512, {"audio": 16, "image": 3, "label": classes})
    return Config(inputs, queries, head, latents, 512, 8)


def _audioset(audio: Audio, width: int) -> Config:
    """AudioSet (section C): 32 frames in blocks of 2 x 8 x 8 and sound, 487 channels. The number of audio bands, the layout
    of the mel spectrogram and the numbers of heads are not stated."""
    video = Video(32, (224, 224), (2, 8, 8), Fourier(16, (16, 28, 28)))
    inputs = Multimodal({"audio": audio, "image": video})
    return Config(inputs, LearnedQueries(1, 1024), Linear(527, single=True), 512, width, 12)


def _averaged(config: Config) -> Config:
    """The first Perceiver's decoder in place of queries."""
    return replace(config, queries=None, head=Average(config.head.outputs), query_residual=False)


_SIZE, _CONV = (224, 224), Fourier(64, (56, 56))
_FOURIER = _imagenet(_SIZE, Fourier(64, _SIZE))
_LEARNED = _imagenet(_SIZE, Learned(224 * 224, 256, projected=True), query_residual=False, features=256)
_UNPADDED = _imagenet(_SIZE, _CONV, stem="conv-unpadded")
_CONFIGURATION_B = {"layers": 16, "blocks": 1, "widening": 4}
_BYTES = _language(BYTES, 2048, 256, 1280, 26)
_RAW, _MEL = Audio(61_440, 128, Fourier(64, (480,))), Audio(4_800, 1, Fourier(64, (4_800,)))
PUBLISHED: dict[str, Config] = {
    "language-bytes": _BYTES,
    "language-bytes-plus": _language(BYTES, 2048, 256, 1536, 40),
    "language-sentencepiece": _language(32_000, 512, 256, 1280, 26),
    "language-bytes-128": _language(BYTES, 2048, 128, 1920, 26),
    "language-bytes-512": _language(BYTES, 2048, 512, 896, 26),
    # fine-tuning on GLUE, all tasks at once (section F.4; width of queries as in table 6)
    "language-bytes-glue": replace(
        _BYTES, queries=LearnedQueries(len(GLUE), 1280), head=Tasks(GLUE), decoder_value=1280
    ),
    "imagenet-fourier": _FOURIER,
    "imagenet-learned": _LEARNED,
    "imagenet-conv": _UNPADDED,
    "imagenet-conv-padded": _imagenet(_SIZE, _CONV, stem="conv"),
    "imagenet-fourier-average": _averaged(_FOURIER),
    "imagenet-learned-average": _averaged(_LEARNED),
    "imagenet-conv-average": _averaged(_UNPADDED),
    "imagenet-b-fourier": replace(_FOURIER, **_CONFIGURATION_B),
    "imagenet-b-conv": replace(_UNPADDED, **_CONFIGURATION_B),
    "optical-flow": _flow(2048, 24),
    "optical-flow-apart": _flow(2048, 24, apart=True),
    "optical-flow-pixels": _flow(2048, 24, neighbourhood=1),
    "optical-flow-pixels-apart": _flow(2048, 24, neighbourhood=1, apart=True),
    "optical-flow-16-1024": _flow(1024, 16),
    "multimodal": _multimodal(784, 512),
    "multimodal-392": _multimodal(392, 512),
    "multimodal-196": _multimodal(196, 512),
    "multimodal-all": _multimodal(784, None),
    "audioset-raw": _audioset(_RAW, 512),
    "audioset-mel": _audioset(_MEL, 1024),
    "audioset-raw-average": _averaged(_audioset(_RAW, 512)),
    "audioset-mel-average": _averaged(_audioset(_MEL, 512)),
    # widths are not stated: this combination gives the published FLOPs
    "starcraft": Config(Units(512, 128), InputQueries(512, 128), None, 32, 512, 3, widening=4),
}  # fmt: skip


def find(name: str) -> Config:
    return PUBLISHED[check("perceiver model", name, PUBLISHED)]
