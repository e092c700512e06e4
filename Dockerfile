# One binary with the few libraries it needs, no shell, an ordinary user (SUP-2).
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin switchboard
# What the binary loads, at the paths where its loader looks.
RUN mkdir -p /root-fs/etc/ssl/certs && install -d -m 1777 /root-fs/tmp \
 && ldd target/release/switchboard | grep -o '/[^ ]*' | xargs -I{} cp --parents -L {} /root-fs \
 && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
 && install -D target/release/switchboard /root-fs/usr/local/bin/switchboard

FROM scratch
COPY --from=build /root-fs /
ENV PATH=/usr/local/bin
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/switchboard"]
