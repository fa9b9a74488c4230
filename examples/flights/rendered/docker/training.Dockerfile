# syntax=docker/dockerfile:1
# Steps, commands and the control process of flights: the project's code with all of Modelyard.
# Rendered by `modelyard export docker` from modelyard.yaml; change that, and render again.
#
#   docker build -f FOLDER/training.Dockerfile --build-context export=FOLDER -t NAME-training .

ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm AS build
ARG MODELYARD="modelyard[postgres,s3]==0.1.0"
RUN python -m venv /venv
COPY --from=export requirements-training.txt /tmp/requirements.txt
# What the project's own code imports goes into its requirements.txt, if it has one.
RUN --mount=type=bind,target=/context \
    /venv/bin/pip install --no-cache-dir --no-compile --find-links /context/wheels -r /tmp/requirements.txt \
 && /venv/bin/pip install --no-cache-dir --no-compile --no-deps --find-links /context/wheels "${MODELYARD}" \
 && if [ -f /context/requirements.txt ]; then /venv/bin/pip install --no-cache-dir -r /context/requirements.txt; fi

FROM python:${PYTHON}-slim-bookworm
RUN groupadd --gid 10001 modelyard && useradd --uid 10001 --gid 10001 --home-dir /project modelyard \
 && install -d -o 10001 -g 10001 /project /project/.modelyard /project/.modelyard/journal /models
COPY --from=build /venv /venv
COPY --chown=10001:10001 . /project
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/tmp/cache HOME=/tmp
USER 10001:10001
WORKDIR /project
CMD ["modelyard", "status"]
