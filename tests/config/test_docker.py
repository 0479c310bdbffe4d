from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from aiohttp import web

from config.docker.make_bucket import make_bucket
from config.docker.make_secrets import main as make_secrets
from config.runtime.keys import KeySet
from config.runtime.serving import Readiness, admin_app, listening_socket
from config.runtime.storage.s3 import open_s3_client
from config.settings.load import Settings, read_settings
from config.settings.reference import groups
from config.settings.shared import ListenSettings
from tests.config.s3 import s3_server

ROOT = Path(__file__).parents[2]
PACKAGES = ("catalog", "config", "edge", "transcode")
PROGRAMS = ("edge", "catalog", "worker")

# What lies in the packages and is no part of a running program.
NOT_INSTALLED = {
    ".npmrc",
    "package-lock.json",
    "package.json",
    "prometheus.yml",
    "vendor.sh",
}


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments, continued lines joined."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    parts = (line.partition(" ") for line in joined.splitlines() if line)
    return [(word, rest.strip()) for word, _, rest in parts]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.rpartition(" AS ")[2]
        found.setdefault(name, []).append((word, rest))
    return found


def environment(stage: str) -> dict[str, str]:
    words = [word for kind, rest in stages()[stage] if kind == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def known_variables() -> set[str]:
    names = {setting.variable for group in groups() for setting in group.settings}
    return names | {"KAWA_CONFIG", "KAWA_SECRETS_DIR"}


def test_the_compose_file_is_read_by_docker_compose() -> None:
    candidates = (["docker", "compose"], ["docker-compose"])
    for command in candidates:
        if shutil.which(command[0]) is None:
            continue
        version = subprocess.run([*command, "version"], capture_output=True, check=False)
        if version.returncode == 0:
            done = subprocess.run(
                [*command, "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return
    # No Compose here: then at least its shape is checked, as below.
    assert set(compose()) <= {"services", "volumes", "networks", "x-kawa", "x-storage"}


def test_every_service_of_the_compose_file_is_whole() -> None:
    document = compose()
    services, volumes = document["services"], set(document["volumes"])

    for name, service in services.items():
        assert "image" in service, name
        needs = service.get("depends_on", {})
        for needed in needs:
            assert needed in services, f"{name} needs {needed}"
            condition = needs[needed]["condition"] if isinstance(needs, dict) else ""
            if condition == "service_completed_successfully":
                assert needed in ("secrets", "bucket")
            elif condition:
                assert condition == "service_healthy"
                built = services[needed].get("build", {}).get("target")
                has_check = "healthcheck" in services[needed] or "HEALTHCHECK" in dict(
                    stages().get(built, [])
                )
                assert has_check, f"{needed} has no healthcheck"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("/") or source in volumes or (ROOT / source).exists(), volume
        target = service.get("build", {}).get("target")
        assert target is None or target in stages()
    used = {v.split(":")[0] for s in services.values() for v in s.get("volumes", [])}
    assert volumes <= used


def test_every_kawa_variable_of_compose_and_dockerfile_is_a_setting() -> None:
    known = known_variables()
    for name in ("docker-compose.yml", "Dockerfile"):
        used = set(re.findall(r"\bKAWA_\w+", (ROOT / name).read_text()))
        assert used <= known, name
        assert used


def test_no_password_stands_in_the_compose_file() -> None:
    for name, service in compose()["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|DSN|_KEY$|REDIS__URL", variable):
                assert str(value).startswith("/run/kawa/"), f"{name}: {variable}"


def test_images_are_pinned() -> None:
    for service in compose()["services"].values():
        if not service["image"].startswith("kawa-"):
            assert re.search(r":v?\d", service["image"]), service["image"]


def test_everything_that_is_copied_exists_and_is_sent_to_the_builder() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}
    unsent = {line for line in ignore if line and not line.startswith(("!", "#", "*"))}
    copied = [
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]

    for source in copied:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in sent, f"{source} is kept back by .dockerignore"
        assert source not in unsent
    assert {"pyproject.toml", "requirements.lock", *PACKAGES} <= set(copied)
    assert sent == {source.split("/")[0] for source in copied}


def test_what_is_copied_from_another_stage_comes_from_an_earlier_one() -> None:
    seen: list[str] = []
    for name, steps in stages().items():
        for word, rest in steps:
            for source in re.findall(r"(?:--from=|,from=)([\w-]+)", rest):
                assert source in seen, f"{name}: {word} {rest}"
        seen.append(name)


def test_the_images_are_made_by_the_steps_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text()
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")

    for step in (
        "ci --ignore-scripts --no-audit --no-fund --loglevel=error",
        "sh ./vendor.sh",
        "--require-hashes",
        "-r requirements.lock",
        "--no-deps --no-build-isolation",
    ):
        assert step in makefile
        assert step in runs
    assert "apt-get" not in runs


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_runs_its_program_as_nobody_special_and_can_be_stopped(program: str) -> None:
    steps = dict(stages()["program"]) | dict(stages()[program])

    assert steps["USER"] == "10001:10001"
    assert steps["STOPSIGNAL"] == "SIGTERM"
    assert steps["VOLUME"] == '["/var/lib/kawa"]'
    module = {"worker": "transcode"}.get(program, program)
    assert json.loads(steps["CMD"]) == ["python", "-m", module]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_exposed_ports_are_those_that_the_program_listens_on(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment(program).items():
        monkeypatch.setenv(variable, value)
    section = getattr(read_settings(), {"worker": "transcode"}.get(program, program))
    listeners = [section.admin] + ([section.listen] if hasattr(section, "listen") else [])

    assert {str(listener.port) for listener in listeners} == set(
        dict(stages()[program])["EXPOSE"].split()
    )
    assert {listener.host for listener in listeners} == {"0.0.0.0"}


@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_healthcheck_tells_a_living_program_from_a_dead_one(program: str) -> None:
    check = dict(stages()[program])["HEALTHCHECK"].partition(" CMD ")[2]
    command = [sys.executable, *json.loads(check)[1:]]
    [port_variable] = re.findall(r"KAWA_\w+__ADMIN__PORT", check)
    sock = listening_socket(ListenSettings(), backlog=16)
    env = {**os.environ, port_variable: str(sock.getsockname()[1])}
    runner = web.AppRunner(admin_app(Readiness()))
    await runner.setup()
    await web.SockSite(runner, sock).start()

    alive = await asyncio.create_subprocess_exec(*command, env=env)
    assert await alive.wait() == 0
    await runner.cleanup()
    dead = await asyncio.create_subprocess_exec(
        *command, env=env, stderr=asyncio.subprocess.DEVNULL
    )
    assert await dead.wait() == 1


def test_prometheus_scrapes_the_admin_port_of_each_program() -> None:
    document = yaml.safe_load((ROOT / "config" / "docker" / "prometheus.yml").read_text())
    scraped = {
        found["names"][0]: str(found["port"])
        for job in document["scrape_configs"]
        for found in job["dns_sd_configs"]
    }

    assert set(scraped) == set(PROGRAMS)
    for program, port in scraped.items():
        assert program in compose()["services"]
        [admin] = [v for k, v in environment(program).items() if k.endswith("__ADMIN__PORT")]
        assert port == admin


def test_each_container_gets_settings_that_work_and_no_secret_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = str(os.getuid())
    assert make_secrets([str(tmp_path), owner]) == 0

    for program in PROGRAMS:
        service = compose()["services"][program]
        with monkeypatch.context() as patch:
            for variable, value in (environment(program) | service["environment"]).items():
                patch.setenv(variable, re.sub(r"\$\{\w+:-(.*)\}", r"\1", value))
            patch.setenv("KAWA_SECRETS_DIR", str(tmp_path / program))
            settings = read_settings()
        assert settings.storage.kind == "s3"
        assert settings.storage.s3.secret_key is not None
        assert (settings.postgres.dsn is not None) is (program != "edge")
        assert (settings.redis.url is not None) is (program != "worker")
        mounted = {volume.split(":")[0] for volume in service["volumes"]}
        assert f"secrets-{program}" in mounted
        assert ("secrets-keys" in mounted) is ("KAWA_TOKENS__KEYS_FILE" in service["environment"])
    assert len(KeySet.read(tmp_path / "keys" / "keys.json").keys) == 1


def test_the_secrets_are_made_once_and_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    owner = str(os.getuid())
    make_secrets([str(tmp_path), owner])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o400}

    for path in tmp_path.iterdir():
        path.chmod(0o700)  # who is not root could not write there again
    assert make_secrets([str(tmp_path), owner]) == 0

    assert {path: path.read_bytes() for path in files} == before
    passwords = [path.read_text() for path in files if path.name in ("password", "secret_key")]
    assert len(set(passwords)) == 4
    assert min(len(password) for password in passwords) >= 24


def test_the_volumes_of_the_secrets_are_the_folders_that_are_made(tmp_path: Path) -> None:
    make_secrets([str(tmp_path), str(os.getuid())])

    mounted = {
        volume.partition(":/secrets/")[2] for volume in compose()["services"]["secrets"]["volumes"]
    }
    assert {path.name for path in tmp_path.iterdir()} == mounted


def test_wrong_arguments_of_make_secrets_are_wrong_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert make_secrets([]) == 2
    assert make_secrets(["/nowhere", "kawa"]) == 2
    assert "usage" in capsys.readouterr().err


async def test_the_bucket_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with s3_server(tmp_path) as s3:
        ours = s3.model_copy(update={"bucket": "kawa-media"})

        await make_bucket(ours)
        await make_bucket(ours)

        async with open_s3_client(ours) as client:
            await client.head_bucket(Bucket="kawa-media")
        refused = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "config.docker.make_bucket"),
            env={
                **os.environ,
                "KAWA_STORAGE__S3__ENDPOINT": str(s3.endpoint),
                "KAWA_STORAGE__S3__ACCESS_KEY": "S3RVER",
                "KAWA_STORAGE__S3__SECRET_KEY": "wrong",
            },
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await refused.communicate()
    assert refused.returncode == 1
    assert errors.decode().startswith(f"kawa: no bucket {Settings().storage.s3.bucket}: ")
    assert "Traceback" not in errors.decode()


def test_the_wheel_in_the_images_holds_every_file_of_the_programs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    away = shutil.ignore_patterns("__pycache__", "node_modules", ".*cache")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=away)
    expected = {
        path.relative_to(source).as_posix()
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file()
        and path.name not in (*NOT_INSTALLED, ".installed")
        and path.suffix != ".md"
    }

    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(tmp_path)),
            str(source),
        ],
        check=True,
        timeout=120,
    )

    [wheel] = tmp_path.glob("kawa-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        installed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert installed == expected
