//! What to do about a known failure.

use std::fmt::{self, Display};

use super::KnownFailure;
use crate::command_line::CommandLine;
use crate::docker::BuilderPlace;

/// Something to do: in words, and the commands that do it, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cure {
    /// What to do.
    pub words: String,
    /// The commands. What a person has to put in is written in capitals.
    pub commands: Vec<CommandLine>,
}

impl Cure {
    fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            commands: Vec::new(),
        }
    }

    fn by(mut self, command: CommandLine) -> Self {
        self.commands.push(command);
        self
    }
}

/// Writes it in one line: `see what the builder keeps: docker buildx du; docker buildx prune`.
impl Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)?;
        for (index, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if index == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

/// Where a failure happened, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    place: &'a BuilderPlace,
    endpoint: Option<&'a str>,
}

impl<'a> Site<'a> {
    /// Returns a place whose address is not known.
    pub fn of(place: &'a BuilderPlace) -> Self {
        Self {
            place,
            endpoint: None,
        }
    }

    /// Returns the same with the address of its docker daemon, such as `ssh://build@server:2222`, when it is known.
    pub fn at(self, endpoint: Option<&'a str>) -> Self {
        Self { endpoint, ..self }
    }

    fn docker(self) -> CommandLine {
        CommandLine::new("docker").flag("--context", self.place.context.as_deref())
    }

    fn buildx(self, command: &str) -> CommandLine {
        self.docker().words(["buildx", command])
    }

    /// A command of buildx that takes the builder as its argument.
    fn builder(self, command: &str) -> CommandLine {
        self.buildx(command).words(self.place.builder.as_deref())
    }

    /// A command of buildx that takes the builder by a flag, and no argument.
    fn flagged_builder(self, command: &str) -> CommandLine {
        self.buildx(command)
            .flag("--builder", self.place.builder.as_deref())
    }

    fn setup(self) -> CommandLine {
        lrops(["builder", "setup"])
            .flag("--docker-context", self.place.context.as_deref())
            .flag("--builder", self.place.builder.as_deref())
    }

    fn create_context(self) -> CommandLine {
        docker(["context", "create"])
            .word(self.place.context.as_deref().unwrap_or("NAME"))
            .words(["--docker", "host=ssh://HOST"])
    }

    /// The login that docker makes. A builder may have its node elsewhere than the context has its daemon.
    fn log_in(self) -> Cure {
        const WORDS: &str = "log in by hand once, to accept the host's key";
        if let Some(command) = self.endpoint.and_then(ssh) {
            return Cure::new(WORDS).by(command);
        }
        let cure = Cure::new(format!(
            "{WORDS} (`ssh HOST docker version`, with the HOST of the endpoint); to see the endpoint"
        ));
        let context = docker(["context", "inspect"]).words(self.place.context.as_deref());
        match self.place.builder {
            None => cure.by(context),
            Some(_) => cure.by(context).by(self.builder("inspect")),
        }
    }

    fn find_daemon(self) -> Vec<Cure> {
        vec![
            Cure::new("see where docker connects to").by(self.docker().word("info")),
            Cure::new("see where the builder points to").by(self.builder("inspect")),
            Cure::new("a builder on the wrong endpoint is made anew by").by(self.setup()),
        ]
    }

    fn fetch_image(self) -> Vec<Cure> {
        vec![
            Cure::new("fetch it there by hand, to see why")
                .by(self.docker().words(["pull", "moby/buildkit:buildx-stable-1"])),
            Cure::new("name another image")
                .by(self.setup().words(["--driver-opt", "image=REGISTRY/IMAGE:TAG"])),
            Cure::new("or use the daemon's own builder, with the containerd image store"),
        ]
    }

    fn free_disk(self) -> Vec<Cure> {
        vec![
            Cure::new("see and free what the builder keeps")
                .by(self.flagged_builder("du"))
                .by(self.flagged_builder("prune")),
            Cure::new("see and free what lrops keeps")
                .by(lrops(["cache", "du"]))
                .by(lrops(["cache", "prune"])),
        ]
    }
}

