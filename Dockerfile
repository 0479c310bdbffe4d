# The three programs, each with no more than it needs: docker build --target edge|catalog|worker .

ARG PYTHON=python:3.11-slim-bookworm
ARG NODE=node:24-bookworm-slim

# ---- the players of the built-in page
FROM ${NODE} AS player
WORKDIR /src/edge/player
COPY edge/player/.npmrc edge/player/package.json edge/player/package-lock.json edge/player/vendor.sh ./
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && sh ./vendor.sh

# ---- every wheel of the lock file, its hash checked, and our own
FROM ${PYTHON} AS wheels
WORKDIR /src
COPY requirements.lock ./
RUN pip wheel --quiet --no-cache-dir --disable-pip-version-check --require-hashes --wheel-dir /wheels -r requirements.lock
RUN pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action=ignore --upgrade --no-index --find-links /wheels setuptools
COPY LICENSE README.md pyproject.toml ./
COPY catalog catalog
COPY config config
COPY edge edge
COPY transcode transcode
COPY --from=player /src/edge/player/vendor edge/player/vendor
RUN pip wheel --quiet --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels .

# ---- what the programs have in common
FROM ${PYTHON} AS program
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    KAWA_VAR_DIR=/var/lib/kawa
RUN groupadd --gid 10001 kawa \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/kawa --shell /usr/sbin/nologin kawa \
    && install --directory --owner kawa --group kawa --mode 0750 /var/lib/kawa
# A kawa.toml that is mounted here is read.
WORKDIR /etc/kawa
VOLUME ["/var/lib/kawa"]
# Drains: no new connections, running requests end, jobs are given back.
STOPSIGNAL SIGTERM

# ---- edge
FROM program AS edge
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --quiet --no-index --find-links /wheels "kawa[edge]"
# The admin port must be published to nobody but operators.
ENV KAWA_EDGE__LISTEN__HOST=0.0.0.0 KAWA_EDGE__LISTEN__PORT=8080 \
    KAWA_EDGE__ADMIN__HOST=0.0.0.0 KAWA_EDGE__ADMIN__PORT=8081
EXPOSE 8080 8081
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['KAWA_EDGE__ADMIN__PORT'] + '/livez', timeout=4)"]
CMD ["python", "-m", "edge"]

# ---- catalog
FROM program AS catalog
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --quiet --no-index --find-links /wheels "kawa[catalog]"
ENV KAWA_CATALOG__LISTEN__HOST=0.0.0.0 KAWA_CATALOG__LISTEN__PORT=8090 \
    KAWA_CATALOG__ADMIN__HOST=0.0.0.0 KAWA_CATALOG__ADMIN__PORT=8091
EXPOSE 8090 8091
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['KAWA_CATALOG__ADMIN__PORT'] + '/livez', timeout=4)"]
CMD ["python", "-m", "catalog"]

# ---- transcode worker; ffmpeg and ffprobe come with the wheels that the lock file names
FROM program AS worker
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --quiet --no-index --find-links /wheels "kawa[worker]"
ENV KAWA_TRANSCODE__ADMIN__HOST=0.0.0.0 KAWA_TRANSCODE__ADMIN__PORT=8092
EXPOSE 8092
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['KAWA_TRANSCODE__ADMIN__PORT'] + '/livez', timeout=4)"]
CMD ["python", "-m", "transcode"]
