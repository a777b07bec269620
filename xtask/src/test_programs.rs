//! Programs of other suites that the tests run: unpacked beside the system, so that nothing of the machine changes.
//!
//! Debian's packages of docker, of two generations, and of an ssh server, come from the machine's own package source
//! by a private configuration of apt: signatures are checked as always. So does Go, which is newer in trixie than in
//! bookworm. `BuildKit`'s daemon, which Debian has no package of, is built with it from its module. Each installation is
//! a directory below the target directory, complete or not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::programs;

/// A directory of unpacked packages.
struct Installation {
    /// The directory's name. It changes when the packages do.
    name: &'static str,
    /// The packages, each with its suite.
    packages: &'static [&'static str],
}

/// What the tests look for. `lrops-testkit` knows these names.
const INSTALLATIONS: &[Installation] = &[
    Installation {
        name: "docker-26",
        packages: &[
            "docker.io/trixie",
            "docker-cli/trixie",
            "docker-buildx/trixie",
            "containerd/trixie",
            // Trixie's asks for a newer C library than bookworm has.
            "runc/bookworm",
            "tini/bookworm",
        ],
    },
    Installation {
        name: "docker-20",
        packages: &[
            "docker.io/bookworm",
            "containerd/bookworm",
            "runc/bookworm",
            "tini/bookworm",
        ],
    },
    Installation {
        name: "openssh",
        // The libraries are those that neither apt nor the packages that tests install anyway bring along.
        packages: &["openssh-server/bookworm", "libwrap0/bookworm", "libnsl2/bookworm"],
    },
    Installation {
        name: GO,
        // The machine's own Go may be missing or, as bookworm's, too old for what is built with it.
        packages: &["golang-1.24-go/trixie", "golang-1.24-src/trixie"],
    },
];

/// The installation of Go, and where the program is in it.
const GO: &str = "go-1.24";
const GO_PROGRAM: &str = "usr/lib/go-1.24/bin/go";

/// `BuildKit`'s daemon, as builders of their own run it: of the same time as the docker that Debian has.
const BUILDKIT: &str = "github.com/moby/buildkit/cmd/buildkitd@v0.13.2";

/// The suites that the packages are of.
const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// What is asked of each of apt's files.
const LISTED: &str = "$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)";

