# The agent's image: the program, the shared libraries that it names, and nothing else. No shell, no package manager.
#
#   podman build -t fairlead:0.1.0 .                          (or docker build)
#   podman build --platform linux/arm64 -t fairlead:0.1.0 .   on such a machine, or with its binfmt handler
#
# docs/image.md says what is in it, why it isn't linked statically, and how to get the same bytes again.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE} AS build
ENV LANG=C.UTF-8
WORKDIR /src
COPY tests/setup.sh tests/setup.sh
RUN tests/setup.sh build
COPY CMakeLists.txt CMakePresets.json LICENSE ./
COPY agent agent
COPY lb lb
ARG COMMIT=unknown
# The cache speeds up the next build; what it holds is what the compiler would write.
RUN --mount=type=cache,target=/root/.cache/ccache \
    cmake --preset release -DFAIRLEAD_TESTS=OFF -DFAIRLEAD_COMMIT=${COMMIT} && cmake --build --preset release
ARG VERSION=0.1.0
COPY tests/image_root.sh tests/sbom.sh tests/
RUN build/release/fairlead version | grep -qF "fairlead ${VERSION} " && tests/image_root.sh build/release/fairlead /image

FROM scratch
ARG VERSION=0.1.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="fairlead" \
      org.opencontainers.image.description="The highly available endpoint of a kubeadm control plane" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
ENV PATH=/usr/local/bin
ENTRYPOINT ["/usr/local/bin/fairlead"]
CMD ["run"]
