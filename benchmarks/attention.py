"""Time, memory and error of scalar attention against the published dense formulation.

One command measures everything in one run and writes a table (JSON) and a figure::

    python benchmarks/attention.py [--quick] [--out benchmarks/results]

A *step* is the forward and backward pass of one layer: queries, keys and values from a batch of
sparse, log-normalised expression and per-gene weights, attention, sum over heads, and the
gradients of all weights. Four forms take turns, so that whatever else the machine does meets all
of them:

published
    Softmax of all pairs, zero diagonal, matrix product: dense, in plain torch, head by head.
sdpa
    torch's ``scaled_dot_product_attention`` with the scalars padded to vectors. It cannot zero
    the diagonal, so it computes something *simpler* than the others.
exact, linear
    ``tgem.nn.scalar_attention`` with that method.

A form whose tensors would not fit, or whose step would take too long by its own quadratic
scaling, is reported with its computed size or time instead.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from memory import largest_resident_size
from shared import DenseAttention, Timing, machine, published, ratios, timed
from torch import Tensor
from torch.nn import functional

from tgem.nn import attention_statistics, scalar_attention

if TYPE_CHECKING:
    from collections.abc import Callable

PADDED = 8  # numbers per token that torch's kernels want at least
FLOAT_BYTES = 4


class Sizes(NamedTuple):
    """What is measured, in full or as a smoke test."""

    n_obs: int = 16
    n_heads: int = 5
    n_genes: tuple[int, ...] = (500, 765, 1000, 1708, 3000, 5000, 10_000, 20_000, 50_000)
    scaling: tuple[int, ...] = (2000, 5000, 10_000, 20_000, 50_000)
    errors: tuple[int, ...] = (765, 1708)
    paper: int = 1708  # genes of the published network
    seconds: float = 15.0  # that the turns of a form may take together at one size
    rounds: int = 7  # at most


QUICK = Sizes(
    n_obs=2,
    n_heads=2,
    n_genes=(300,),
    scaling=(200, 400, 800),
    errors=(100,),
    paper=150,
    seconds=0.1,
    rounds=2,
)


def sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """torch's fused attention, the diagonal included."""
    padded = (functional.pad(tensor.unsqueeze(-1), (0, PADDED - 1)) for tensor in (q, k, v))
    return functional.scaled_dot_product_attention(*padded, scale=1.0)[..., 0]


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "published": published,
    "sdpa": sdpa,
    "exact": partial(scalar_attention, method="exact"),
    "linear": partial(scalar_attention, method="linear"),
}


