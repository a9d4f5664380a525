"""Published values of arXiv 2310.17653. Per-student results are those of the repository's history
(plots/students_leaderboard.csv), tables those of the project page; curves were digitised from its figures (about 0.1 of an
axis unit). The body of the paper could not be read."""

SUCCESS = {  # quartiles over 20 students of the share of 20 teachers that improve one, and share of all pairs, %
    "kl": (8.75, 32.5, 38.75, 32.5), "xekl": (21.25, 42.5, 60, 42.2), "xekl-mcl": (30, 85, 100, 60.8),
    "kl-dp": (50, 92.5, 100, 73.8), "kl-dp-u": (57.5, 82.5, 91.25, 69), "cd": (0, 0, 7.5, 16.2), "crd": (0, 0, 5, 16.8),
}  # fmt: skip
CENTRES = (
    -11.4,
    -7.9,
    -4.5,
    -1.0,
    2.4,
    5.9,
    9.3,
    12.8,
)  # difference of accuracy; the released script plots the mean of the
BY_DIFFERENCE = {  # top quartile of each bin
    "kl": (-2.8, -1.3, -0.3, 0.3, 1.25, 2.6, 6.1, 6.3),
    "xekl-mcl": (0.3, 0.4, 0.6, 0.7, 0.75, 1.5, 2.6, 2.5),
    "kl-dp": (0.3, 0.3, 0.55, 0.7, 1.15, 2.3, 5.3, 5.4),
}
SIMILARITY = {"top2": 10.8, "top5": 10.1, "top20": 8.5, "top50": 6.3}  # % above the average of all classes
MINIMUM = 2.04  # % of the test images, smallest complementary knowledge
RATES = {"top2": 98.9, "top5": 96.7, "top20": 86.1, "top50": 65.7, "top100": 34.5}  # transformer students, as plotted
SEVERAL = {  # Delta of three students: XCiT-P16, Twins, PiT-B
    "mean of single teachers": (0.73, 0.22, 0.64), "best single teacher": (0.93, 0.26, 0.86), "sequential": (0.97, 0.65, 1.04),
    "parallel": (0.91, 0.30, 0.77), "soup": (0.63, 0.21, 0.69),
}  # fmt: skip
GAIN_LOSS = {"kl": (2.71, 3.02), "kl-dp": (1.89, 1.58)}  # means over 20 students
FULL = {  # full ImageNet, tables 1 and 3: student -> family, then mean Delta over 4 teachers and its standard deviation
    "XCiT-P16": ("transformer", {"kl": (0.13, 1.01), "kl-dp": (0.65, 0.26), "kl-dp-u": (0.96, 0.42)}),
    "PiT-B": ("transformer", {"kl": (0.33, 0.86), "kl-dp": (0.55, 0.25), "kl-dp-u": (0.95, 0.52)}),
    "PiT-XS": ("transformer", {"kl": (0.10, 0.49), "kl-dp": (0.40, 0.12), "kl-dp-u": (0.35, 0.18)}),
    "SeNet154": ("cnn", {"kl": (-0.05, 0.26), "kl-dp": (0.27, 0.17), "kl-dp-u": (0.25, 0.15)}),
    "ConvNext": ("cnn", {"kl": (-0.51, 0.85), "kl-dp": (0.33, 0.14), "kl-dp-u": (0.28, 0.14)}),
    "ResNetV2-50-dist": ("cnn", {"kl": (-0.09, 0.34), "kl-dp": (0.23, 0.08), "kl-dp-u": (0.23, 0.09)}),
    "Mixer-B16-miil": ("mlp", {"kl": (-0.29, 0.58), "kl-dp": (0.15, 0.13), "kl-dp-u": (0.17, 0.15)}),
    "ResMLP-24-dist": ("mlp", {"kl": (0.15, 0.36), "kl-dp": (0.33, 0.19), "kl-dp-u": (0.29, 0.24)}),
}  # fmt: skip
