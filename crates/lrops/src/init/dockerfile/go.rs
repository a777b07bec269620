//! The stage that compiles a Go module.

use std::fmt::Write;

use super::super::go::{GoModule, GoVersion, MODULE_FILE};
use super::super::project::{InterfacePlace, Project};
use super::cross;

/// Debian's Go, in the release that the base is of.
pub(in crate::init) const DEBIAN_GO: GoVersion = GoVersion { minor: 24, patch: 4 };

/// Returns the Go that has to be fetched because Debian's is too old.
pub(in crate::init) fn fetches_newer_go(module: &GoModule) -> Option<GoVersion> {
    module.version.filter(|version| *version > DEBIAN_GO)
}

/// Returns Docker Hub's image.
pub(super) fn image(module: &GoModule) -> String {
    let minor = module
        .version
        .map_or(0, |version| version.minor)
        .max(DEBIAN_GO.minor);
    format!("golang:1.{minor}-trixie")
}

pub(super) fn build(project: &Project, module: &GoModule) -> String {
    let what = if module.needs_c.is_some() {
        "the compilers run natively and write programs for other platforms"
    } else {
        "the compiler runs natively and writes programs for other platforms"
    };
    [
        format!(
            "# ---- The program: {what}.\n\
             FROM --platform=$BUILDPLATFORM ${{GO_IMAGE}} AS build\n\
             WORKDIR /src/{}",
            module.directory
        )
        .trim_end_matches('/')
        .to_owned()
            + "\n",
        settings(module),
        if module.needs_c.is_some() {
            cross::install()
        } else {
            String::new()
        },
        sources(project, module),
        compile(module),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

fn settings(module: &GoModule) -> String {
    let toolchain = match fetches_newer_go(module) {
        Some(version) => format!(
            "# GOTOOLCHAIN=auto: {MODULE_FILE} asks for Go {version}. Where the image's is older, go fetches that one, as a module\n\
             # whose checksum it looks up.\n"
        ),
        None => "# GOTOOLCHAIN=local: compile with the image's Go or fail; never download another one.\n"
            .to_owned(),
    };
    let mode = if fetches_newer_go(module).is_some() {
        "auto"
    } else {
        "local"
    };
    let (why, cgo) = match &module.needs_c {
        Some(why) => (format!("# CGO_ENABLED=1: {why}.\n"), 1),
        None => (
            "# CGO_ENABLED=0: a static program needs no C library of the target, and no C cross-compiler here.\n".to_owned(),
            0,
        ),
    };
    format!(
        "{why}{toolchain}\
         ENV CGO_ENABLED={cgo} \\\n    GOTOOLCHAIN={mode} \\\n    GOCACHE=/var/cache/go-build \\\n    GOMODCACHE=/var/cache/go-mod\n"
    )
}

fn sources(project: &Project, module: &GoModule) -> String {
    let alone = !module.directory.is_empty() && !module.needs_neighbours;
    let directory = if alone {
        format!("{}/", module.directory)
    } else {
        String::new()
    };
    let mut text = String::new();
    if module.downloads && !module.needs_neighbours {
        let _ = write!(
            text,
            "# Once for all platforms, and again only when the list of modules changes.\n\
             COPY {directory}{MODULE_FILE} {directory}go.sum ./\n\
             RUN --mount=type=cache,target=/var/cache/go-mod \\\n    go mod download\n\n"
        );
    }
    let _ = match (alone, module.directory.is_empty()) {
        (true, _) => writeln!(text, "COPY {directory} ./"),
        (false, true) => writeln!(text, "COPY . ."),
        (false, false) => writeln!(text, "COPY . /src/"),
    };
    if let (Some(package), InterfacePlace::Sources(place)) = (&project.interface, &project.interface_place) {
        let _ = writeln!(
            text,
            "COPY --from=ui /src/{}/ /src/{place}/",
            package.output.directory
        );
    }
    text
}

fn compile(module: &GoModule) -> String {
    let packages = module.packages.join(" ");
    let (version_argument, version_flag) = match module.version_variable {
        Some(name) => (
            "ARG VERSION=development\n",
            format!(" -X main.{name}=${{VERSION}}"),
        ),
        None => ("", String::new()),
    };
    let compilers = match &module.needs_c {
        Some(_) => format!(
            "{} && export CC && \\\n",
            cross::cases(|compiler| format!("CC={}", compiler.program))
        ),
        None => String::new(),
    };
    format!(
        "\
# Arguments are declared where they are needed and no earlier: the steps above run once, and from here on once a platform.
{version_argument}ARG TARGETOS
ARG TARGETARCH
ARG TARGETVARIANT
# GOARM: linux/arm/v7 gives TARGETVARIANT=v7, and Go wants 7. Elsewhere it is empty and not looked at.
# -trimpath, -buildvcs=false, -buildid=: no path, checkout state or random name gets into the program, so that the same
# source gives the same bytes anywhere.
RUN --mount=type=cache,target=/var/cache/go-build \\
    --mount=type=cache,target=/var/cache/go-mod \\
{compilers}    GOOS=${{TARGETOS}} GOARCH=${{TARGETARCH}} GOARM=${{TARGETVARIANT#v}} \\
    go build -trimpath -buildvcs=false -ldflags \"-s -w -buildid={version_flag}\" -o /out/ {packages}
"
    )
}
