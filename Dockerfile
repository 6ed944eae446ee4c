# The server alone; docker-compose.yml adds MongoDB. Nothing is compiled: all dependencies come as wheels.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY adapters ./adapters
COPY conformance ./conformance
COPY fhir_server ./fhir_server
COPY hl7 ./hl7
COPY resources ./resources
COPY terminology ./terminology
RUN pip install --no-cache-dir -c constraints.txt . \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin fhir

WORKDIR /
USER fhir
EXPOSE 8000
ENV FHIR_HOST=0.0.0.0 \
    FHIR_PORT=8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
CMD ["fhir-server", "serve"]
