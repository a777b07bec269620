//! What programs say, as they say it, and which known failure it is.

use crate::known::KnownFailure;

/// A build that failed, as buildx shows it.
macro_rules! solve {
    ($why:literal) => {
        concat!(
            "------\n > [internal] load metadata for registry.example/team/base:1:\n------\nDockerfile:1\n",
            "--------------------\n   1 | >>> FROM registry.example/team/base:1\n   2 |     COPY . /\n",
            "--------------------\nERROR: failed to solve: ",
            $why,
            "\n"
        )
    };
}

/// A push by the builder that failed.
macro_rules! push {
    ($why:literal) => {
        concat!(
            "------\n > exporting to image:\n------\nERROR: failed to solve: failed to push ",
            "registry.example/team/app:1: ",
            $why,
            "\n"
        )
    };
}

/// A builder that did not start.
macro_rules! boot {
    ($why:literal) => {
        concat!(
            "------\n > [internal] booting buildkit:\n------\nERROR: ",
            $why,
            "\n"
        )
    };
}

/// A connection to a daemon by way of ssh that failed.
macro_rules! ssh {
    ($status:literal, $why:literal) => {
        concat!(
            "ERROR: error during connect: Get \"http://docker.example.com/v1.45/info\": command [ssh -o ",
            "ConnectTimeout=30 -T -l ops -p 2222 -- build.example docker system dial-stdio] has exited with exit status ",
            $status,
            ", please make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=",
            $why,
            "\n"
        )
    };
}

/// A feature that a driver does not have, since buildx 0.11.
macro_rules! lacks {
    ($feature:literal) => {
        concat!(
            "ERROR: ",
            $feature,
            " is not supported for the docker driver.\nSwitch to a different driver, or turn on the containerd image ",
            "store, and try again.\nLearn more at https://docs.docker.com/go/build-exporters/\n"
        )
    };
}

/// The same in buildx 0.10.
macro_rules! lacked {
    ($feature:literal) => {
        concat!(
            "ERROR: ",
            $feature,
            " feature is currently not supported for docker driver. Please switch to a different driver (eg. \"docker ",
            "buildx create --use\")\n"
        )
    };
}

