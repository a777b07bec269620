//! The stages that Node.js runs in: user interfaces, and servers.

use super::super::node::{Installer, NodePackage, PACKAGE_FILE, Tool};
use super::super::project::{InterfacePlace, Project};
use super::VERSION_LABEL;

/// The major version of Docker Hub's image, unless the project asks for a newer one.
pub(super) const HUB_NODE: u32 = 22;

/// Where downloads are kept. The place is the same in every image, whatever its HOME is.
const CACHE: &str = "/var/cache/node";

/// A stage that builds a user interface.
pub(super) fn interface(package: &NodePackage) -> String {
    let head = "# ---- The user interface: the same on every platform, so it is built once, however many platforms are asked for.\n";
    format!(
        "{head}{}{}",
        build_stage(package, "ui", "/src"),
        run_build(package)
    )
}

/// The stages of a server's image.
pub(super) fn server(project: &Project, package: &NodePackage) -> Vec<String> {
    let mut stages = Vec::new();
    if package.installs {
        let head = "\
# ---- The packages that the server needs. They are installed once, on the platform that builds, so they must be the same
# on every platform. A package with a compiled part (.node files, node-gyp) is not: `lrops verify` finds it, and it takes a
# stage of its own for each platform.
";
        stages.push(format!(
            "{head}{}",
            stage_head("modules", package, "/app")
                + &install(package, &package.installer.install_for_server(), "/app")
        ));
    }
    if package.builds {
        let head = "# ---- The server: scripts are the same on every platform, so they are built once.\n";
        let clean = "RUN rm -rf node_modules\n";
        let clean = if package.installs { clean } else { "" };
        stages.push(format!(
            "{head}{}{}{clean}",
            build_stage(package, "build", "/app"),
            run_build(package)
        ));
    }
    stages.push(server_image(project, package));
    stages
}

fn build_stage(package: &NodePackage, name: &str, root: &str) -> String {
    let from = from(package);
    let copy = if from.is_empty() {
        "COPY . .\n".to_owned()
    } else {
        format!("COPY {from} ./\n")
    };
    // The packages of a workspace are there before anything is installed.
    let sources = if package.is_workspace && package.installs {
        String::new()
    } else {
        format!("\n{copy}")
    };
    stage_head(name, package, root) + &install(package, package.installer.install(), root) + &sources
}

fn stage_head(name: &str, package: &NodePackage, root: &str) -> String {
    let linker = match package.installer.tool {
        Tool::Yarn => " \\\n    YARN_NODE_LINKER=node-modules",
        _ => "",
    };
    format!(
        "FROM --platform=$BUILDPLATFORM ${{NODE_IMAGE}} AS {name}\nWORKDIR {}\nENV {}={CACHE}{linker}\n",
        working_directory(root, package),
        package.installer.cache_setting()
    )
}

fn run_build(package: &NodePackage) -> String {
    format!("RUN {}\n", package.installer.build())
}

/// The steps that install what a package depends on.
fn install(package: &NodePackage, command: &str, root: &str) -> String {
    let Installer {
        tool,
        package: program_package,
        lock,
    } = &package.installer;
    if !package.installs && !package.is_workspace {
        return String::new();
    }
    let from = from(package);
    let program = match program_package {
        Some(program_package) => format!("RUN npm install --global {program_package}\n"),
        None => String::new(),
    };
    let copy = if package.is_workspace {
        format!("COPY {} ./\n", if from.is_empty() { "." } else { &from })
    } else {
        let names = [Some(PACKAGE_FILE), *lock, package.settings]
            .into_iter()
            .flatten();
        let files: Vec<String> = names.map(|name| format!("{from}{name}")).collect();
        let reason = "# Only what decides which packages are installed: an edited source file leaves this step cached.\n";
        format!("{reason}COPY {} ./\n", files.join(" "))
    };
    let kept = if root == "/app" {
        " && mkdir -p node_modules"
    } else {
        ""
    };
    let lockless = match (tool, lock) {
        (Tool::Npm, None) => {
            "# Without a lock file each build may install other packages: commit the one that `npm install` writes.\n"
        }
        _ => "",
    };
    format!("\n{program}{copy}{lockless}RUN --mount=type=cache,target={CACHE} \\\n    {command}{kept}\n")
}

