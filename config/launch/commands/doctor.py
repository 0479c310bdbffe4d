"""``kawa doctor``: what is wrong with this machine."""

from __future__ import annotations

import json

import click

from config.launch.doctor import examine
from config.launch.running import run_command, settings_for


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check this machine and say how to mend what is wrong."""
    findings = run_command(examine(settings_for("doctor")))
    if as_json:
        rows = [
            {"name": f.name, "good": f.good, "text": f.text, "mend": "" if f.good else f.mend}
            for f in findings
        ]
        click.echo(json.dumps(rows))
    else:
        for finding in findings:
            mark = "ok  " if finding.good else ("BAD " if finding.fatal else "note")
            click.echo(f"{mark}  {finding.name:<12} {finding.text}")
            if not finding.good and finding.mend:
                click.echo(f"      {'':<12} {finding.mend}")
    if any(finding.fatal and not finding.good for finding in findings):
        raise SystemExit(1)
