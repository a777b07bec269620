//! `lrops.toml`, commented for those who see one for the first time.

use super::dockerfile::{self, COMPILERS, DEBIAN_GO};
use super::node::DEBIAN_NODE;
use super::project::{Kind, Project};
use super::{DOCKERFILE, PLATFORMS, dockerfile::fetches_newer_go};

/// A base: its name, the argument of the Dockerfile that it answers, and its section.
struct Base {
    name: String,
    argument: &'static str,
    section: String,
}

/// Returns the file's text.
pub(super) fn text(project: &Project) -> String {
    let bases = bases(project);
    let sections: Vec<&str> = bases.iter().map(|base| base.section.as_str()).collect();
    [
        HEAD.to_owned(),
        build(project),
        arguments(project, &bases),
        sections.join("\n"),
        OTHERS.to_owned(),
    ]
    .into_iter()
    .filter(|part| !part.is_empty())
    .collect::<Vec<_>>()
    .join("\n")
}

const HEAD: &str = "\
# How lrops builds this project. What is said here need not be said on the command line, whose flags go before it.
#
#   lrops plan      shows which steps would run, once or for each platform
#   lrops build     builds, and proves the image
#   lrops verify    proves an image again, here or in a registry
#
# The keys are explained in docs/configuration.md of lrops.
";

