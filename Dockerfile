# The service as an image. Build it with docker build . or podman build . ; deploy/container/ builds it without either.
#   TORCH_INDEX   where torch comes from; the default is its CPU build, empty takes whatever pip is configured for
#   BASE          any image with Python 3.11 or newer (with venv and pip); pin a digest for builds that repeat exactly
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_COMPILE=1
WORKDIR /build
# No pip in the environment itself: what runs needs none.
RUN python3 -m venv --without-pip /opt/forecaster
COPY pyproject.toml constraints.txt ./
# torch alone from its own index, which has few other packages; then all else, so that new code reuses both layers.
RUN pip --python /opt/forecaster/bin/python install --constraint constraints.txt \
        --no-deps ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch
RUN python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
        > requirements.txt \
    && pip --python /opt/forecaster/bin/python install --constraint constraints.txt --requirement requirements.txt
COPY README.md LICENSE NOTICE ./
COPY forecaster forecaster
# Out goes what serves compilers and torch's own tests. Byte code is never checked against its source, for a read-only
# root could not renew it; the files left out are written for a newer Python.
RUN pip --python /opt/forecaster/bin/python install --no-deps . \
    && (cd /opt/forecaster/lib/python3*/site-packages/torch && rm -r include test bin/test_* bin/protoc*) \
    && python3 -m compileall -q -j 0 -x py312_ --invalidation-mode unchecked-hash /opt/forecaster/lib

FROM ${BASE}
# The official Python images come without byte code of the standard library.
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        "$(python3 -c "import sysconfig; print(sysconfig.get_path('stdlib'))")" \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin forecaster \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/forecaster /opt/forecaster
COPY configs/household.yaml /etc/forecaster/forecaster.yaml
# One thread for torch: a second one spins while it waits, and took a forecast from 0.5 to 188 ms on a busy machine.
ENV PATH=/opt/forecaster/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    GOMP_SPINCOUNT=0 \
    FORECASTER_CONFIG=/etc/forecaster/forecaster.yaml \
    FORECASTER__DATA=/data \
    FORECASTER__HTTP__LISTEN=0.0.0.0:8080
WORKDIR /data
VOLUME /data
EXPOSE 8080
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["forecaster", "healthcheck"]
ENTRYPOINT ["forecaster"]
CMD ["run"]
# Last, because they differ in every build.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="forecaster" \
      org.opencontainers.image.description="Forecasts for the sensors on your MQTT broker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
