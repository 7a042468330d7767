# Build: docker build --tag signet .     Run: see compose.yaml.

FROM rust:1-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock build.rs ./
COPY config config
COPY src src
COPY migrations migrations
RUN cargo build --release --locked --bin signet

FROM debian:bookworm-slim
# curl is for the health check alone.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/signet --create-home signet
COPY --from=build /build/target/release/signet /usr/local/bin/signet
USER signet
WORKDIR /var/lib/signet
ENV SIGNET_LISTEN=0.0.0.0:8080
EXPOSE 8080
# The process answers; whether the database does is /readyz, and no reason to kill the container.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["signet"]
CMD ["serve"]
