"""What a manager can choose of the engine: its names, with words for pages.

The names are the engine's; a test compares them with what the engine has. They stand here so
that a web process shows a form without loading NumPy or torch. The words are English: whoever
shows them passes them through gettext.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop

CERTIFICATES: dict[str, str] = {
    "audit": gettext_noop("Certified: people check a random part of the machine's labels"),
    "test_set": gettext_noop("Estimated with a margin, from the test set alone"),
}
"""The promise at the end (mcal.md, "The promise": certificates A and B)."""

ACQUISITIONS: dict[str, str] = {
    "margin": gettext_noop("Margin: the two likeliest classes are close"),
    "least_confidence": gettext_noop("Least confidence: the likeliest class is not likely"),
    "entropy": gettext_noop("Entropy: many classes are likely"),
    "k_center": gettext_noop("k-center: images unlike all labelled ones"),
    "informativeness": gettext_noop(
        "Informativeness: uncertain images that are like many others, so no outliers"
    ),
    "mutual_information": gettext_noop(
        "Mutual information: the members of an ensemble disagree most"
    ),
    "variation_ratios": gettext_noop(
        "Variation ratios: the members of an ensemble vote for different classes"
    ),
    "random": gettext_noop("Random"),
}
"""M(.): what people label next (paper, Sec. 3)."""

CERTAINTIES: dict[str, str] = {
    "margin": gettext_noop("Margin"),
    "least_confidence": gettext_noop("Least confidence"),
    "entropy": gettext_noop("Entropy"),
}
"""L(.): in which order the machine may label (paper, Sec. 3)."""

ARCHITECTURES: dict[str, str] = {
    "cnn_small": gettext_noop("Small network, quick on any computer"),
    "cnn_fast": gettext_noop("Strong small network: fewer labels, slower"),
    "squeezenet1_1": gettext_noop("SqueezeNet 1.1"),
    "resnet10": gettext_noop("ResNet-10"),
    "resnet18": gettext_noop("ResNet-18"),
    "efficientnet_b0": gettext_noop("EfficientNet-B0"),
    "googlenet": gettext_noop("GoogLeNet"),
    "resnet50": gettext_noop("ResNet-50"),
    "densenet121": gettext_noop("DenseNet-121"),
    "inception_v3": gettext_noop("Inception v3"),
    "convnext_tiny": gettext_noop("ConvNeXt-T"),
    "vit_b_16": gettext_noop("ViT-B/16, a transformer"),
    "paper_cnn18": gettext_noop("CNN18 of the paper"),
    "paper_resnet18": gettext_noop("ResNet-18 of the paper (small)"),
    "paper_resnet50": gettext_noop("ResNet-50 of the paper (small)"),
}
"""Networks, the quickest first."""

SHORT: dict[str, str] = {
    "cnn_small": gettext_noop("Small network"),
    "cnn_fast": gettext_noop("Strong small network"),
    "vit_b_16": "ViT-B/16",
}
"""What a network is called inside a sentence, where that differs."""

PLAIN = "plain"
WAYS: dict[str, str] = {
    PLAIN: gettext_noop("Plainly: fresh weights, labels of people"),
    "tuned": gettext_noop("Pre-trained, all of it fine-tuned"),
    "frozen": gettext_noop("Pre-trained and frozen, one layer trained"),
    "pseudo": gettext_noop("With pseudo-labels"),
    "semi": gettext_noop("Consistency training with unlabelled images"),
    "pseudo+tuned": gettext_noop("Pre-trained, fine-tuned, with pseudo-labels"),
    "frozen+pseudo": gettext_noop("Pre-trained, frozen, with pseudo-labels"),
}
"""How a network is trained, by the parts of a candidate's name (mcal_engine.candidates)."""

PRETRAINED = frozenset(way for way in WAYS if {"tuned", "frozen"} & set(way.split("+")))
"""The ways that begin at weights from a file."""

WEIGHT_FILES: dict[str, tuple[str, ...]] = {
    "resnet18": ("resnet18-f37072fd.pth",),
    "resnet50": ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth"),
    "squeezenet1_1": ("squeezenet1_1-b8a52dc0.pth",),
    "densenet121": ("densenet121-a639ec97.pth",),
    "googlenet": ("googlenet-1378be20.pth",),
    "inception_v3": ("inception_v3_google-0cc3c7bd.pth",),
    "efficientnet_b0": ("efficientnet_b0_rwightman-7f5810bc.pth",),
    "convnext_tiny": ("convnext_tiny-983f1562.pth",),
    "vit_b_16": ("vit_b_16-c867db91.pth", "vit_b_16_lc_swag-4e70ced5.pth"),
}
"""torchvision's files of pre-trained weights; of other networks there are none."""

DISAGREEMENT = frozenset({"mutual_information", "variation_ratios"})
"""What only the members of an ensemble can say: of no use to a candidate that is one network."""

CURVE_MODELS: dict[str, str] = {
    "joint": gettext_noop("All shares together, with intervals"),
    "per_theta": gettext_noop("The paper's power law, one fit per share"),
    "last_value": gettext_noop("The error stays as it is (a baseline)"),
}

COST_MODELS: dict[str, str] = {
    "linear": gettext_noop("In proportion to the images shown"),
    "quadratic": gettext_noop("Epochs grow with the images (paper, footnote 3)"),
    "fixed": gettext_noop("Always the mean of the measured ones"),
    "measured": gettext_noop("Between the measured ones"),
}

CERTIFICATE_WORDS: dict[str, str] = {
    "audit": gettext_noop("certified by an audit"),
    "test_set": gettext_noop("estimated with a margin"),
}
"""The kind of a promise, inside a sentence."""
