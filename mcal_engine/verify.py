"""Check a certificate against the delivered labels: `verify certificate.json labels.csv`.

Stand-alone: with `verify_numbers.py` it uses the standard library only and nothing of the engine.
What the numbers mean: docs/certificates.md.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any

from mcal_engine.verify_numbers import BUDGET, allowance, verdict, walk

Check = tuple[bool, str]
Labels = dict[int, tuple[str, int | None]]
"""(source, class) of each image, by its number from 0."""
UNREADABLE = (
    *(OSError, csv.Error, LookupError, TypeError, ValueError, AttributeError),
    *(ArithmeticError, RecursionError),
)
WHAT_IS_FROZEN = (
    *("criterion", "epsilon", "alpha", "n", "seed", "confidence", "attempt", "level", "arch"),
    *("model", "scores_sha256", "thresholds", "sizes", "allowances", "forecasts", "excluded"),
)


def main(arguments: list[str]) -> int:
    """Print each check and the verdict; return 0: it holds, 1: it does not, 2: unreadable."""
    try:
        certificate_path, labels_path = arguments
        held = json.loads(Path(certificate_path).read_text("utf-8"))
        content = held.get("content", held)
        checks = list(stored(held, content)) if "content" in held else []
        labels = as_delivered(read_labels(labels_path), held)
        by_audit = (content["kind"], content["criterion"]) == ("audit", "overall")
        checks += (audited if by_audit else tested)(content, labels)
        promise = "{promise}: at most {wrong_at_most} of {machine_labels} machine labels are wrong"
        sentence = promise.format(**content)
    except UNREADABLE as error:
        sys.stderr.write(f"cannot be checked: {type(error).__name__}: {error}\n")
        return 2
    lines = [f"{'ok    ' if ok else 'FAILED'}  {text}" for ok, text in checks]
    holds = all(ok for ok, _ in checks)
    lines.append(f"The certificate {f'holds. {sentence}' if holds else 'DOES NOT hold.'}\n")
    sys.stdout.write("\n".join(lines))
    return 0 if holds else 1


def stored(held: dict[str, Any], content: dict[str, Any]) -> Iterator[Check]:
    """Check the file around a certificate: checksums, and what was stored before the audit."""
    yield held["sha256"] == sha256(content), "the file's checksum fits"
    before = held.get("commitments")
    if before is not None and "frozen" in content:
        known = {
            row["content"]["frozen"] for row in before if sha256(row["content"]) == row["sha256"]
        }
        yield content["frozen"] in known, "the frozen hash was stored before the first label"
        begun = {(row["content"].get("attempt"), row["content"]["frozen"]) for row in before}
        once = len({attempt for attempt, _ in begun}) == len(begun)
        yield once, "no attempt was begun twice"


def sha256(content: object) -> str:
    """Hash a JSON value in its canonical form: sorted keys, no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_labels(path: str) -> Labels:
    """Read (source, class) of each image by its number from 0; duplicates must agree."""
    found: Labels = {}
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            item, label = int(row["image_id"]) - 1, row["label_id"]
            value = (row["source"], int(label) if label else None)
            if found.setdefault(item, value) != value:
                raise ValueError(f"image {item + 1} has two different labels")
    return found


def as_delivered(labels: Labels, held: dict[str, Any]) -> Labels:
    """Put back what the machine delivered where people corrected it afterwards, as the file says.

    The hash over the machine's labels judges what is put back.
    """
    for one in held.get("corrected", []):
        if labels[one["item"]] != ("human", one["now"]):
            raise ValueError(f"image {one['item'] + 1} is not corrected as the file says")
        labels[one["item"]] = ("machine", one["was"])
    return labels


# --- certificate A: the sequential audit ------------------------------------------------------


def audited(c: dict[str, Any], labels: Labels) -> Iterator[Check]:
    """Recompute order, prefix, evidence and verdict."""
    yield from committed(c)
    yield c["n"] <= len(labels), "the labels cover every image"
    entries = c["audited"]
    ranks = [entry["order"] for entry in entries]
    gap = next((i for i, rank in enumerate(ranks) if rank != i), len(ranks))
    yield c["looked"] == gap and ranks == sorted(set(ranks)), f"the first {gap} answers are in"
    places = [place(c["key"], entry["item"]) for entry in entries]
    yield places == sorted(set(places)), "the order is that of the key"
    inside = all(entry["uncertainty"] <= c["thresholds"][-1] for entry in entries)
    fresh = {entry["item"] for entry in entries}.isdisjoint(c["excluded"])
    yield inside and fresh, "only images of the largest set were audited"
    yield all(told(entry, labels) for entry in entries), "the answers are those in the labels"
    best, wrong = verdict(c, entries[:gap])
    yield c["accepted"] == best, f"the evidence certifies set {best} of 0 to {len(c['sizes']) - 1}"
    yield c["wrong_at_most"] == wrong, f"at most {wrong} wrong labels are left"
    yield isclose(c["bound"], wrong / max(c["n"], 1)), "the stated bound is their share"
    yield from delivered(c, labels, best, max(places[:gap], default=(b"", -1)))


