"""What the tests of the verifier share: a certificate, and the labels that go with it."""

import csv
import json

from mcal_engine import audit, verify
from tests.engine.test_audit import World

COLUMNS = ("image_id", "file_name", "label", "label_id", "source", "status")


def write_labels(path, labels, machine, excluded=()):
    """Write what the export holds: `labels` [N], -1 for none; `machine` are item numbers."""
    machine = set(machine)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for item, label in enumerate(labels):
            known = label >= 0
            writer.writerow(
                {
                    "image_id": item + 1,
                    "file_name": f"{item}.png",
                    "label": f"class {label}" if known else "",
                    "label_id": label if known else "",
                    "source": ("machine" if item in machine else "human") if known else "",
                    "status": "labelled" if known else "excluded",
                }
            )


class Delivery:
    """A certificate and the labels that go with it, as files."""

    def __init__(self, folder, length=250, *, hardness=0.25, broken=(), behind=()):
        self.folder = folder
        self.world = world = World(hardness=hardness)
        broken = [int(world.order[rank]) for rank in broken]
        items = [item for item in world.order[[*range(length), *behind]] if item not in broken]
        answers = world.answers(items, excluded=broken)
        looked = audit.look(world.audit, *answers)
        order, labels, _, unsure, excluded = answers
        self.machine = audit.delivered(looked, order, labels, unsure, excluded)
        self.document = audit.document(looked, *answers, config=world.config)
        self.labels = world.truth.copy()
        self.labels[self.machine] = world.pred[self.machine]
        self.labels[excluded] = -1

    def check(self, document=None, *, labels=None, machine=None, seal=True):
        document = self.document if document is None else document
        held = audit.sealed(document) if seal else document
        return self.run(held, labels, machine)

    def run(self, held, labels=None, machine=None):
        (self.folder / "certificate.json").write_text(json.dumps(held))
        chosen = self.labels if labels is None else labels
        write_labels(
            self.folder / "labels.csv", chosen, self.machine if machine is None else machine
        )
        return verify.main([str(self.folder / "certificate.json"), str(self.folder / "labels.csv")])


def changed(value):
    """Return another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value * 1.5 + 0.001
    if isinstance(value, str):
        return value + "0"
    return [*value[:-1], changed(value[-1])] if value else [7]