/// What is said of known failures.
pub(super) const SAID: &[(KnownFailure, &[&str])] = &[
    (
        KnownFailure::BuildxMissing,
        &[
            "docker: 'buildx' is not a docker command.\nSee 'docker --help'\n",
            "docker: unknown command: docker buildx\n\nRun 'docker --help' for more information\n",
            "unknown flag: --metadata-file\nSee 'docker --help'.\n\nUsage:  docker [OPTIONS] COMMAND\n",
        ],
    ),
    (
        KnownFailure::BuildxTooOld,
        &[
            "ERROR: invalid progress mode rawjson\n",
            "unknown flag: --metadata-file\nSee 'docker buildx build --help'.\n",
            "unknown flag: --provenance\nSee 'docker buildx build --help'.\n",
            "unknown flag: --build-context\nSee 'docker buildx build --help'.\n",
        ],
    ),
    (
        KnownFailure::DaemonForbidden,
        &[
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/version\": dial unix /var/run/docker.sock: connect: permission denied\n",
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock\n",
        ],
    ),
    (
        KnownFailure::SshFailed,
        &[
            ssh!(
                "255",
                "ops@build.example: Permission denied (publickey,password)."
            ),
            ssh!("255", "Host key verification failed."),
            ssh!(
                "255",
                "ssh: Could not resolve hostname build.example: Name or service not known"
            ),
            "error during connect: Get \"http://docker.example.com/v1.52/info\": command [ssh -o ConnectTimeout=30 -T -- gitlab docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=Host key verification failed.\n",
        ],
    ),
    (
        KnownFailure::DaemonUnreachable,
        &[
            "Client:\n Version:    26.1.5\n Context:    default\n\nServer:\nERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\nerrors pretty printing info\n",
            ssh!("127", "bash: docker: command not found"),
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory\n",
            "request returned 502 Bad Gateway for API route and version http://%2Fvar%2Frun%2Fdocker.sock/v1.52/info, check if the server supports the requested API version\n",
        ],
    ),
    (
        KnownFailure::ContextMissing,
        &[
            "context \"gitlab\": context not found: open /home/you/.docker/contexts/meta/1b0f/meta.json: no such file or directory\n",
            "unable to resolve docker endpoint: context \"gitlab\": context not found: open /home/you/.docker/contexts/meta/1b0f/meta.json: no such file or directory\n",
            "unable to resolve docker endpoint: context \"gitlab\" does not exist\n",
        ],
    ),
    (
        KnownFailure::BuilderMissing,
        &["ERROR: no builder \"gitlab-multiarch\" found\n"],
    ),
    (
        KnownFailure::MultiPlatformUnsupported,
        &[lacks!("Multi-platform build"), lacked!("multiple platforms")],
    ),
    (
        KnownFailure::ExporterUnsupported,
        &[
            lacks!("OCI exporter"),
            lacked!("OCI exporter"),
            "ERROR: failed to solve: exporter \"oci\" could not be found\n",
            lacks!("Cache export"),
            lacked!("cache export"),
            "ERROR: push-by-digest is currently not implemented for docker driver, please create a new builder instance\n",
            lacks!("Attestation"),
        ],
    ),
    (
        KnownFailure::MissingManifestDigest,
        &["Invalid tag: missing manifest digest\n"],
    ),
    (
        KnownFailure::CrossInstallWithGobin,
        &[
            "go: cannot install cross-compiled binaries when GOBIN is set\n------\nERROR: failed to solve: process \"/bin/sh -c go install .\" did not complete successfully: exit code: 1\n",
        ],
    ),
    (
        KnownFailure::EmulationMissing,
        &[
            "exec /bin/sh: exec format error\n------\nERROR: failed to solve: process \"/bin/sh -c apk add curl\" did not complete successfully: exit code: 255\n",
            "standard_init_linux.go:228: exec user process caused: exec format error\n------\nERROR: failed to solve: executor failed running [/bin/sh -c apk add curl]: exit code: 1\n",
        ],
    ),
    (
        KnownFailure::DiskFull,
        &[
            solve!(
                "failed to copy files: userspace copy failed: write /var/lib/docker/tmp/big: no space left on device"
            ),
            "cc1: out of room\nwrite /tmp/cc: no space left on device\n------\nERROR: failed to solve: process \"/bin/sh -c make\" did not complete successfully: exit code: 2\n",
            "ERROR: write /home/you/.cache/lrops/exchange/blobs/sha256/0: disk quota exceeded\n",
        ],
    ),
    (
        KnownFailure::NoActiveSession,
        &[push!(
            "no active session for 9mk0s7hcsw0vm: context deadline exceeded"
        )],
    ),
    // The builder's image.
    (
        KnownFailure::BuilderImageMissing,
        &[
            boot!(
                "Error response from daemon: failed to resolve reference \"docker.io/moby/buildkit:buildx-stable-1\": dial tcp: lookup registry-1.docker.io on 127.0.0.11:53: server misbehaving"
            ),
            boot!(
                "Error response from daemon: manifest for registry.example/buildkit:v9 not found: manifest unknown: manifest unknown"
            ),
            boot!(
                "Error response from daemon: pull access denied for moby/buildkid, repository does not exist or may require 'docker login'"
            ),
            boot!(
                "Error response from daemon: failed to do request: Head \"https://registry-1.docker.io/v2/moby/buildkit/manifests/buildx-stable-1\": dial tcp 192.0.2.1:443: i/o timeout"
            ),
            boot!(
                "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit"
            ),
            boot!(
                "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)"
            ),
            boot!("Error response from daemon: No such image: moby/buildkit:buildx-stable-1"),
        ],
    ),
    // Registries.
    (
        KnownFailure::RegistryBusy,
        &[
            "Error response from daemon: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limit\n",
            solve!(
                "registry.example/team/base:1: pulling from host registry.example failed with status code [manifests 1]: 429 Too Many Requests"
            ),
            "Error response from daemon: received unexpected HTTP status: 500 Internal Server Error\n",
            "Error response from daemon: received unexpected HTTP status: 502 Bad Gateway\n",
            "Error response from daemon: received unexpected HTTP status: 503 Service Unavailable\n",
            push!(
                "unexpected status from PUT request to https://registry.example/v2/team/app/manifests/1: 504 Gateway Time-out"
            ),
        ],
    ),
    (
        KnownFailure::Unauthorized,
        &[
            solve!(
                "registry.example/team/base:1: pulling from host registry.example failed with status code [manifests 1]: 401 Unauthorized"
            ),
            push!(
                "unexpected status from POST request to https://registry.example/v2/team/app/blobs/uploads/: 403 Forbidden"
            ),
            "Error response from daemon: Get \"https://registry.example/v2/\": unauthorized: incorrect username or password\n",
            "errors:\nunauthorized: authentication required\n",
            push!(
                "push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"
            ),
            push!("server message: denied: requested access to the resource is denied"),
            "The push refers to repository [registry.example/team/app]\ndenied: access forbidden\n",
            "Error response from daemon: pull access denied for team/base, repository does not exist or may require 'docker login'\n",
            "Error response from daemon: Get \"https://registry.example/v2/\": no basic auth credentials\n",
        ],
    ),
    // Time.
    (
        KnownFailure::TimeOut,
        &[
            push!(
                "failed to do request: Head \"https://registry.example/v2/team/app/manifests/1\": dial tcp 192.0.2.1:443: i/o timeout"
            ),
            solve!(
                "registry.example/team/base:1: failed to do request: Head \"https://registry.example/v2/\": net/http: TLS handshake timeout"
            ),
            "ERROR: failed to receive status: rpc error: code = DeadlineExceeded desc = context deadline exceeded\n",
            "Error response from daemon: Get \"https://registry.example/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)\n",
            push!(
                "failed to copy: Put \"https://registry.example/v2/team/app/blobs/uploads/1\": net/http: timeout awaiting response headers"
            ),
            "ERROR: dial tcp 192.0.2.1:443: connect: operation timed out\n",
            push!(
                "failed to do request: Put \"https://registry.example/v2/\": dial tcp 192.0.2.1:443: connect: connection timed out"
            ),
        ],
    ),
    // Lines to registries and builders.
    (
        KnownFailure::Network,
        &[
            push!(
                "failed to copy: failed to do request: Put \"https://registry.example/v2/\": write tcp 192.0.2.2:51534->192.0.2.1:443: write: connection reset by peer"
            ),
            push!(
                "failed to do request: Head \"http://registry.example:5000/v2/\": dial tcp 192.0.2.1:5000: connect: connection refused"
            ),
            push!(
                "failed to copy: failed to do request: Put \"https://registry.example/v2/\": write tcp 192.0.2.2:51534->192.0.2.1:443: write: broken pipe"
            ),
            solve!("failed to copy: short read: expected 3126 bytes but got 1024: unexpected EOF"),
            "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF\n",
            solve!(
                "registry.example/team/base:1: failed to do request: Head \"https://registry.example/v2/\": dial tcp: lookup registry.example on 127.0.0.11:53: no such host"
            ),
            solve!(
                "registry.example/team/base:1: failed to do request: Head \"https://registry.example/v2/\": dial tcp: lookup registry.example: Temporary failure in name resolution"
            ),
            solve!(
                "registry.example/team/base:1: failed to do request: Head \"https://registry.example/v2/\": dial tcp: lookup registry.example on 127.0.0.11:53: server misbehaving"
            ),
            push!(
                "failed to do request: Head \"https://registry.example/v2/\": dial tcp [2001:db8::1]:443: connect: network is unreachable"
            ),
            push!(
                "failed to do request: Head \"https://registry.example/v2/\": dial tcp 192.0.2.1:443: connect: no route to host"
            ),
            push!(
                "failed to copy: read tcp 192.0.2.2:51534->192.0.2.1:443: use of closed network connection"
            ),
            push!(
                "failed to copy: failed to do request: Put \"https://registry.example/v2/\": http2: client connection lost"
            ),
            push!(
                "failed to do request: Head \"https://registry.example/v2/\": http: server closed idle connection"
            ),
            "ERROR: failed to solve: rpc error: code = Unavailable desc = transport is closing\n",
            "ERROR: failed to list workers: Unavailable: connection error: desc = \"error reading server preface: http2: frame too large\"\n",
            "ERROR: failed to receive status: rpc error: code = Unavailable desc = closing transport due to: connection error: desc = \"error reading from server: EOF\", received prior goaway: code: NO_ERROR, debug data: \"graceful_stop\"\n",
        ],
    ),
    // Lines to daemons by way of ssh.
    (
        KnownFailure::Network,
        &[
            ssh!(
                "255",
                "ssh: connect to host build.example port 2222: Connection timed out"
            ),
            ssh!(
                "255",
                "ssh: connect to host build.example port 2222: Operation timed out"
            ),
            ssh!(
                "255",
                "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 192.0.2.7 port 2222"
            ),
            ssh!(
                "255",
                "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 192.0.2.7 port 2222"
            ),
            ssh!(
                "255",
                "ssh: connect to host build.example port 2222: Connection refused"
            ),
            ssh!(
                "255",
                "ssh: connect to host build.example port 2222: Network is unreachable"
            ),
            ssh!(
                "255",
                "ssh: connect to host build.example port 2222: No route to host"
            ),
            ssh!(
                "255",
                "ssh: Could not resolve hostname build.example: Temporary failure in name resolution"
            ),
            ssh!("255", "Timeout, server build.example not responding."),
            ssh!("255", "client_loop: send disconnect: Broken pipe"),
            "error during connect: Get \"http://docker.example.com/v1.45/info\": EOF\n",
        ],
    ),
];