/// What Debian calls its releases. Other projects' sources have names of their own, or other components.
const RELEASES: &[&str] = &[
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Debian's keys.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Makes sure that every installation is there.
pub(crate) fn install(target: &Path) -> Result<(), Failure> {
    let place = target.join("test-programs");
    unpack_missing(&place)?;
    build_buildkit(&place)
}

/// Unpacks the installations that are not there.
fn unpack_missing(place: &Path) -> Result<(), Failure> {
    let missing: Vec<&Installation> = INSTALLATIONS
        .iter()
        .filter(|installation| !place.join(installation.name).is_dir())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let apt = Apt::prepare(&place.join("apt"))?;
    for installation in missing {
        let unpacked = place.join(format!("{}.partial", installation.name));
        apt.unpack(installation, &unpacked)?;
        let done = place.join(installation.name);
        fs::rename(&unpacked, &done).map_err(|cause| failed("move", &unpacked, &cause))?;
    }
    fs::remove_dir_all(&apt.directory).map_err(|cause| failed("remove", &apt.directory, &cause))
}

/// Builds `BuildKit`'s daemon.
fn build_buildkit(place: &Path) -> Result<(), Failure> {
    let done = place.join("buildkit");
    if done.is_dir() {
        return Ok(());
    }
    let unfinished = place.join("buildkit.partial");
    let bin = unfinished.join("usr/bin");
    fs::create_dir_all(&bin).map_err(|cause| failed("make", &bin, &cause))?;
    programs::run(go_install(place).arg(BUILDKIT).env("GOBIN", &bin))?;
    fs::rename(&unfinished, &done).map_err(|cause| failed("move", &unfinished, &cause))
}

/// Begins `go install`, which knows nothing of what a person has set for other projects, and needs no C compiler.
fn go_install(place: &Path) -> Command {
    let mut go = Command::new(place.join(GO).join(GO_PROGRAM));
    go.arg("install")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .env_remove("GOROOT")
        .current_dir(place);
    go
}

/// apt with a configuration of its own.
struct Apt {
    directory: PathBuf,
}

impl Apt {
    fn prepare(directory: &Path) -> Result<Self, Failure> {
        for name in ["lists/partial", "archives/partial", "preferences"] {
            let path = directory.join(name);
            fs::create_dir_all(&path).map_err(|cause| failed("make", &path, &cause))?;
        }
        let source = package_source()?;
        let lines = SUITES.map(|suite| format!("deb [signed-by={KEYRING}] {source} {suite} main\n"));
        for (name, text) in [("sources.list", lines.concat()), ("status", String::new())] {
            let path = directory.join(name);
            fs::write(&path, text).map_err(|cause| failed("write", &path, &cause))?;
        }
        let apt = Self {
            directory: directory.to_owned(),
        };
        programs::run(apt.get(directory).args(["--quiet", "update"]))?;
        Ok(apt)
    }

    fn get(&self, directory: &Path) -> Command {
        let mut command = Command::new("apt-get");
        let own = |name: &str| self.directory.join(name).display().to_string();
        for (option, value) in [
            ("Dir::Etc::sourcelist", own("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", own("preferences")),
            ("Dir::State::lists", own("lists")),
            ("Dir::State::status", own("status")),
            ("Dir::Cache::archives", own("archives")),
            ("Dir::Cache::pkgcache", String::new()),
            ("Dir::Cache::srcpkgcache", String::new()),
            // The directories belong to whoever runs this, and not to apt's own user.
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        command.current_dir(directory);
        command
    }

    /// Fetches an installation's packages and unpacks them into one directory.
    fn unpack(&self, installation: &Installation, into: &Path) -> Result<(), Failure> {
        let fetched = self.directory.join(installation.name);
        for path in [&fetched, into] {
            let _ = fs::remove_dir_all(path);
            fs::create_dir_all(path).map_err(|cause| failed("make", path, &cause))?;
        }
        let mut download = self.get(&fetched);
        programs::run(download.args(["--quiet", "download"]).args(installation.packages))?;
        let entries = fs::read_dir(&fetched).map_err(|cause| failed("read", &fetched, &cause))?;
        for entry in entries.flatten() {
            programs::run(Command::new("dpkg").arg("-x").arg(entry.path()).arg(into))?;
        }
        Ok(())
    }
}

/// Returns where this machine has its own release's packages from.
fn package_source() -> Result<String, Failure> {
    let listed = Command::new("apt-get")
        // Without the last word only what was downloaded before is listed, which on a new machine is nothing.
        .args(["indextargets", "--format", LISTED, "--no-release-info"])
        .output()
        .map_err(|cause| Failure::new(format!("`apt-get indextargets` did not start: {cause}")))?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    main_source(&text).map(str::to_owned).ok_or_else(|| {
        Failure::new("this machine's package sources name no Debian release; see /etc/apt/sources.list.d")
    })
}

/// Finds the source that has whole releases: not updates, not backports, not security, not of another project.
fn main_source(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let source = words.next()?;
        let is_main = RELEASES.contains(&words.next()?) && words.eq(["main", "Packages"]);
        is_main.then_some(source)
    })
}

fn failed(action: &str, path: &Path, cause: &std::io::Error) -> Failure {
    Failure::new(format!("failed to {action} {}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_whole_releases_is_taken() {
        let targets = "http://a.example/debian-security bookworm-security main Packages\n\
                       http://a.example/tools bookworm stable Packages\n\
                       http://a.example/more nodistro main Packages\n\
                       http://b.example/debian bookworm-updates main Packages\n\
                       http://b.example/debian bookworm main DEP-11\n\
                       http://b.example/debian bookworm main Packages\n";
        assert_eq!(main_source(targets), Some("http://b.example/debian"));
        assert_eq!(main_source(""), None);
    }

    #[test]
    fn a_program_is_made_with_the_go_that_is_unpacked() {
        let go = INSTALLATIONS.iter().find(|installation| installation.name == GO);
        let packages = go.expect("there is an installation of that name").packages;
        assert!(packages.contains(&"golang-1.24-go/trixie"), "{packages:?}");
        assert!(go_install(Path::new("/place")).get_program() == "/place/go-1.24/usr/lib/go-1.24/bin/go");
    }
}
