"""Small files of signals and methylation, and what a loop over single bases makes of them."""

import gzip

import numpy as np

SIZES = {"chr1": 12_000, "chr2": 9_000, "chrX": 6_000}


def write_text(path, text):
    """Write a text file, compressed if its name says so."""
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_bedgraph(path, intervals):
    """Write (chromosome, start, end, value) rows."""
    lines = [f"{chrom}\t{start}\t{end}\t{value!r}" for chrom, start, end, value in intervals]
    return write_text(path, "track type=bedGraph name=x\n" + "\n".join(lines) + "\n")


def write_bigwig(path, intervals, sizes=None):
    """Write (chromosome, start, end, value) rows; chromosomes without any are not in the file."""
    import pybigtools

    file = pybigtools.open(str(path), "w")
    file.write(dict(sizes or SIZES), iter(intervals))
    return path


def random_intervals(rng, sizes=None, density=0.02):
    """Intervals in order, with gaps, on every chromosome."""
    rows = []
    for chrom, size in (sizes or SIZES).items():
        edges = np.unique(rng.integers(0, size + 1, size=max(int(size * density), 6)))
        for start, end in zip(edges[:-1:2].tolist(), edges[1::2].tolist(), strict=False):
            rows.append((chrom, start, end, float(np.float32(rng.gamma(2.0)))))
    return rows


def base_by_base(intervals, gene, window, n_bins):
    """Mean of each bin by a loop over bases; `gene` is (chromosome, tss, strand)."""
    chrom, tss, strand = gene
    signal = {}
    for name, start, end, value in intervals:
        if name.removeprefix("chr") == chrom.removeprefix("chr"):
            signal.update(dict.fromkeys(range(start, end), value))
    width = (window[1] - window[0]) // n_bins
    means = []
    for number in range(n_bins):
        offsets = range(window[0] + number * width, window[0] + (number + 1) * width)
        places = [tss + offset if strand == "+" else tss - offset for offset in offsets]
        means.append(sum(signal.get(place, 0.0) for place in places) / width)
    return means
