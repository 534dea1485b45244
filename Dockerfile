# One image for worker, trainer, scorer and command line.
#   docker build .                       torch's CUDA build: 6 GB
#   docker build --build-arg TORCH=cpu . torch's CPU build: 2 GB (from PyTorch's own package index)
FROM python:3.11-slim

ARG TORCH=cuda
ENV PYTHONUNBUFFERED=1 UV_SYSTEM_PYTHON=1 UV_NO_CACHE=1
RUN pip install --no-cache-dir uv==0.13.9

# Packages first, so that a change of our code keeps this layer.
WORKDIR /opt/driftline
COPY scripts/packages.sh requirements.in requirements.lock ./
RUN TORCH=$TORCH ./packages.sh requirements.lock

COPY . .
RUN uv pip install --compile-bytecode --no-deps .

# Snapshots and checkpoints are in the home directory, where compose.yaml mounts a named volume.
RUN useradd --create-home --home-dir /var/lib/driftline --uid 1000 driftline
# numba's cache, precompiled for the processor that builds the image. On another kind of processor the first start
# compiles again, and keeps the result here.
ENV NUMBA_CACHE_DIR=/opt/driftline/compiled
RUN mkdir $NUMBA_CACHE_DIR && chown driftline $NUMBA_CACHE_DIR
USER driftline
WORKDIR /var/lib/driftline
RUN python -m driftline.operations.precompile
ENTRYPOINT ["driftline"]
CMD ["--help"]