def committed(c: dict[str, Any]) -> Iterator[Check]:
    """Check what was fixed before the first label."""
    yield sha256({name: c[name] for name in WHAT_IS_FROZEN}) == c["frozen"], "the frozen hash fits"
    key = f"{c['seed']}:audit:{c['attempt']}:{c['frozen'][:16]}"
    yield c["key"] == key, "the order's key is made of seed, attempt and frozen hash"
    possible = 0 < c["alpha"] < 1 and isinstance(c["attempt"], int) and c["attempt"] >= 1
    yield possible, "alpha lies between 0 and 1, and attempts count from 1"
    level = 0.8 * c["alpha"] * 0.2 ** (c["attempt"] - 1)
    yield isclose(c["level"], level), f"attempt {c['attempt']} may spend {level:.3g} of alpha"
    cuts, sizes = c["thresholds"], c["sizes"]
    nested = [sorted(cuts), sorted(sizes)] == [cuts, sizes]
    yield nested and len(cuts) == len(sizes) == len(c["forecasts"]) > 0, "the sets are nested"
    allowed = [allowance(c["epsilon"], c["n"], size) for size in sizes]
    yield c["allowances"] == allowed, "the allowances follow from epsilon and the sizes"
    known = c["promise"] == "certified" or (c["promise"] == BUDGET and len(sizes) == 1)
    yield known, f"the promise is known: {c['promise']}"


def delivered(
    c: dict[str, Any], labels: Labels, best: int | None, last: tuple[bytes, int]
) -> Iterator[Check]:
    """Check that the machine's labels are the certified set without the audited images.

    `last` is the place of the last judged image: the order reached no machine label before it.
    """
    machine = {item for item, (source, _) in labels.items() if source == "machine"}
    yield len(machine) == c["machine_labels"], f"the machine gave {len(machine)} labels"
    cut, size = (None, 0) if best is None else (c["thresholds"][best], c["sizes"][best])
    yield c["threshold"] == cut, "the threshold is the set's"
    by_hand = {e["item"] for e in c["audited"] if cut is not None and e["uncertainty"] <= cut}
    apart = machine.isdisjoint(by_hand) and machine.isdisjoint(c["excluded"])
    yield apart and len(machine | by_hand) == size, "they are the whole set, less the audited"
    skipped = [item for item in machine if place(c["key"], item) <= last]
    yield not skipped, "no image of the set was left out of the audit's order"
    yield from as_hashed(c, labels)


def as_hashed(c: dict[str, Any], labels: Labels) -> Iterator[Check]:
    """Compare image by image, where the certificate has the hash of the machine's labels."""
    machine = sorted((i, label) for i, (source, label) in labels.items() if source == "machine")
    lines = "".join(f"{item} {label}\n" for item, label in machine).encode()
    if "frozen" in c or "labels_sha256" in c:
        same = hashlib.sha256(lines).hexdigest() == c["labels_sha256"]
        yield same, "each machine label is the one that was delivered"


def place(key: str, item: int) -> tuple[bytes, int]:
    """Return what the committed order sorts by: SHA-256(key | item), its first 8 bytes."""
    return hashlib.sha256(key.encode() + b"|" + item.to_bytes(8, "big")).digest()[:8], item


def told(entry: dict[str, Any], labels: Labels) -> bool:
    """Tell whether the labels hold the audited answer; null: nobody could label the image."""
    source, label = labels[entry["item"]]
    if entry["answer"] is None:
        return source != "machine"
    return label == entry["answer"] and source == "human"


# --- certificate B and the paper's modes: a fixed sample --------------------------------------


def tested(c: dict[str, Any], labels: Labels) -> Iterator[Check]:
    """Recompute bounds, allowances and the walk over the sets from the counts on T."""
    yield c["kind"] in {"test_set", "audit"}, "the kind is known"  # the paper's modes use T anyway
    level = c["alpha"] / 2 / max(c["configurations"], 1)
    yield isclose(c["level"], level), "each bound holds at alpha / 2 over the configurations"
    bounds, allowances, start, best = walk(
        c["criterion"], c["epsilon"], level, c["n"], c["sizes"], c["test_counts"], c["test_errors"]
    )
    yield c["bounds"] == bounds, "the bounds follow from the errors seen in T"
    yield c["allowances"] == allowances, "the allowances follow from epsilon and the sizes"
    yield c["start"] == start, "the walk starts where T can judge"
    yield c["accepted"] == best, f"the counts accept set {best} of {len(bounds)}"
    size, wrong = (0, 0) if best is None else (c["sizes"][best], bounds[best])
    yield c["machine_labels"] == size, f"the set has {size} images"
    yield c["wrong_at_most"] == wrong, f"at most {wrong} wrong labels are in it"
    yield isclose(c["bound"], wrong / max(c["n"], 1)), "the stated bound is their share"
    for name, column in (("threshold", "thresholds"), ("theta", "thetas")):
        yield c[name] == (None if best is None else c[column][best]), f"the {name} is the set's"
    machine = sum(source == "machine" for source, _ in labels.values())
    yield machine == c.get("delivered", size), f"the machine gave {machine} labels"
    yield from as_hashed(c, labels)
    yield c["n"] <= len(labels), "the labels cover every image"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
