"""Fill the README's block of figures from `bench/results/`: `python -m bench.readme`.

Only what may be quoted gets in: rows of five rounds or more that are not void. A promise that was missed is shown as missed.
"""

import sys
from pathlib import Path

import msgspec

from bench.report import RESULTS, Report
from bench.result import Claim, Result, Series
from bench.targets import ROOT
from bench.wire import in_markdown

__all__ = ["figures", "filled"]

BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
ROUNDS_MIN = 5
NOTHING = (
    "No run of five rounds on a quiet machine is committed. `make bench`, then `.venv/bin/python -m bench.readme`, "
    "fills this place."
)


def figures(folder: Path) -> str:
    """Return the table of every row that may be quoted, or words that say how to get one."""
    reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in sorted(folder.glob("*.json"))]
    quoted = [one for one in reports if one.effort.rounds >= ROUNDS_MIN and not one.result.void]
    if not quoted:
        return NOTHING
    machine = quoted[0].machine
    lines = [*_promises([one for one in quoted if not one.result.wires]), *_ways([one for one in quoted if one.result.wires])]
    lines.append(
        f"{machine.cores} cores, Python {machine.python}, SQLite {machine.sqlite}, an fsync takes {machine.fsync_us:.0f} µs; "
        f"{quoted[0].taken_at[:10]}. Medians of {min(one.effort.rounds for one in quoted)} rounds or more."
    )
    left_out = [one.result.row for one in reports if one not in quoted]
    if left_out:
        lines.append(f"Not quoted, because void or too short: {', '.join(left_out)}.")
    return "\n".join(lines)


def _promises(quoted: list[Report]) -> list[str]:
    if not quoted:
        return []
    return ["| what | ours | peer | limit | promised |", "|---|---|---|---|---|", *map(_row, quoted), ""]


def _ways(quoted: list[Report]) -> list[str]:
    """Rows that ask for the same thing in several ways have a table of their own."""
    return [line for one in quoted for line in (*in_markdown(one.result.wires), "")]


def filled(page: str, text: str) -> str:
    """Return the page with the block replaced; a page without the block is a mistake."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _cell(result: Result, name: str) -> str:
    """The contestant's one figure; where a row measures it in several ways, each with its words."""
    single = result.of(name)
    if single is not None:
        return f"{_figure(single)} {result.unit}"
    several = [one for one in result.series if one.name.startswith(name) and not one.missing]
    return "<br>".join(f"{one.name[len(name) :].strip(' ,')}: {_figure(one)} {result.unit}" for one in several) or "–"


def _figure(series: Series) -> str:
    return f"{series.median:,.{0 if series.median >= 100 else 1}f}"


def _row(report: Report) -> str:
    result = report.result
    cells = [result.title.replace("|", "/"), *(_cell(result, name) for name in (result.promised, "peer", "limit"))]
    cells.append("; ".join(map(_claim, result.claims)) or "–")
    return f"| {' | '.join(cells)} |"


def _claim(claim: Claim) -> str:
    verdict = "" if claim.holds else " **(missed)**"
    return f"{claim.found:.3g} {claim.text} ({'at most' if claim.at_most else 'at least'} {claim.wanted:g}){verdict}"


def main() -> None:
    """Rewrite the README's block."""
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8"), figures(RESULTS)), encoding="utf-8")
    sys.stdout.write(f"filled {readme.name}\n")


if __name__ == "__main__":
    main()
