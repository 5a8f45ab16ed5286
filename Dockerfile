# susx with every library of the lock: docker build -t susx . ; docker run --rm -v "$PWD:/work" susx build --dataset my.yaml
# The torch of the lock has the CUDA libraries in it and runs on a CPU as well: add --gpus all for a GPU.
# A smaller image for CPUs alone (about 5 GB less): --build-arg TORCH_INDEX=<address of PyTorch's CPU wheels>
FROM python:3.11-slim AS libraries
ARG TORCH_INDEX=""
RUN python -m venv /opt/susx && /opt/susx/bin/pip install --no-cache-dir uv==0.13.8
COPY requirements.lock /tmp/requirements.lock
# Packages of CUDA are left out where torch comes from an index of CPU wheels, whose versions carry a suffix of their own.
RUN if [ -z "$TORCH_INDEX" ]; then cp /tmp/requirements.lock /tmp/wanted.txt; else \
      grep -vE '^(nvidia-|cuda-|triton)' /tmp/requirements.lock > /tmp/wanted.txt; fi \
 && /opt/susx/bin/uv pip install --no-cache --no-config --no-deps --python /opt/susx/bin/python \
      ${TORCH_INDEX:+--index "$TORCH_INDEX" --index-strategy unsafe-best-match} -r /tmp/wanted.txt

FROM python:3.11-slim
COPY --from=libraries /opt/susx /opt/susx
COPY pyproject.toml setup.py README.md LICENSE /src/
COPY configs /src/configs
COPY susx /src/susx
RUN /opt/susx/bin/uv pip install --no-cache --no-config --no-deps --python /opt/susx/bin/python /src && rm -rf /src \
 && useradd --create-home susx && mkdir /work && chown susx /work
USER susx
ENV PATH=/opt/susx/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /work
# susx serve listens on 127.0.0.1 unless told otherwise: docker run -p 8000:8000 susx serve --classifier ... --host 0.0.0.0
EXPOSE 8000
ENTRYPOINT ["susx"]
CMD ["--help"]