/// Directories stand beside each other as in the project.
fn working_directory(root: &str, package: &NodePackage) -> String {
    format!("{root}/{}", package.directory)
        .trim_end_matches('/')
        .to_owned()
}

fn from(package: &NodePackage) -> String {
    if package.directory.is_empty() {
        String::new()
    } else {
        format!("{}/", package.directory)
    }
}

/// The last stage of a server's image.
fn server_image(project: &Project, package: &NodePackage) -> String {
    let from = from(package);
    let directory = working_directory("/app", package);
    let sources = match (package.builds, from.is_empty()) {
        (true, _) => format!("COPY --from=build {directory}/ ./\n"),
        (false, true) => "COPY . .\n".to_owned(),
        (false, false) => format!("COPY {from} ./\n"),
    };
    let modules = if package.installs {
        format!("COPY --from=modules {directory}/node_modules/ ./node_modules/\n")
    } else {
        String::new()
    };
    let pages = match (&project.interface, &project.interface_place) {
        (Some(interface), InterfacePlace::Sources(place)) => {
            format!(
                "COPY --from=ui /src/{}/ /app/{place}/\n",
                interface.output.directory
            )
        }
        _ => String::new(),
    };
    let start = package.start.as_ref().expect("a server is started");
    let variables = start.variables.iter().filter(|(name, _)| name != "NODE_ENV");
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("ENV {name}={value}\n"))
        .collect();
    let variables = variables.concat();
    let words: Vec<String> = ["node"]
        .into_iter()
        .chain(start.arguments.iter().map(String::as_str))
        .map(|word| format!("\"{word}\""))
        .collect();
    let reason = match &start.unclear {
        Some(script) => format!("# The script `start` is: {script}\n# Write down here what it starts.\n"),
        None => "# Without npm, which would be one more process that does not pass signals on.\n".to_owned(),
    };
    format!(
        "\
# ---- The image. No RUN from here on: it would be a program of the target platform.
FROM ${{RUNTIME_IMAGE}}

LABEL org.opencontainers.image.title=\"{}\"

WORKDIR {directory}
ENV NODE_ENV=production
{variables}{modules}{sources}{pages}
# The port that the server listens on, which tools read; it opens nothing.
# EXPOSE 3000

# In numbers: Kubernetes' runAsNonRoot can only judge those.
USER 10001:10001

{reason}ENTRYPOINT [{}]
{VERSION_LABEL}",
        project.name,
        words.join(", ")
    )
}

/// The image of a user interface that is served as it is.
pub(super) fn pages(project: &Project) -> String {
    let output = project
        .interface
        .as_ref()
        .map_or("dist", |package| &package.output.directory);
    format!(
        "\
# ---- The image: nginx, and the pages. No RUN from here on: it would be a program of the target platform.
FROM ${{RUNTIME_IMAGE}}

LABEL org.opencontainers.image.title=\"{}\"

COPY <<\"nginx.conf\" /etc/nginx/nginx.conf
{NGINX}nginx.conf
COPY --from=ui /src/{output}/ /srv/www/

# In numbers: Kubernetes' runAsNonRoot can only judge those. Only root may listen below port 1024.
USER 10001:10001
EXPOSE 8080

ENTRYPOINT [\"nginx\", \"-e\", \"/dev/stderr\", \"-g\", \"daemon off;\"]
{VERSION_LABEL}",
        project.name
    )
}

/// nginx for any user: all that it writes is below /tmp.
const NGINX: &str = "\
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    gzip on;
    gzip_types text/css application/javascript application/json image/svg+xml;
    server {
        listen 8080;
        root /srv/www;
        location / {
            # Pages that scripts make up are all the same file.
            try_files $uri $uri/ /index.html;
        }
    }
}
";
