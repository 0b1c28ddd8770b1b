# Both stages are Debian 12, so the executable meets the C library it was linked against.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# The dependencies, in a layer of their own: it is built again only when a manifest or the lock file
# changes. Cargo gets the real manifests and empty sources. The image has the C compiler that SQLite
# and aws-lc are built with; aws-lc needs no CMake.
COPY Cargo.toml Cargo.lock ./
COPY entity/Cargo.toml entity/
COPY migration/Cargo.toml migration/
RUN mkdir -p src entity/src migration/src \
    && touch src/lib.rs entity/src/lib.rs migration/src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --bin taskflow

# Taskflow itself, with what is built into it. Cargo goes by the time of a file: the touch makes the
# real sources newer than what was built of the empty ones.
COPY build.rs taskflow.default.toml ./
COPY templates templates
COPY web/graphiql/dist web/graphiql/dist
COPY web/account web/account
COPY entity/src entity/src
COPY migration/src migration/src
COPY src src
RUN touch src/lib.rs src/main.rs entity/src/lib.rs migration/src/lib.rs \
    && cargo build --release --locked --bin taskflow \
    && mkdir /data

FROM debian:bookworm-slim
# For TLS to mail servers and Redis.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/taskflow /usr/local/bin/taskflow
COPY --from=build --chown=1000:1000 /data /data

# Not root. The number needs no name.
USER 1000:1000
# Relative paths of the settings (database, signing key, mailbox) start here.
WORKDIR /data
VOLUME /data
# The default of development is 127.0.0.1, which nobody outside the container reaches.
ENV TASKFLOW_SERVER__HOST=0.0.0.0
EXPOSE 8080 9091
STOPSIGNAL SIGTERM
# Asks /readyz. A container that runs `taskflow worker` serves nothing: start it with --no-healthcheck.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["taskflow", "healthcheck"]
ENTRYPOINT ["taskflow"]
CMD ["serve"]
