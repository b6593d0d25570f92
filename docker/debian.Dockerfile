# Everything beside the route server: each target is one Debian package and what it needs to start.
#
#     docker build -f docker/debian.Dockerfile --target bird docker

ARG DEBIAN_IMAGE=debian:bookworm-slim

FROM ${DEBIAN_IMAGE} AS bird
RUN apt-get update && apt-get install -y --no-install-recommends bird2 \
    && rm -rf /var/lib/apt/lists/* && install -d /run/bird
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["birdc", "show", "status"]
CMD ["bird", "-f", "-c", "/etc/bird/bird.conf"]

FROM ${DEBIAN_IMAGE} AS frr
RUN apt-get update && apt-get install -y --no-install-recommends frr \
    && rm -rf /var/lib/apt/lists/* && install -d -o frr -g frr /run/frr
# zebra: without it bgpd announces no IPv6 route. Neither writes routes to a kernel.
COPY --chmod=755 clients/frr-start.sh /usr/local/bin/frr-start
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s CMD ["vtysh", "-c", "show version"]
CMD ["frr-start"]

FROM ${DEBIAN_IMAGE} AS etcd
RUN apt-get update && apt-get install -y --no-install-recommends etcd-server etcd-client \
    && rm -rf /var/lib/apt/lists/* && install -d -o 2379 -g 2379 /var/lib/etcd
USER 2379:2379
# Its keys are mounted; a client needs a certificate as well. `etcd` is the name in them, and of the host.
ENV ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://etcd:2379 \
    ETCDCTL_CACERT=/keys/ca.crt ETCDCTL_CERT=/keys/etcd.crt ETCDCTL_KEY=/keys/etcd.key
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s CMD ["etcdctl", "endpoint", "health"]
CMD ["etcd", "--data-dir", "/var/lib/etcd", \
     "--listen-client-urls", "https://0.0.0.0:2379", "--advertise-client-urls", "https://etcd:2379", \
     "--cert-file", "/keys/etcd.crt", "--key-file", "/keys/etcd.key", \
     "--client-cert-auth", "--trusted-ca-file", "/keys/ca.crt"]

FROM ${DEBIAN_IMAGE} AS rtr
RUN apt-get update && apt-get install -y --no-install-recommends stayrtr \
    && rm -rf /var/lib/apt/lists/*
USER nobody
CMD ["stayrtr", "-bind", ":8282", "-cache", "/etc/rtr/vrps.json", "-checktime=false", \
     "-refresh", "60"]

FROM ${DEBIAN_IMAGE} AS prometheus
RUN apt-get update && apt-get install -y --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/* && install -d -o nobody /var/lib/prometheus/tsdb
USER nobody
CMD ["prometheus", "--config.file=/etc/ts-bgp-prometheus/prometheus.yml", \
     "--storage.tsdb.path=/var/lib/prometheus/tsdb", "--storage.tsdb.retention.time=15d", \
     "--web.console.templates=/etc/ts-bgp-prometheus/consoles", \
     "--web.console.libraries=/etc/ts-bgp-prometheus/consoles"]
