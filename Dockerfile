# The container image of Partita contains one static program and the certificates of public
# authorities. The program does not run as root. docs/containers.md describes how to run it.
#
#   docker build -t partita .
#   docker run -p 127.0.0.1:8000:8000 -e PARTITA_NO_AUTH=1 partita
#   docker run -p 8000:8000 -v partita:/data -v /etc/partita:/etc/partita:ro \
#       -e PARTITA_CREDENTIALS=/etc/partita/credentials.json partita
#
# The program listens on all addresses of the container, so it requires one of two variables.
# PARTITA_CREDENTIALS is the name of a credentials file, which must belong to user 65532 and be
# readable by that user only, or the document itself. PARTITA_NO_AUTH=1 disables authentication.

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath \
        -ldflags "-s -w -X github.com/partita-db/partita/internal/cli.release=$VERSION" -o /out/partita ./cmd/partita \
    && mkdir -p /out/data /out/root/tmp && chmod 1777 /out/root/tmp

FROM scratch
COPY --from=build /out/partita /partita
COPY --from=build /out/root/ /
# For "partita bench --endpoint-url https://…".
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# The data directory is the default, ./partita-data below this directory. It is not set by a
# variable, so that serve --in-memory does not contradict it. A backup can be written beside it, on
# the same volume.
WORKDIR /data
VOLUME /data
ENV PARTITA_ADDR=:8000 PARTITA_LOG_FORMAT=json
EXPOSE 8000
STOPSIGNAL SIGTERM
# Until a check succeeds the container is "starting", for at most five minutes, because the server
# may have logs to replay. During this time the check runs every quarter of a second (Docker 25 or
# later), so that anything that waits for the container continues at once.
HEALTHCHECK --interval=10s --timeout=6s --start-period=5m --start-interval=250ms CMD ["/partita", "health"]
ENTRYPOINT ["/partita"]
CMD ["serve"]
