# syntax=docker/dockerfile:1
# Two stages: the build, and an image that holds one program.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake g++ make perl pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY crates crates
COPY migrations migrations
COPY web web
COPY config config
RUN cargo build --release --locked --bin authdex && strip target/release/authdex

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home authdex && install -d -o 10001 -g 10001 /exports
COPY --from=build /src/target/release/authdex /usr/local/bin/authdex
USER 10001:10001
WORKDIR /data
VOLUME /data
ENV BIND=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["authdex", "health", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["authdex"]
CMD ["serve"]
