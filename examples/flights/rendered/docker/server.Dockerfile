# syntax=docker/dockerfile:1
# The server of flights: one bundle of one deployment, and nothing that trains.
# Rendered by `modelyard export docker` from modelyard.yaml; change that, and render again.
#
#   docker build -f FOLDER/server.Dockerfile --build-context export=FOLDER -t NAME-server .
#
# MODEL_URI names the bundle's folder (mounted, or COPYed to /opt/ml/model); see docs/how-to/run-in-containers.md.
# The same image answers SageMaker: `serve`, /ping, /invocations, a model in /opt/ml/model.

ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm AS build
# A released version, or a wheel of yours: put it into the folder wheels/ of the project.
ARG MODELYARD="modelyard==0.1.0"
RUN python -m venv /venv
COPY --from=export requirements-server.txt /tmp/requirements.txt
# What the server imports and no more: Modelyard comes without its own dependencies, which train and track.
RUN --mount=type=bind,target=/context \
    /venv/bin/pip install --no-cache-dir --no-compile --no-deps --find-links /context/wheels -r /tmp/requirements.txt \
 && /venv/bin/pip install --no-cache-dir --no-compile --no-deps --find-links /context/wheels "${MODELYARD}" \
 && /venv/bin/pip uninstall --yes pip \
 && /venv/bin/python -c "import modelyard.serving.container"

FROM python:${PYTHON}-slim-bookworm
RUN groupadd --gid 10001 modelyard && useradd --uid 10001 --gid 10001 --no-create-home modelyard \
 && install -d -o 10001 -g 10001 /var/lib/modelyard /models /journal
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/tmp/cache OMP_NUM_THREADS=1
USER 10001:10001
EXPOSE 8080 8081 8082
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "modelyard.serving.container"]
CMD ["serve"]
