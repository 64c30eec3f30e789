"""What a manager can choose of the engine: its names, with words for pages.

The names are the engine's; a test compares them with what the engine has. They stand here so
that a web process shows a form without loading NumPy or torch.
"""

from __future__ import annotations

CERTIFICATES: dict[str, str] = {
    "audit": "Certified: people check a random part of the machine's labels",
    "test_set": "Estimated with a margin, from the test set alone",
}
"""The promise at the end (mcal.md, "The promise": certificates A and B)."""

ACQUISITIONS: dict[str, str] = {
    "margin": "Margin: the two likeliest classes are close",
    "least_confidence": "Least confidence: the likeliest class is not likely",
    "entropy": "Entropy: many classes are likely",
    "k_center": "k-center: images unlike all labelled ones",
    "random": "Random",
}
"""M(.): what people label next (paper, Sec. 3)."""

CERTAINTIES: dict[str, str] = {
    "margin": "Margin",
    "least_confidence": "Least confidence",
    "entropy": "Entropy",
}
"""L(.): in which order the machine may label (paper, Sec. 3)."""

ARCHITECTURES: dict[str, str] = {
    "cnn_small": "Small network, quick on any computer",
    "cnn_fast": "Strong small network: fewer labels, longer trainings",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "efficientnet_b0": "EfficientNet-B0",
    "paper_cnn18": "CNN18 of the paper",
    "paper_resnet18": "ResNet-18 of the paper (small)",
    "paper_resnet50": "ResNet-50 of the paper (small)",
}
"""Networks, the quickest first."""

CURVE_MODELS: dict[str, str] = {
    "joint": "All shares together, with intervals",
    "per_theta": "The paper's power law, one fit per share",
    "last_value": "The error stays as it is (a baseline)",
}

COST_MODELS: dict[str, str] = {
    "linear": "In proportion to the images shown",
    "quadratic": "Epochs grow with the images (paper, footnote 3)",
    "fixed": "Always the mean of the measured ones",
    "measured": "Between the measured ones",
}

CERTIFICATE_WORDS: dict[str, str] = {
    "audit": "certified by an audit",
    "test_set": "estimated with a margin",
}
"""The kind of a promise, inside a sentence."""
