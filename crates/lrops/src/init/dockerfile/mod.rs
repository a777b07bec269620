//! The Dockerfile: tools on the build platform, and a last stage that runs nothing.

mod cross;
mod go;
mod node;
mod rust;

use std::fmt::Write;

use super::project::{InterfacePlace, Kind, Project};

pub(super) use cross::COMPILERS;
pub(super) use go::{DEBIAN_GO, fetches_newer_go};

/// Where a program's image keeps a user interface that is not compiled in.
pub(super) fn interface_in_image(project: &Project) -> String {
    format!("/usr/share/{}/ui/", project.name)
}

/// Returns the file's text; none where the project has a Dockerfile, or nothing to build.
pub(super) fn text(project: &Project) -> Option<String> {
    let stages = match &project.kind {
        Kind::Dockerfile(_) | Kind::Unknown => return None,
        Kind::Go(module) => vec![
            go::build(project, module),
            program_image(project, module.main_program(), &module.programs),
        ],
        Kind::Rust(rust) => {
            let names: Vec<String> = rust.programs.iter().map(|program| program.name.clone()).collect();
            vec![
                rust::build(project, rust),
                program_image(project, rust.main_program(), &names),
            ]
        }
        Kind::Server(package) => node::server(project, package),
        Kind::Interface => vec![node::pages(project)],
    };
    let interface = project.interface.as_ref().map(node::interface);
    let parts = [header(project)].into_iter().chain(interface).chain(stages);
    Some(parts.collect::<Vec<_>>().join("\n\n"))
}

/// The images' arguments, with their defaults on Docker Hub.
pub(super) fn images(project: &Project) -> Vec<(&'static str, String)> {
    let server = match &project.kind {
        Kind::Server(package) => Some(package),
        _ => None,
    };
    let mut images = Vec::new();
    if server.is_some() || project.interface.is_some() {
        let newest = [server, project.interface.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(super::node::NodePackage::newer_node);
        let major = newest.max().unwrap_or(node::HUB_NODE);
        images.push(("NODE_IMAGE", format!("node:{major}-trixie-slim")));
    }
    match &project.kind {
        Kind::Go(module) => images.push(("GO_IMAGE", go::image(module))),
        Kind::Rust(_) => images.push(("RUST_IMAGE", "rust:1-trixie".to_owned())),
        _ => {}
    }
    let runtime = match &project.kind {
        Kind::Server(_) => images[0].1.clone(),
        Kind::Interface => "nginx:stable".to_owned(),
        _ => "buildpack-deps:trixie-curl".to_owned(),
    };
    images.push(("RUNTIME_IMAGE", runtime));
    images
}

fn header(project: &Project) -> String {
    let interface = project
        .interface
        .as_ref()
        .map_or("", |_| "#   ui       $BUILDPLATFORM    once for all platforms\n");
    let build = match &project.kind {
        Kind::Go(_) | Kind::Rust(_) => "#   build    $BUILDPLATFORM    once a platform, cross-compiling\n",
        Kind::Server(_) => "#   modules, build    $BUILDPLATFORM    once for all platforms\n",
        _ => "",
    };
    let images = images(project);
    let images: Vec<String> = images
        .iter()
        .map(|(name, image)| format!("ARG {name}={image}\n"))
        .collect();
    let images = images.concat();
    format!(
        "# One Dockerfile, one image for all platforms, and no emulation:\n\
         #\n\
         {interface}{build}\
         #   the last stage    the target    only COPY and metadata, so nothing foreign has to run\n\
         #\n\
         # The images are arguments. lrops.toml answers them with bases that lrops assembles from Debian packages; the defaults\n\
         # here are on Docker Hub, for `docker buildx build` and for whoever removes those answers.\n\
         {images}"
    )
}

/// The last stage of an image with programs.
fn program_image(project: &Project, main: Option<&str>, programs: &[String]) -> String {
    let name = &project.name;
    let main = main.unwrap_or_default();
    let mut copies = "COPY --from=build /out/ /usr/local/bin/\n".to_owned();
    if let (Some(package), InterfacePlace::Image) = (&project.interface, &project.interface_place) {
        let _ = write!(
            copies,
            "# The program was not seen to embed it: it finds its pages here.\n\
             COPY --from=ui /src/{}/ {}\n",
            package.output.directory,
            interface_in_image(project)
        );
    }
    let others: Vec<&str> = programs
        .iter()
        .map(String::as_str)
        .filter(|program| *program != main)
        .collect();
    let others = if others.is_empty() {
        String::new()
    } else {
        format!(
            "# In the same image, for `docker run --entrypoint`: {}.\n",
            others.join(", ")
        )
    };
    format!(
        "\
# ---- The image. No RUN from here on: it would be a program of the target platform.
FROM ${{RUNTIME_IMAGE}}

LABEL org.opencontainers.image.title=\"{name}\"

{copies}
# The port that the program listens on, which tools read; it opens nothing.
# EXPOSE 8080

# In numbers: Kubernetes' runAsNonRoot can only judge those.
USER 10001:10001

{others}ENTRYPOINT [\"/usr/local/bin/{main}\"]
{VERSION_LABEL}"
    )
}

/// What every image ends with.
const VERSION_LABEL: &str = "
# Last, because it changes with every release and nothing above has to be made again for it.
ARG VERSION=development
LABEL org.opencontainers.image.version=\"${VERSION}\"
";
