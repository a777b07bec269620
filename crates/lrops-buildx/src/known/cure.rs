//! What to do about a known failure.

use super::KnownFailure;
use crate::docker::BuilderPlace;

impl KnownFailure {
    /// Returns what to do, in the order in which to try it. Commands name the place where the failure happened.
    pub fn cures(self, place: &BuilderPlace) -> Vec<String> {
        let docker = Spelling(place).docker();
        let builder = Spelling(place).builder();
        let texts: Vec<String> = match self {
            Self::DockerMissing => vec![
                "install docker's command line (Debian: docker-cli or docker.io), or build without it: --engine embedded".into(),
            ],
            Self::BuildxMissing => vec![
                "install the plugin (Debian: docker-buildx; Docker's own packages: docker-buildx-plugin), then look: docker buildx version".into(),
            ],
            Self::BuildxTooOld => vec!["install a newer buildx: 0.10 or later, better 0.13 or later".into()],
            Self::ContextMissing => vec![
                "see which there are: docker context ls".into(),
                format!("define it: {}", Spelling(place).create_context()),
            ],
            Self::BuilderMissing => vec![
                format!("see which there are: {docker} buildx ls"),
                format!("create it: {}", Spelling(place).setup()),
            ],
            Self::DaemonUnreachable => vec![
                format!("see where docker connects to: {docker} info"),
                format!("see where the builder points to: {docker} buildx inspect{builder}"),
                format!("a builder on the wrong endpoint is made anew by: {}", Spelling(place).setup()),
            ],
            Self::DaemonForbidden => vec![
                "let this user into the group of the socket (usually: sudo usermod -aG docker USER, then log in again), or build without a daemon: --engine embedded".into(),
            ],
            Self::SshFailed => vec![
                format!("log in by hand once, to accept the host's key: ssh {} docker version", Spelling(place).host()),
                "load the key into an agent (ssh-add), since docker asks no passphrase".into(),
            ],
            Self::BuilderImageMissing => vec![
                format!("fetch it there by hand, to see why: {docker} pull moby/buildkit:buildx-stable-1"),
                format!("name another image: {} --driver-opt image=REGISTRY/IMAGE:TAG", Spelling(place).setup()),
                "or use the daemon's own builder, with the containerd image store".into(),
            ],
            Self::MultiPlatformUnsupported | Self::ExporterUnsupported => vec![
                format!("create a builder with the docker-container driver: {}", Spelling(place).setup()),
                "or switch the daemon to the containerd image store: \"features\": {\"containerd-snapshotter\": true} in its daemon.json".into(),
            ],
            Self::MissingManifestDigest => vec![
                "build all platforms at once and push one tag, as lrops does; make no tags such as app:1.2-arm64".into(),
                "remove the broken tag and push again: lrops image rm docker://NAME".into(),
            ],
            Self::CrossInstallWithGobin => vec![
                "use `go build -o /out/NAME PACKAGE` instead of `go install` in stages that cross-compile".into(),
            ],
            Self::EmulationMissing => vec![
                "give stages that run tools `FROM --platform=$BUILDPLATFORM`, and let them cross-compile".into(),
                "see which lines would be emulated: lrops plan".into(),
                format!("where emulation is really wanted: {docker} run --privileged --rm tonistiigi/binfmt --install all"),
            ],
            Self::DiskFull => vec![
                format!("see and free what the builder keeps: {docker} buildx du{flag}; {docker} buildx prune{flag}", flag = Spelling(place).builder_flag()),
                "see and free what lrops keeps: lrops cache du; lrops cache prune".into(),
            ],
            Self::Unauthorized => vec![
                "log in: lrops login REGISTRY (docker reads the same file)".into(),
                "see that the account may push to this repository, and that its token has not expired".into(),
            ],
            Self::NoActiveSession => vec![
                "try again; lrops does so by itself".into(),
                format!("if it stays: restart the builder: {docker} buildx stop{builder}, then {docker} buildx inspect{builder} --bootstrap"),
            ],
            Self::RegistryBusy => vec!["try again later, or ask for longer waits: --retry-wait 30".into()],
            Self::TimeOut | Self::Network => vec![
                "try again; raise --retries and --retry-wait for a line that is often cut".into(),
                "a push by lrops itself, without --deliver builder, does not send again what has arrived".into(),
            ],
        };
        texts
    }
}

/// Spells commands for a place.
struct Spelling<'a>(&'a BuilderPlace);

impl Spelling<'_> {
    fn docker(&self) -> String {
        match &self.0.context {
            Some(context) => format!("docker --context {context}"),
            None => "docker".to_owned(),
        }
    }

    /// The builder as an argument, with a space before it.
    fn builder(&self) -> String {
        self.0
            .builder
            .as_ref()
            .map(|name| format!(" {name}"))
            .unwrap_or_default()
    }

    /// The builder as a flag, with a space before it: some commands take none as an argument.
    fn builder_flag(&self) -> String {
        flag("--builder", self.0.builder.as_deref())
    }

    fn host(&self) -> &str {
        self.0.context.as_deref().unwrap_or("HOST")
    }

    fn create_context(&self) -> String {
        let host = self.host();
        format!("docker context create {host} --docker host=ssh://{host}")
    }

    fn setup(&self) -> String {
        let context = flag("--docker-context", self.0.context.as_deref());
        format!("lrops builder setup{context}{}", self.builder_flag())
    }
}

/// A flag and its value with a space before it, when there is one.
fn flag(name: &str, value: Option<&str>) -> String {
    value.map(|value| format!(" {name} {value}")).unwrap_or_default()
}
