//! The programs that are measured, each with a state of its own that begins empty.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lrops_model::platform::Platform;
use lrops_testkit::docker::DockerDaemon;

use crate::bare::Bare;
use crate::example::{Example, listed, read};
use crate::images::Images;
use crate::meter::{Figures, Meter, disk_usage};
use crate::options::Program;

/// The longest that one build may take, except where another limit is named.
pub(crate) const BUILD_LIMIT: Duration = Duration::from_mins(15);

/// How many lines of a failed program's output are shown.
const LINES_SHOWN: usize = 40;

/// A program, a copy of an example, and all that the program keeps.
pub(crate) struct Builder<'a> {
    kind: Kind,
    images: &'a Images,
    /// The program's copy of the example.
    pub(crate) example: Example,
    directory: PathBuf,
    builds: usize,
    stored_before: u64,
}

enum Kind {
    Bare(Bare),
    Lrops,
    Buildx(Box<DockerDaemon>),
    Buildah,
}

impl<'a> Builder<'a> {
    /// Returns a program that has built nothing yet, in an empty directory.
    pub(crate) fn new(program: Program, example: &Example, images: &'a Images, directory: &Path) -> Self {
        let context = directory.join("context");
        fs::create_dir_all(&context).expect("a directory for the example");
        let kind = match program {
            Program::Bare => Kind::Bare(Bare::new(directory.to_owned())),
            Program::Lrops => Kind::Lrops,
            Program::Buildx => Kind::Buildx(Box::new(DockerDaemon::start())),
            Program::Buildah => Kind::Buildah,
        };
        let mut builder = Self {
            kind,
            images,
            example: example.copy_to(&context),
            directory: directory.to_owned(),
            builds: 0,
            stored_before: 0,
        };
        builder.stored_before = builder.stored();
        builder
    }

    /// Builds for these platforms.
    pub(crate) fn build(&mut self, platforms: &[Platform]) -> Figures {
        self.builds += 1;
        if let Kind::Bare(bare) = &mut self.kind {
            return bare.build(&self.example, self.images, platforms);
        }
        self.run(platforms, &[], BUILD_LIMIT)
            .unwrap_or_else(|said| panic!("{said}"))
    }

    /// Builds with more arguments of the program's own; an error says how it failed.
    pub(crate) fn run(
        &self,
        platforms: &[Platform],
        more: &[&str],
        limit: Duration,
    ) -> Result<Figures, String> {
        let mut command = self.command(platforms);
        command.args(more).arg(".").current_dir(&self.example.directory);
        let log = self.directory.join("log");
        let output = File::create(&log).expect("a log can be written");
        command.stdin(Stdio::null());
        command
            .stdout(output.try_clone().expect("the log can be shared"))
            .stderr(output);
        let daemon = match &self.kind {
            Kind::Buildx(daemon) => Some(daemon.process()),
            _ => None,
        };
        let meter = Meter::start(daemon);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let succeeded = wait(&mut child, limit);
        let figures = meter.stop();
        match succeeded {
            Some(true) => Ok(figures),
            Some(false) => Err(format!("{command:?}:\n{}", end_of(&read(&log)))),
            None => Err(format!("did not end in {} s", limit.as_secs())),
        }
    }

    fn command(&self, platforms: &[Platform]) -> Command {
        let (dockerfile, platforms) = (&self.example.dockerfile, listed(platforms));
        let mut command = match &self.kind {
            Kind::Bare(_) => panic!("bare commands are no program"),
            Kind::Lrops => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_lrops"));
                command.args([
                    "build",
                    "--engine=embedded",
                    "--progress=plain",
                    "--tag=bench:v1",
                    "--store",
                ]);
                command.arg(self.directory.join("store"));
                // The copy lies below the checkout, whose version is not the example's.
                command.env("GIT_CEILING_DIRECTORIES", &self.directory);
                command
            }
            Kind::Buildx(daemon) => {
                let mut command = Command::new(daemon.client().program());
                command.args(["buildx", "build", "--progress=plain", "--tag=bench:v1"]);
                // As lrops does: commands see the machine's network, and nothing is made beside the image.
                command.args(["--network=host", "--provenance=false"]);
                command.envs(daemon.client().environment());
                command
            }
            Kind::Buildah => self.buildah(),
        };
        command
            .arg("--file")
            .arg(dockerfile)
            .args(["--platform", &platforms]);
        for (name, value) in &self.images.arguments {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        command
    }

    fn buildah(&self) -> Command {
        let file = self.example.directory.join(&self.example.dockerfile);
        // Buildah 1.28 does not know the flag. Without it commands see the network that they do not need.
        let text = read(&file).replace("RUN --network=none ", "RUN ");
        fs::write(&file, text).expect("a Dockerfile can be written");
        let temporary = self.directory.join("temporary");
        fs::create_dir_all(&temporary).expect("a directory for buildah");
        // It leaves mounts behind, which end with a mount namespace.
        let mut command = Command::new("unshare");
        command.args(["--mount", "buildah", "--storage-driver=overlay", "--root"]);
        command
            .arg(self.directory.join("store"))
            .arg("--runroot")
            .arg(self.directory.join("run"));
        command.args(["build", "--isolation=chroot", "--layers", "--tls-verify=false"]);
        // A second build would add its images to a manifest of the same name.
        command.arg(format!("--manifest=bench:v{}", self.builds));
        // Cache mounts lie in there.
        command.env("TMPDIR", temporary);
        command
    }

    /// Returns the bytes that were stored since the beginning.
    pub(crate) fn stored(&self) -> u64 {
        let all = match &self.kind {
            Kind::Buildx(daemon) => disk_usage(daemon.data(), &[]),
            _ => disk_usage(
                &self.directory,
                &[
                    &[self.example.directory.as_path()],
                    self.images.roots().as_slice(),
                ]
                .concat(),
            ),
        };
        all.saturating_sub(self.stored_before)
    }
}

/// Waits for a child and returns whether it succeeded; ends it when the time is over.
fn wait(child: &mut Child, limit: Duration) -> Option<bool> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status.success());
        }
        if started.elapsed() > limit {
            let ended = Command::new("kill").arg(child.id().to_string()).status();
            assert!(ended.is_ok_and(|ended| ended.success()), "a child can be ended");
            child.wait().expect("a child can be waited for");
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}
