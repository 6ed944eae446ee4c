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
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin fhir \
    && install --directory --owner fhir --mode 700 /var/lib/fhir-server

WORKDIR /
USER fhir
EXPOSE 8000
# The encryption key is made and kept there, unless FHIR_ENCRYPTION_KEY_FILE names one: put a volume in its place.
ENV FHIR_HOST=0.0.0.0 \
    FHIR_PORT=8000 \
    FHIR_DATA_DIR=/var/lib/fhir-server
VOLUME /var/lib/fhir-server
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready', timeout=4)"]
CMD ["fhir-server", "serve"]
