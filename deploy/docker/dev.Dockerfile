# For Tilt: one program, built outside, in an image into which a newer one can be copied while it runs. Its context is
# the folder that the program lies in.

FROM debian:bookworm-slim
ARG PROGRAM
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install --directory --owner=65532 --group=65532 /app
# Theirs, so that they may replace it.
COPY --chown=65532:65532 ${PROGRAM} /app/program
USER 65532:65532
ENTRYPOINT ["/app/program"]