fn build(project: &Project) -> String {
    let dockerfile = match &project.kind {
        Kind::Dockerfile(name) if name != DOCKERFILE => format!("dockerfile = \"{name}\"\n\n"),
        Kind::Unknown => {
            "# The Dockerfile, which is still to be written.\n# dockerfile = \"Dockerfile\"\n\n".to_owned()
        }
        _ => String::new(),
    };
    let emulation = match &project.kind {
        Kind::Dockerfile(_) => "\
# What happens to programs of a foreign platform: \"warn\" runs them and says so, \"deny\" stops the build before it starts.
# Take \"deny\" as soon as `lrops plan` says that nothing is emulated.
emulation = \"warn\"
",
        _ => "\
# A step that would run a foreign platform's program stops the build before it starts. \"warn\" runs it and says so.
emulation = \"deny\"
",
    };
    let platforms = PLATFORMS
        .map(|platform| format!("    \"{platform}\",\n"))
        .concat();
    format!(
        "\
[build]
{dockerfile}# The platforms that the image is for. Each costs a compilation; what does not depend on the platform is built once.
platforms = [
{platforms}    # \"linux/arm/v7\", # 32-bit ARM
]

# The image's names. To publish it with `lrops build --push`, put the registry before it, such as
# \"registry.example/team/{0}:1.2.3\".
tags = [\"{0}\"]

{emulation}",
        project.name
    )
}

fn arguments(project: &Project, bases: &[Base]) -> String {
    if let Kind::Dockerfile(_) | Kind::Unknown = project.kind {
        return format!("{EMPTY_ARGUMENTS}\n{}", example_base(project));
    }
    let answers: String = dockerfile::images(project)
        .iter()
        .map(
            |(argument, image)| match bases.iter().find(|base| base.argument == *argument) {
                Some(base) => format!("{argument} = \"{}\"\n", base.name),
                None => format!("# {argument} = \"{image}\"\n"),
            },
        )
        .collect();
    format!(
        "\
# Build arguments. These answer the Dockerfile's images with the bases below, so that no registry is needed. Remove a line, and
# the Dockerfile's own image is taken.
[build.args]
{answers}"
    )
}

const EMPTY_ARGUMENTS: &str = "\
# Build arguments, one a line.
# [build.args]
# VERSION = \"1.2.3\"
";

fn example_base(project: &Project) -> String {
    format!(
        "\
# A base is an image that lrops assembles from Debian packages, for all platforms and without running any of them. With this
# one the Dockerfile can say `FROM {0}-runtime`, and needs no `RUN apt-get install`, which would be emulated.
# [bases.{0}-runtime]
# distribution = \"debian\"
# suite = \"trixie\"
# packages = [\"base-files\", \"ca-certificates\", \"tzdata\"]
",
        project.name
    )
}

/// Returns the bases that a project's Dockerfile takes.
fn bases(project: &Project) -> Vec<Base> {
    let runtime = match &project.kind {
        Kind::Dockerfile(_) | Kind::Unknown => return Vec::new(),
        Kind::Go(module) if module.needs_c.is_none() => static_runtime(project),
        Kind::Go(_) | Kind::Rust(_) => linked_runtime(project),
        Kind::Server(package) if package.newer_node().is_some() => return Vec::new(),
        Kind::Server(_) => node_runtime(project),
        Kind::Interface => pages_runtime(project),
    };
    let tools = match &project.kind {
        Kind::Go(module) => Some(go_toolchain(module)),
        Kind::Rust(rust) => Some(rust_toolchain(rust.compiles_openssl)),
        _ => None,
    };
    let needs_node = match (&project.kind, &project.interface) {
        (Kind::Server(_), _) => true,
        (_, Some(package)) => package.newer_node().is_none(),
        (_, None) => false,
    };
    let node = needs_node.then(node_toolchain);
    [Some(runtime), tools, node].into_iter().flatten().collect()
}

/// A base that programs run on.
fn runtime(project: &Project, suite: &str, reason: &str, packages: &[(&str, &str)]) -> Base {
    let name = format!("{}-runtime", project.name);
    let section = format!(
        "\
# ---- What the image consists of besides the project's own files, for every platform.
# {reason}
[bases.{name}]
distribution = \"debian\"
suite = \"{suite}\"
{}users = [{{ name = \"app\", uid = 10001 }}]
# Debian's updates between its own releases, where this machine's mirror has them.
# extra_suites = [\"{suite}-updates\", {{ suite = \"{suite}-security\", optional = true }}]
",
        list(packages)
    );
    Base {
        name,
        argument: "RUNTIME_IMAGE",
        section,
    }
}

/// A base that tools run on, on the platform that builds.
fn tools(name: &str, argument: &'static str, what: &str, packages: &[(&str, &str)], more: &str) -> Base {
    let section = format!(
        "\
# ---- {what}, for the platform that builds. Nothing of it gets into the image.
[bases.{name}]
distribution = \"debian\"
suite = \"trixie\"
{}{more}",
        list(packages)
    );
    Base {
        name: name.to_owned(),
        argument,
        section,
    }
}

fn list(packages: &[(&str, &str)]) -> String {
    let width = packages.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 3;
    let line = |(name, reason): &(&str, &str)| {
        let word = format!("\"{name}\",");
        if reason.is_empty() {
            format!("    {word}\n")
        } else {
            format!("    {word:width$} # {reason}\n")
        }
    };
    format!(
        "packages = [\n{}]\n",
        packages.iter().map(line).collect::<String>()
    )
}

const SYSTEM: (&str, &str) = (
    "base-files",
    "/etc/os-release, which scanners read, and the usual directories",
);
const CERTIFICATES: (&str, &str) = ("ca-certificates", "to trust other servers");
const SERVICES: (&str, &str) = ("netbase", "names of protocols and services");
const ZONES: (&str, &str) = ("tzdata", "to know local time");
const SHELL: (&str, &str) = ("dash", "/bin/sh, which RUN starts");

fn static_runtime(project: &Project) -> Base {
    let reason =
        "No shell and no package manager: the program is static, and what is not there needs no update.";
    runtime(
        project,
        "bookworm",
        reason,
        &[SYSTEM, CERTIFICATES, SERVICES, ZONES],
    )
}

fn linked_runtime(project: &Project) -> Base {
    let reason = "Of the same suite as the compilers: the program is linked with that suite's C library.";
    let library = ("libc6", "the C library");
    let unwinder = ("libgcc-s1", "what compiled code calls besides");
    runtime(
        project,
        "trixie",
        reason,
        &[SYSTEM, library, unwinder, CERTIFICATES, SERVICES, ZONES],
    )
}

fn node_runtime(project: &Project) -> Base {
    let reason = "Node.js without npm, which only builds need.";
    runtime(
        project,
        "trixie",
        reason,
        &[SYSTEM, ("nodejs", "Node.js 20"), CERTIFICATES, SERVICES, ZONES],
    )
}

fn pages_runtime(project: &Project) -> Base {
    let reason = "nginx, which serves the pages.";
    runtime(project, "trixie", reason, &[SYSTEM, ("nginx", "")])
}

fn go_toolchain(module: &super::go::GoModule) -> Base {
    let go = format!("golang-1.{}-go", DEBIAN_GO.minor);
    let fetched =
        fetches_newer_go(module).map(|version| format!("it fetches Go {version}, which go.mod asks for"));
    let mut packages = vec![
        SYSTEM,
        ("ca-certificates", "for modules"),
        SHELL,
        (go.as_str(), fetched.as_deref().unwrap_or_default()),
    ];
    if module.needs_c.is_some() {
        packages.extend(compilers());
    }
    let path = format!(
        "# Debian keeps several versions of Go side by side, none of them in the usual PATH.\n\
         env = {{ PATH = \"/usr/lib/go-1.{}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\" }}\n",
        DEBIAN_GO.minor
    );
    tools(
        "go-toolchain",
        "GO_IMAGE",
        "What compiles the program",
        &packages,
        &path,
    )
}

fn rust_toolchain(compiles_openssl: bool) -> Base {
    let mut packages = vec![
        SYSTEM,
        ("ca-certificates", "for crates"),
        ("coreutils", ""),
        SHELL,
        ("rustup", "it fetches Rust's own releases"),
    ];
    packages.extend(compilers());
    if compiles_openssl {
        packages.extend([
            ("make", "OpenSSL is compiled with it ..."),
            ("perl", "... and with this"),
        ]);
    }
    let places = "# Where Docker Hub's image has them, too.\n\
                  env = { RUSTUP_HOME = \"/usr/local/rustup\", CARGO_HOME = \"/usr/local/cargo\" }\n";
    tools(
        "rust-toolchain",
        "RUST_IMAGE",
        "What compiles the program",
        &packages,
        places,
    )
}

fn node_toolchain() -> Base {
    let node = format!("Node.js {DEBIAN_NODE}");
    let packages = [
        SYSTEM,
        ("ca-certificates", "for packages"),
        ("coreutils", ""),
        SHELL,
        ("nodejs", node.as_str()),
        ("npm", ""),
    ];
    tools(
        "node-toolchain",
        "NODE_IMAGE",
        "What Node.js runs in while it builds",
        &packages,
        "",
    )
}

/// The C compilers and libraries, of which those of the building platform itself are native.
fn compilers() -> Vec<(&'static str, &'static str)> {
    let host = [("gcc", "for what runs while it builds"), ("libc6-dev", "")];
    let cross = COMPILERS
        .iter()
        .flat_map(|compiler| [(compiler.package, ""), (compiler.library, "")]);
    host.into_iter().chain(cross).collect()
}

const OTHERS: &str = "
# ---- Further sections, for when they are needed.

# A registry with a certificate of its own, or with mirrors.
# [registries.\"registry.example:5000\"]
# ca = \"company.pem\"
# mirrors = [\"mirror.example\"]

# A build farm: a docker daemon on another machine builds, and lrops proves and publishes what comes back.
# `lrops builder setup` makes the context and the builder.
# [buildx]
# context = \"farm\"
# host = \"ssh://farm.example\"
# builder = \"farm-multiarch\"

# Files of the image that may be of any platform.
# [verify]
# allow = [\"/usr/lib/firmware/**\"]
";