/// What is no known failure, although it has words of one.
pub(super) const ORDINARY: &[&str] = &[
    // A command's network is its own.
    "curl: (7) Failed to connect to registry.example port 443: Connection refused\n------\nERROR: failed to solve: process \"/bin/sh -c curl https://registry.example\" did not complete successfully: exit code: 7\n",
    "denied: requested access to the resource is denied\n------\nERROR: failed to solve: process \"/bin/sh -c crane push a b\" did not complete successfully: exit code: 1\n",
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n------\nERROR: failed to solve: executor failed running [/bin/sh -c docker info]: exit code: 1\n",
    // An excerpt of a Dockerfile.
    "Dockerfile:2\n--------------------\n   1 |     # i/o timeout, unauthorized: see \"no such host\"\n   2 | >>> COPY nofile /\n--------------------\nERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: \"/nofile\": not found\n",
    // Names.
    solve!(
        "failed to compute cache key: failed to calculate checksum of ref a::b: \"/denied: x\": not found"
    ),
    solve!(
        "failed to compute cache key: failed to calculate checksum of ref a::b: \"/notes/connection refused\": not found"
    ),
    solve!("failed to read dockerfile: open unauthorized:x: no such file or directory"),
    solve!("target stage \"no such host\" could not be found"),
    // Mistakes.
    "Dockerfile:3\n--------------------\n   3 | >>> EOF\n--------------------\nERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: EOF\n",
    solve!("registry.example/team/base:1: not found"),
    "ERROR: invalid progress mode plane\n",
    "unknown flag: --platforms\nSee 'docker buildx build --help'.\n",
    "ERROR: resolve : lstat nowhere: no such file or directory\n",
    // Access to files.
    "ERROR: failed to read dockerfile: open Dockerfile: permission denied\n",
    "ERROR: failed to solve: error from sender: open secret/key: permission denied: not readable\n",
    // git in a Dockerfile could not log in: that is no builder's line.
    solve!(
        "failed to load cache key: failed to fetch remote git@git.example:team/app.git: git stderr:\ngit@git.example: Permission denied (publickey).\nfatal: Could not read from remote repository.\n: exit status 128"
    ),
    // A builder that starts, and one that does not for another reason.
    boot!(
        "Error response from daemon: failed to create task for container: OCI runtime create failed: cgroups"
    ),
    "------\n > [internal] booting buildkit:\n------\nERROR: Error response from daemon: Conflict. The container name \"/buildx_buildkit_x0\" is already in use by container \"1b\"\n",
];
