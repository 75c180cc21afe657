# Leveret as a container: `docker build -t leveret .`, then `docker run leveret gateway`, `... worker app.py`, `... --help`.
# A model of yours gets an image on top of this one by what `leveret dockerfile app.py` writes.

ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/leveret
WORKDIR /src
# The pinned packages make a layer of their own, which a change of the code leaves as it is.
COPY requirements/image.txt requirements/
RUN /opt/leveret/bin/pip install --quiet --require-hashes -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/leveret/bin/pip install --quiet --no-deps --no-build-isolation . \
  && /opt/leveret/bin/pip uninstall --quiet --yes hatchling

FROM ${BASE}
LABEL org.opencontainers.image.title="leveret" \
      org.opencontainers.image.description="A Python AI model behind RabbitMQ" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --no-log-init --home-dir /app --shell /usr/sbin/nologin leveret \
  && install -d -o leveret -g leveret /app /data
COPY --from=build /opt/leveret /opt/leveret
COPY --chmod=755 deploy/healthy /opt/leveret/bin/healthy
ENV PATH=/opt/leveret/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LEVERET_DATA_DIR=/data \
    LEVERET_GATEWAY_HOST=0.0.0.0 \
    LEVERET_WORKER_HEALTH_HOST=0.0.0.0 \
    LEVERET_WORKER_HEALTH_PORT=8001
# A number, so that an orchestrator can tell that it is not root.
USER 10001:10001
WORKDIR /app
VOLUME /data
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
# Whether it lives: an orchestrator replaces what is not healthy, and a broker that is away is no reason to.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["healthy"]
ENTRYPOINT ["leveret"]
CMD ["--help"]
