//! The stage that compiles a Cargo package or workspace.

use super::super::project::{InterfacePlace, Project};
use super::super::rust::RustProject;
use super::cross::{self, COMPILERS};

pub(super) fn build(project: &Project, rust: &RustProject) -> String {
    let directory = format!("/src/{}", rust.directory);
    [
        format!(
            "# ---- The program: the compiler runs natively and writes programs for other platforms.\n\
             FROM --platform=$BUILDPLATFORM ${{RUST_IMAGE}} AS build\n\
             WORKDIR {}\n",
            directory.trim_end_matches('/')
        ),
        cross::install(),
        toolchain(rust),
        target(),
        sources(project, rust),
        compile(project, rust),
    ]
    .join("\n")
}

fn toolchain(rust: &RustProject) -> String {
    let linkers = COMPILERS
        .map(|compiler| {
            let variable = compiler.rust.to_uppercase().replace('-', "_");
            format!("CARGO_TARGET_{variable}_LINKER={}", compiler.program)
        })
        .join(" \\\n    ");
    let install = match rust.toolchain_file {
        Some(file) => format!(
            "# {file} says which compiler; the first question to it installs it.\n\
             COPY {}{file} ./\n\
             RUN rustup set profile minimal && rustc --version\n",
            from(rust)
        ),
        None => "# Docker Hub's image has its compiler; lrops' base gets the newest stable one. A rust-toolchain.toml pins it.\n\
                 RUN rustup set profile minimal && { rustup default || rustup default stable; }\n"
            .to_owned(),
    };
    format!(
        "{install}\n# Rust links with the C compiler of the target, whichever platform builds.\nENV {linkers}\n"
    )
}

fn target() -> String {
    format!(
        "\
# Arguments are declared where they are needed and no earlier: the steps above run once, and from here on once a platform.
ARG TARGETARCH
ARG TARGETVARIANT
RUN \\
{} && \\
    rustup target add \"$target\" && echo \"$target\" >/target
",
        cross::cases(|compiler| format!("target={}", compiler.rust))
    )
}

fn sources(project: &Project, rust: &RustProject) -> String {
    let copy = if rust.directory.is_empty() {
        "COPY . .\n".to_owned()
    } else {
        format!("COPY {} ./\n", from(rust))
    };
    match (&project.interface, &project.interface_place) {
        (Some(package), InterfacePlace::Sources(place)) => {
            format!(
                "{copy}COPY --from=ui /src/{}/ /src/{place}/\n",
                package.output.directory
            )
        }
        _ => copy,
    }
}

fn from(rust: &RustProject) -> String {
    if rust.directory.is_empty() {
        String::new()
    } else {
        format!("{}/", rust.directory)
    }
}

fn compile(project: &Project, rust: &RustProject) -> String {
    let mut packages: Vec<&str> = rust
        .programs
        .iter()
        .map(|program| program.package.as_str())
        .collect();
    packages.dedup();
    let packages: Vec<String> = packages
        .iter()
        .map(|package| format!(" --package {package}"))
        .collect();
    let packages = packages.concat();
    let each = |text: &dyn Fn(&str) -> String| {
        let texts: Vec<String> = rust.programs.iter().map(|program| text(&program.name)).collect();
        texts.concat()
    };
    let programs = each(&|name| format!(" --bin {name}"));
    let files = each(&|name| format!(" \"target/$target/release/{name}\""));
    let locked = if rust.locked { " --locked" } else { "" };
    let directory = if rust.directory.is_empty() {
        String::new()
    } else {
        format!("/{}", rust.directory)
    };
    format!(
        "\
# The compiled crates are kept for the next build, under a name of this project's own.
RUN --mount=type=cache,target=/usr/local/cargo/registry \\
    --mount=type=cache,target=/usr/local/cargo/git \\
    --mount=type=cache,target=/src{directory}/target,id={}-target \\
    target=$(cat /target) && \\
    cargo build --release{locked} --target \"$target\"{packages}{programs} && \\
    mkdir /out && cp{files} /out/
",
        project.name
    )
}