fn docker<const N: usize>(words: [&str; N]) -> CommandLine {
    CommandLine::new("docker").words(words)
}

fn lrops<const N: usize>(words: [&str; N]) -> CommandLine {
    CommandLine::new("lrops").words(words)
}

/// Returns the command that asks the docker of an endpoint by ssh, as docker itself would log in.
fn ssh(endpoint: &str) -> Option<CommandLine> {
    let rest = endpoint.strip_prefix("ssh://")?;
    let (login, socket) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, address) = match login.rsplit_once('@') {
        Some((user, address)) => (format!("{user}@"), address),
        None => (String::new(), login),
    };
    // The colons of `[::1]` belong to the host.
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (address, None),
    };
    let host = host.trim_matches(['[', ']']);
    let socket = Some(socket).filter(|socket| !socket.is_empty());
    (!host.is_empty()).then(|| {
        CommandLine::new("ssh")
            .flag("-p", port)
            .word(format!("{user}{host}"))
            .word("docker")
            .flag("--host", socket.map(|socket| format!("unix:///{socket}")))
            .word("version")
    })
}

impl KnownFailure {
    /// Returns what to do, in the order in which to try it. Commands name the place where the failure happened.
    pub fn cures(self, site: Site<'_>) -> Vec<Cure> {
        match self {
            Self::DockerMissing => vec![Cure::new(
                "install docker's command line (Debian: docker-cli or docker.io), or build without it: --engine embedded",
            )],
            Self::BuildxMissing => vec![
                Cure::new("install the plugin (Debian: docker-buildx; Docker's own packages: docker-buildx-plugin), then look")
                    .by(docker(["buildx", "version"])),
            ],
            Self::BuildxTooOld => vec![Cure::new(
                "install a newer buildx: 0.10 or later, better 0.13 or later",
            )],
            Self::ContextMissing => vec![
                Cure::new("see which there are").by(docker(["context", "ls"])),
                Cure::new("define it").by(site.create_context()),
            ],
            Self::BuilderMissing => vec![
                Cure::new("see which there are").by(site.buildx("ls")),
                Cure::new("create it").by(site.setup()),
            ],
            Self::DaemonUnreachable => site.find_daemon(),
            Self::DaemonForbidden => vec![
                Cure::new("let this user into the group of the socket, and log in again; usually")
                    .by(CommandLine::new("sudo").words(["usermod", "-aG", "docker", "USER"])),
                Cure::new("or build without a daemon: --engine embedded"),
            ],
            Self::SshFailed => vec![
                site.log_in(),
                Cure::new("load the key into an agent, since docker asks no passphrase")
                    .by(CommandLine::new("ssh-add")),
            ],
            Self::BuilderImageMissing => site.fetch_image(),
            Self::MultiPlatformUnsupported | Self::ExporterUnsupported => vec![
                Cure::new("create a builder with the docker-container driver").by(site.setup()),
                Cure::new("or switch the daemon to the containerd image store: \"features\": {\"containerd-snapshotter\": true} in its daemon.json"),
            ],
            Self::MissingManifestDigest => vec![
                Cure::new("build all platforms at once and push one tag, as lrops does; make no tags such as app:1.2-arm64"),
                Cure::new("remove the broken tag and push again").by(lrops(["image", "rm", "docker://NAME"])),
            ],
            Self::CrossInstallWithGobin => vec![Cure::new(
                "use `go build -o /out/NAME PACKAGE` instead of `go install` in stages that cross-compile",
            )],
            Self::EmulationMissing => vec![
                Cure::new("give stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile"),
                Cure::new("see which lines would be emulated").by(lrops(["plan"])),
                Cure::new("where emulation is really wanted").by(site.docker().words([
                    "run", "--privileged", "--rm", "tonistiigi/binfmt", "--install", "all",
                ])),
            ],
            Self::DiskFull => site.free_disk(),
            Self::Unauthorized => vec![
                Cure::new("log in (docker reads the same file)").by(lrops(["login", "REGISTRY"])),
                Cure::new("see that the account may push to this repository, and that its token has not expired"),
            ],
            Self::NoActiveSession => vec![
                Cure::new("try again; lrops does so by itself"),
                Cure::new("if it stays, restart the builder")
                    .by(site.builder("stop"))
                    .by(site.builder("inspect").word("--bootstrap")),
            ],
            Self::RegistryBusy => vec![Cure::new("try again later, or ask for longer waits: --retry-wait 30")],
            Self::TimeOut | Self::Network => vec![
                Cure::new("try again; raise --retries and --retry-wait for a line that is often cut"),
                Cure::new("a push by lrops itself, without --deliver builder, does not send again what has arrived"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// A place whose names a shell would take apart.
    fn place() -> BuilderPlace {
        BuilderPlace {
            context: Some("my lab".to_owned()),
            builder: Some("it's".to_owned()),
        }
    }

    fn check(known: KnownFailure, site: Site<'_>, expected: Expect) {
        let lines: Vec<String> = known.cures(site).iter().map(|cure| format!("{cure}\n")).collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn commands_name_the_place_for_a_shell() {
        let place = place();
        check(
            KnownFailure::MultiPlatformUnsupported,
            Site::of(&place),
            expect![[r#"
                create a builder with the docker-container driver: lrops builder setup --docker-context 'my lab' --builder 'it'\''s'
                or switch the daemon to the containerd image store: "features": {"containerd-snapshotter": true} in its daemon.json
            "#]],
        );
        // `docker buildx du NAME` "accepts no arguments".
        check(
            KnownFailure::DiskFull,
            Site::of(&place),
            expect![[r"
                see and free what the builder keeps: docker --context 'my lab' buildx du --builder 'it'\''s'; docker --context 'my lab' buildx prune --builder 'it'\''s'
                see and free what lrops keeps: lrops cache du; lrops cache prune
            "]],
        );
        check(
            KnownFailure::ContextMissing,
            Site::of(&place),
            expect![[r"
                see which there are: docker context ls
                define it: docker context create 'my lab' --docker host=ssh://HOST
            "]],
        );
    }

    #[test]
    fn who_has_to_log_in_is_told_the_endpoints_host() {
        let none = BuilderPlace::default();
        let log_in = |place, endpoint| {
            let site = Site::of(place).at(endpoint);
            KnownFailure::SshFailed.cures(site)[0].to_string()
        };
        let table = [
            ("ssh://gitlab", "ssh gitlab docker version"),
            (
                "ssh://ops@build.example:2222",
                "ssh -p 2222 ops@build.example docker version",
            ),
            (
                "ssh://ops@[2001:db8::1]:2222",
                "ssh -p 2222 ops@2001:db8::1 docker version",
            ),
            ("ssh://[2001:db8::1]", "ssh 2001:db8::1 docker version"),
            (
                "ssh://build.example/run/user/1000/docker.sock",
                "ssh build.example docker --host unix:///run/user/1000/docker.sock version",
            ),
        ];
        for (endpoint, command) in table {
            assert_eq!(
                log_in(&none, Some(endpoint)),
                format!("log in by hand once, to accept the host's key: {command}")
            );
        }
        let unknown = "log in by hand once, to accept the host's key (`ssh HOST docker version`, with the HOST of the endpoint); to see the endpoint: docker context inspect";
        for endpoint in [None, Some("unix:///var/run/docker.sock"), Some("ssh://")] {
            assert_eq!(log_in(&none, endpoint), unknown);
        }
        assert_eq!(
            log_in(&place(), None),
            format!(r"{unknown} 'my lab'; docker --context 'my lab' buildx inspect 'it'\''s'")
        );
    }
}
