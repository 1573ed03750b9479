"""`retort doctor`: tells what works on this machine, why the rest does not, and what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from service.cli.arguments import VerbParser
from service.cli.output import print_json
from service.runtime.doctor.examine import examine
from service.runtime.doctor.report import DeviceFound, Report
from service.store.manifest import DeviceKind


def run(arguments: Sequence[str]) -> int:
    """The exit status: 0 if the service can start (with `--device`, on that one), else 1."""
    options = parser().parse_args(arguments)
    report = examine()
    if options.json:
        print_json(report)
    else:
        print("\n".join(lines(report)))
    return 0 if report.works(options.device) else 1


def lines(report: Report) -> list[str]:
    """The report for people."""
    found = [f"{each.name} {each.version}" for each in report.distributions]
    built = f", built for CUDA {report.cuda}" if report.cuda else ""
    return [
        f"platform       {report.platform}, Python {report.python}",
        f"retort         {report.retort or 'not installed, run from its source'}",
        f"onnxruntime    {report.onnxruntime or 'cannot be imported'}{built}",
        f"distributions  {', '.join(found) or 'none'}",
        *(line for each in report.devices for line in _device(each)),
        f"--device auto  {report.chosen or 'nothing works'}",
        *(f"problem        {problem}" for problem in report.problems),
    ]


def _device(found: DeviceFound) -> list[str]:
    if found.works:
        return [
            f"{found.device:<14} works: a graph on trial took {found.duration_ms:.2f} ms and came "
            f"within {found.error:.1%} of the processor's results"
        ]
    said = [f"{found.device:<14} does not work: {found.reason}"]
    return said + [f"{'':<14} mend: {found.mend}"] * (found.mend is not None)


def parser() -> VerbParser:
    parser = VerbParser("doctor", __doc__)
    parser.add_json()
    parser.add_argument(
        "--device",
        choices=get_args(DeviceKind),
        help="fail (exit status 1) unless this device works",
    )
    return parser