class Layer:
    """One layer's weights, and a batch; calling it is one training step."""

    def __init__(self, n_genes: int, sizes: Sizes, device: str = "cpu", seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        rate = 3 * torch.rand(sizes.n_obs, n_genes, generator=generator) ** 4
        counts = torch.poisson(rate, generator=generator)
        self.expression = torch.log1p(counts).to(device)  # three of four are zero
        deviation = math.sqrt(2 / (n_genes + sizes.n_heads))
        self.weights = [
            (torch.randn(sizes.n_heads, n_genes, generator=generator) * deviation)
            .to(device)
            .requires_grad_()
            for _ in range(3)
        ]
        self.head_weight = torch.full((sizes.n_heads,), 1e-3, device=device, requires_grad=True)
        upstream = torch.randn(sizes.n_obs, n_genes, generator=generator)
        self.upstream = upstream.to(device)

    def scaled(self, factor: float) -> Layer:
        """Multiply the weights of queries and keys."""
        with torch.no_grad():
            for weight in self.weights[:2]:
                weight.mul_(factor)
        return self

    def tokens(self) -> list[Tensor]:
        """Queries, keys and values, ``(n_obs, n_heads, n_genes)``."""
        return [self.expression.unsqueeze(1) * weight for weight in self.weights]

    def __call__(self, form: str) -> None:
        for weight in (*self.weights, self.head_weight):
            weight.grad = None
        attended = FORMS[form](*self.tokens())
        torch.einsum("h,nhg->ng", self.head_weight, attended).backward(self.upstream)


def in_turns(
    steps: dict[str, Callable[[], Any]], sizes: Sizes, device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Median times of steps that take turns, after a first turn that does not count.

    A step that takes longer than the allowance is not repeated, and its first turn counts.
    """
    first = {name: timed(step, device) for name, step in steps.items()}
    times: dict[str, list[Timing]] = {name: [] for name in steps}
    rounds = {
        name: min(sizes.rounds, int(sizes.seconds / max(timing.wall, 1e-9)))
        for name, timing in first.items()
    }
    for turn in range(max(rounds.values())):
        for name, step in steps.items():
            if turn < rounds[name]:
                times[name].append(timed(step, device))
    result = {}
    for name, timings in times.items():
        kept = timings or [first[name]]
        result[name] = {
            "wall_s": statistics.median(timing.wall for timing in kept),
            "process_s": statistics.median(timing.process for timing in kept),
            "repeats": len(kept),
            "warmed_up": bool(timings),
        }
    return result


def computed_bytes(form: str, n_genes: int, sizes: Sizes) -> int:
    """What a step keeps at least: if dense, all weights, with the diagonal and without."""
    rows = sizes.n_obs * sizes.n_heads
    return FLOAT_BYTES * rows * (2 * n_genes**2 if form == "published" else 10 * n_genes)


def process_growth(form: str, n_genes: int, sizes: Sizes) -> int:
    """Growth of the largest resident size over one step, in a fresh process."""
    command = [sys.executable, __file__, "--measure-memory", form, str(n_genes)]
    command += [str(sizes.n_obs), str(sizes.n_heads)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure_memory(form: str, n_genes: int, sizes: Sizes) -> int:
    """Print-out of :func:`process_growth`: bytes by which this process grew."""
    Layer(64, sizes)(form)  # what torch loads at the first step is not the step's
    layer = Layer(n_genes, sizes)
    before = largest_resident_size(reset=True)
    layer(form)
    return largest_resident_size() - before


def allocator_peak(layer: Layer, form: str) -> int:
    """Bytes that torch's CUDA allocator held at most during a step, above what was there."""
    layer(form)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    layer(form)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def one_layer(sizes: Sizes, device: str, limits: dict[str, float]) -> list[dict[str, Any]]:
    """Time and memory of every form at every number of genes."""
    rows: list[dict[str, Any]] = []
    last: dict[str, tuple[int, float]] = {}  # the size that was measured last, and its time
    for n_genes in sizes.n_genes:
        layer, steps, row = Layer(n_genes, sizes, device), {}, {"n_genes": n_genes}
        for form in FORMS:
            size = computed_bytes(form, n_genes, sizes)
            before, seconds = last.get(form, (n_genes, 0.0))
            projected = seconds * (n_genes / before) ** 2
            if size > limits["bytes"]:
                row[form] = {"skipped": f"needs at least {size / 1e9:.0f} GB", "bytes": size}
            elif form != "linear" and projected > limits["seconds"]:
                row[form] = {"skipped": f"would take about {projected:.0f} s", "wall_s": projected}
            else:
                steps[form] = partial(layer, form)
        measured = in_turns(steps, sizes, device)
        for form, timing in measured.items():
            last[form] = n_genes, timing["wall_s"]
            memory = (
                process_growth(form, n_genes, sizes)
                if device == "cpu"
                else allocator_peak(layer, form)
            )
            row[form] = {**timing, "peak_bytes": memory}
        rows.append(row)
        show_row(row)
    return rows


def show_row(row: dict[str, Any]) -> None:
    cells = [f"{row['n_genes']:>7,}"]
    for form in FORMS:
        found = row[form]
        cells.append(
            f"{found['skipped']:>26}"
            if "skipped" in found
            else f"{found['wall_s'] * 1e3:>12,.1f} ms {found['peak_bytes'] / 1e6:>7,.0f} MB"
        )
    print("  ".join(cells), flush=True)


def largest_score_spread(q: Tensor, k: Tensor) -> float:
    """X, the largest of max|q| times the range of k."""
    spread = q.abs().amax(-1) * (k.amax(-1) - k.amin(-1))
    return spread.max().item()


def scaling(sizes: Sizes, device: str) -> dict[str, Any]:
    """Cost of the linear form in genes: the slope of a straight line through the logarithms."""
    result = {}
    for name, target in (("initial weights", None), ("X = 100", 100.0)):
        layers = {}
        for n_genes in sizes.scaling:
            layer = Layer(n_genes, sizes, device)
            if target is not None:
                # X is a product of a query's and a key's weight.
                layer.scaled(math.sqrt(target / largest_score_spread(*layer.tokens()[:2])))
            layers[n_genes] = layer
        steps = {str(n): partial(layer, "linear") for n, layer in layers.items()}
        times = in_turns(steps, sizes, device)
        found = {
            str(n): {**times[str(n)], "X": largest_score_spread(*layer.tokens()[:2])}
            for n, layer in layers.items()
        }
        exponents = {
            clock: slope(sizes.scaling, [row[clock] for row in times.values()])
            for clock in ("wall_s", "process_s")
        }
        result[name] = {"exponent": exponents, "steps": found}
        print(f"exponent at {name}: {exponents['wall_s']:.2f} (wall)", flush=True)
    return result


def slope(x: tuple[int, ...], y: list[float]) -> float:
    """Least-squares slope of log y over log x."""
    logs = [math.log(value) for value in x]
    return statistics.linear_regression(logs, [math.log(max(v, 1e-9)) for v in y]).slope


def errors(sizes: Sizes) -> list[dict[str, Any]]:
    """Largest errors of output and gradients, relative to the largest true value."""
    rows = []
    for n_genes in sizes.errors:
        for factor in (1, 10, 100):
            layer = Layer(n_genes, sizes._replace(n_obs=2)).scaled(factor)
            tokens = [tensor.detach() for tensor in layer.tokens()]
            expected = outputs_and_gradients(published, [t.double() for t in tokens])
            row = {"n_genes": n_genes, "weights_times": factor}
            row["X"] = largest_score_spread(*tokens[:2])
            for form in ("published", "exact", "linear"):
                found = outputs_and_gradients(FORMS[form], tokens)
                row[form] = {
                    name: ((a.double() - b).abs().max() / b.abs().max()).item()
                    for name, a, b in zip(("z", "dq", "dk", "dv"), found, expected, strict=True)
                }
            rows.append(row)
            worst = ", ".join(
                f"{form} {max(row[form].values()):.0e}" for form in ("published", "exact", "linear")
            )
            print(f"error at {n_genes:,} genes, weights x{factor}: {worst}", flush=True)
    return rows


def outputs_and_gradients(
    form: Callable[[Tensor, Tensor, Tensor], Tensor], tokens: list[Tensor]
) -> list[Tensor]:
    tokens = [tensor.clone().requires_grad_() for tensor in tokens]
    output = form(*tokens)
    generator = torch.Generator().manual_seed(1)
    upstream = torch.randn(output.shape, generator=generator).to(output)
    return [output.detach(), *torch.autograd.grad(output, tokens, upstream)]


def sharp_attention(sizes: Sizes, device: str) -> dict[str, Any]:
    """Time where weights are so large that the mean row has half of the largest entropy.

    Rows of genes that are not expressed have zero queries and stay uniform; they do not count.
    """
    target = math.log(sizes.paper) / 2
    low, high = 0.0, 12.0  # logarithm of the factor
    for _ in range(20):
        middle = (low + high) / 2
        found = mean_entropy(Layer(sizes.paper, sizes, device).scaled(math.exp(middle)))
        low, high = (middle, high) if found > target else (low, middle)
    layer = Layer(sizes.paper, sizes, device).scaled(math.exp(low))
    steps = {form: partial(layer, form) for form in ("published", "linear")}
    times = in_turns(steps, sizes, device)
    result = {
        "n_genes": sizes.paper,
        "weights_times": math.exp(low),
        "X": largest_score_spread(*layer.tokens()[:2]),
        "mean_entropy": mean_entropy(layer),
        "target_entropy": target,
        **times,
        "ratio": ratios(times, "published", "linear"),
    }
    print(f"sharp attention: {result['ratio']['wall_s']:.0f} times faster (wall)", flush=True)
    return result


def mean_entropy(layer: Layer) -> float:
    q, k, _ = layer.tokens()
    return attention_statistics(q, k).entropy[q != 0].mean().item()


def network(sizes: Sizes, device: str) -> dict[str, Any]:
    """Forward and backward pass of the published three-layer network, with equal weights."""
    # Imported here, as the fresh processes that measure memory need none of it.
    from tgem.model.tgem._module import TGEMModule  # noqa: PLC0415
    from tgem.model.tgem._presets import PRESETS  # noqa: PLC0415

    preset = PRESETS["paper"]
    n_classes = 10
    expression = Layer(
        sizes.paper, sizes._replace(n_obs=preset.training["batch_size"]), device
    ).expression
    labels = torch.arange(len(expression), device=device) % n_classes
    modules = {}
    for name in ("published", "linear"):
        torch.manual_seed(0)
        module = TGEMModule(sizes.paper, n_classes, **preset.module).to(device)
        if name == "published":
            module.attentions = torch.nn.ModuleList(map(DenseAttention, module.attentions))
        modules[name] = module
    loss = {}

    def step(name: str) -> None:
        modules[name].zero_grad()
        torch.manual_seed(1)  # equal dropout
        value = modules[name].loss(modules[name](expression), labels)
        value.backward()
        loss[name] = value.item()

    times = in_turns({name: partial(step, name) for name in modules}, sizes, device)
    ratio = ratios(times, "published", "linear")
    print(f"three-layer network: {ratio['wall_s']:.0f} times faster (wall)", flush=True)
    return {"n_genes": sizes.paper, **times, "ratio": ratio, "loss": loss}


def memory_is(device: str) -> str:
    if device == "cpu":
        return "growth of the largest resident size in a fresh process"
    return "peak of torch's CUDA allocator above what was allocated before the step"


def draw(result: dict[str, Any], path: Path) -> None:
    """Time and memory over genes, both axes logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    titles = {
        "published": "published, dense",
        "sdpa": "torch SDPA, diagonal included",
        "exact": "tgem, exact",
        "linear": "tgem, linear",
    }
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for form, title in titles.items():
        rows = [row for row in result["layer"] if "skipped" not in row[form]]
        genes = [row["n_genes"] for row in rows]
        for axes, key, unit in zip(panels, ("wall_s", "peak_bytes"), (1, 1e-6), strict=True):
            axes.plot(
                genes, [row[form][key] * unit or math.nan for row in rows], "o-", ms=4, label=title
            )
    panels[0].set(ylabel="seconds per training step")
    panels[1].set(ylabel="peak memory of a step (MB)")
    for axes in panels:
        axes.set(xscale="log", yscale="log", xlabel="genes")
        axes.grid(visible=True, which="major", alpha=0.3)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="small"
    )
    figure.suptitle(
        f"One layer, {result['n_obs']} cells, {result['n_heads']} heads; "
        f"{result['machine']['device_name']}, {result['machine']['threads']} threads",
        fontsize="medium",
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)


def measure(sizes: Sizes, device: str, limits: dict[str, float]) -> dict[str, Any]:
    """Everything on one device."""
    print("\n" + "  ".join([f"{device:>7}", *(f"{form:>26}" for form in FORMS)]), flush=True)
    result = {
        "machine": machine(device) | {"memory_is": memory_is(device)},
        "n_obs": sizes.n_obs,
        "n_heads": sizes.n_heads,
        "limits": limits,
        "layer": one_layer(sizes, device, limits),
        "scaling": scaling(sizes, device),
        "sharp": sharp_attention(sizes, device),
        "network": network(sizes, device),
    }
    if device == "cpu":
        result["errors"] = errors(sizes)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test, in seconds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--gigabytes", type=float, default=8.0, help="a form needing more is left out"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="a longer step is left out")
    parser.add_argument("--measure-memory", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure_memory:
        form, *numbers = options.measure_memory
        n_genes, n_obs, n_heads = map(int, numbers)
        print(measure_memory(form, n_genes, Sizes(n_obs=n_obs, n_heads=n_heads)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    limits = {"bytes": options.gigabytes * 1e9, "seconds": options.seconds}
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        result = measure(QUICK if options.quick else Sizes(), device, limits)
        path = options.out / f"attention_{device}.json"
        path.write_text(json.dumps(result, indent=2) + "\n")
        draw(result, path.with_suffix(".png"))
        print(f"written: {path} and {path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
