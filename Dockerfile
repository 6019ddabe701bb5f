# The agent's image. Build it from the repository: podman build -t fairlead .
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY tests/setup.sh tests/setup.sh
RUN tests/setup.sh build
COPY . .
RUN cmake --preset release -DFAIRLEAD_TESTS=OFF && cmake --build --preset release && strip build/release/fairlead

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        libcpprest2.10 libnl-3-200 libnl-route-3-200 libnl-idiag-3-200 libyaml-cpp0.7 libspdlog1.10 \
        libprometheus-cpp-core1.0 libnftables1 libnetfilter-conntrack3 && \
    rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/release/fairlead /usr/local/bin/fairlead
ENTRYPOINT ["/usr/local/bin/fairlead"]
CMD ["run"]
