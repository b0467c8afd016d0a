# Partita in a container: one static program, nothing else in the image, and no root.
#
#   docker build -t partita .
#   docker run -p 127.0.0.1:8000:8000 -e PARTITA_NO_AUTH=1 partita
#   docker run -p 8000:8000 -v partita:/data -v /etc/partita:/etc/partita:ro \
#       -e PARTITA_CREDENTIALS=/etc/partita/credentials.json partita
#
# Inside it listens on all addresses, so it wants to be told who may use it: PARTITA_CREDENTIALS names a credentials file, which
# must belong to user 65532 and be readable by that user alone, or is the document itself; PARTITA_NO_AUTH=1 lets everybody in.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
        -ldflags "-s -w -X github.com/partita-db/partita/internal/cli.release=$VERSION" -o /out/partita ./cmd/partita \
    && mkdir /out/data

FROM scratch
COPY --from=build /out/partita /partita
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# The data directory is the default one below here, ./partita-data, so that serve --in-memory contradicts nothing.
WORKDIR /data
VOLUME /data
ENV PARTITA_ADDR=:8000 PARTITA_LOG_FORMAT=json
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/partita", "health"]
ENTRYPOINT ["/partita"]
CMD ["serve"]
