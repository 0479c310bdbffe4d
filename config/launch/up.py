"""``kawa up``: the whole system on this machine, for real use."""

from __future__ import annotations

import time

import click

from config.launch.demo import say
from config.launch.system import ADMIN_LOGIN, running_system
from config.settings.load import Settings


async def run_up(settings: Settings) -> None:
    """Run everything until SIGTERM or Ctrl-C; what it keeps lies under ``var_dir``."""
    started = time.monotonic()
    async with running_system(settings, report=say) as system:
        click.echo(
            f"Kawa is ready after {time.monotonic() - started:.1f} s.\n\n"
            f"  player   {settings.edge_url}/player/\n"
            f"  catalog  {system.catalog_url}/openapi.json\n"
            f"  metrics  http://{settings.edge.admin.host}:{settings.edge.admin.port}/metrics\n"
            f"  admin    login {ADMIN_LOGIN}, password in "
            f"{settings.var_dir / 'secrets' / 'admin-password'}\n\n"
            "Publish a file: kawa ingest FILE",
            err=True,
        )
        await system.supervisor.until_failed()
