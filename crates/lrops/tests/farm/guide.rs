//! `docs/guide.md`: every command of it is tried, in its order, on a machine set up as the guide's reader would, and every
//! failure that lrops knows has its section.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lrops_buildx::KnownFailure;
use lrops_testkit::debian_registry::DebianRegistry;
use lrops_testkit::docker::{DockerClient, SshServer};

use crate::workshop::{Workshop, daemon};

const GUIDE: &str = include_str!("../../../../docs/guide.md");

/// The guide's registry; a reader puts in the name of an own one, and so does the test.
const REGISTRY: &str = "registry.example.com";

/// The guide's builder. It cannot be started without Docker Hub, so whatever builds is sent to the daemon's own.
const BUILDER: &str = "gitlab-multiarch";
const OWN_BUILDER: &str = "gitlab";

/// A project of three stages whose compilers are `COPY`, so that it needs no network.
const DOCKERFILE: &str = "\
FROM --platform=$BUILDPLATFORM scratch AS ui
COPY ui /dist/

FROM --platform=$BUILDPLATFORM scratch AS build
ARG TARGETARCH
ARG TARGETVARIANT
COPY server/app-$TARGETARCH$TARGETVARIANT /out/app
COPY --from=ui /dist/ /out/webui/

FROM scratch
COPY --from=build /out/ /usr/local/lib/app/
ENTRYPOINT [\"/usr/local/lib/app/app\"]
";

/// The reader has the project in git, and its origin elsewhere.
const PROJECT: [&str; 5] = [
    "git init --quiet --initial-branch=main",
    "git add .",
    "git commit --quiet --message 'begin'",
    "git init --quiet --bare ../origin.git",
    "git remote add origin ../origin.git",
];

/// A command of the guide that cannot be run as it stands.
struct Exception {
    command: &'static str,
    reason: &'static str,
    instead: Instead,
}

/// How it is tried instead.
enum Instead {
    /// This is run.
    Run(&'static str),
    /// It is, word for word, a line that this prints.
    PrintedBy(&'static str),
    /// This program's help knows each of its flags.
    Help(&'static str),
}

const DOCKER_HUB: &str = "it pulls an image from Docker Hub";
const SYSTEM: &str = "it changes the machine that the test runs on";

const EXCEPTIONS: &[Exception] = &[
    Exception {
        command: "sudo usermod --append --groups docker \"$USER\"",
        reason: SYSTEM,
        instead: Instead::Help("usermod --help"),
    },
    Exception {
        command: "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\"",
        reason: SYSTEM,
        instead: Instead::Help("usermod --help"),
    },
    Exception {
        command: "docker --context gitlab run --privileged --rm tonistiigi/binfmt --install all",
        reason: DOCKER_HUB,
        instead: Instead::PrintedBy(
            "lrops builder setup --docker-context gitlab --builder emulating --dry-run emulating",
        ),
    },
    Exception {
        command: "ssh-keygen -t ed25519 -f ~/.ssh/gitlab",
        reason: "it asks for a passphrase",
        instead: Instead::Run("ssh-keygen -t ed25519 -f ~/.ssh/gitlab -N ''"),
    },
    Exception {
        command: "ssh-copy-id -i ~/.ssh/gitlab.pub gitlab",
        reason: SYSTEM,
        instead: Instead::Run("ssh-copy-id -n -i ~/.ssh/gitlab.pub gitlab"),
    },
    Exception {
        command: "docker --context gitlab buildx inspect --bootstrap gitlab-multiarch",
        reason: DOCKER_HUB,
        instead: Instead::PrintedBy(
            "lrops builder setup --docker-context gitlab --builder gitlab-multiarch --dry-run",
        ),
    },
    Exception {
        command: "lrops builder setup --docker-context gitlab --host ssh://gitlab --builder gitlab-multiarch",
        reason: DOCKER_HUB,
        instead: Instead::Run(
            "lrops builder setup --docker-context gitlab --host ssh://gitlab --builder gitlab-multiarch --no-bootstrap",
        ),
    },
];

#[test]
fn every_command_of_the_guide_works() {
    let daemon = daemon();
    let server = SshServer::start(&daemon.host());
    let client = DockerClient::new();
    server.introduce(&client, "gitlab");
    let reader = Reader::new(&client);
    let mut unused: BTreeSet<&str> = EXCEPTIONS.iter().map(|exception| exception.command).collect();
    let mut tried = BTreeSet::new();
    for block in blocks(GUIDE) {
        match block.language {
            "sh" => {
                for command in commands(&block.text) {
                    let exception = EXCEPTIONS.iter().find(|exception| exception.command == command);
                    match exception {
                        None => drop(reader.tries(&command)),
                        Some(exception) => {
                            unused.remove(exception.command);
                            reader.tries_instead(exception);
                        }
                    }
                }
            }
            "toml" => reader.configures(&block.text),
            "text" if block.text.starts_with("Host ") => reader.connects(&block.text),
            "text" if block.text.starts_with("docker buildx is asked") => reader.is_told(&block.text),
            "dockerfile" => reader.plans(&block.text),
            "text" | "json" => continue,
            other => panic!("nobody tries what is in blocks of {other:?}"),
        }
        tried.insert(block.language);
    }
    assert_eq!(tried, BTreeSet::from(["dockerfile", "sh", "text", "toml"]));
    assert_eq!(
        unused,
        BTreeSet::new(),
        "these are no commands of the guide any more"
    );
}

/// Who follows the guide.
struct Reader<'a> {
    workshop: Workshop<'a>,
    registry: DebianRegistry,
}

impl<'a> Reader<'a> {
    fn new(client: &'a DockerClient) -> Self {
        let workshop = Workshop::new(client);
        fs::copy(env!("CARGO_BIN_EXE_lrops"), client.first().join("lrops")).unwrap();
        let project = &workshop.laboratory;
        project.file("Dockerfile.crosscompile", DOCKERFILE);
        project.file("ui/index.html", "<p>hello</p>\n");
        for platform in ["amd64", "arm64", "armv7"] {
            project.file(&format!("server/app-{platform}"), "what Go would write\n");
        }
        project.file("token", "secret\n");
        project.file(
            "emulating/Dockerfile",
            "FROM scratch\nCOPY app /app\nRUN [\"/app\"]\n",
        );
        project.file("emulating/lrops.toml", "[build]\nplatforms = [\"linux/arm64\"]\n");
        fs::create_dir_all(project.path(".ssh")).unwrap();
        let identity = "[user]\nname = A Person\nemail = person@example.com\n";
        fs::write(project.path(".gitconfig"), identity).unwrap();
        let reader = Self {
            workshop,
            registry: DebianRegistry::start(),
        };
        for command in PROJECT {
            reader.tries(command);
        }
        reader
    }

    /// Runs a command where the reader would, and returns what it printed.
    #[track_caller]
    fn tries(&self, command: &str) -> String {
        let mut line = command.replace(REGISTRY, &self.registry.name());
        if line.starts_with("docker ") {
            line = line.replace(
                &format!("--builder {BUILDER}"),
                &format!("--builder {OWN_BUILDER}"),
            );
        }
        let ended = self.workshop.paste(&line);
        assert_eq!(
            ended.code,
            Some(0),
            "`{command}` fails:\n{}\n{}",
            ended.stdout,
            ended.stderr
        );
        ended.stdout
    }

    #[track_caller]
    fn tries_instead(&self, exception: &Exception) {
        let Exception { command, reason, .. } = exception;
        match exception.instead {
            Instead::Run(other) => drop(self.tries(other)),
            Instead::PrintedBy(other) => {
                let printed = self.tries(other);
                assert!(
                    printed.lines().any(|line| line == *command),
                    "`{command}` is not run, because {reason}; `{other}` does not print it either:\n{printed}"
                );
            }
            Instead::Help(help) => {
                let known = self.tries(help);
                for flag in command.split(' ').filter(|word| word.starts_with('-')) {
                    assert!(
                        known.contains(flag),
                        "`{command}` is not run, because {reason}; `{help}` does not know {flag}:\n{known}"
                    );
                }
            }
        }
    }

    /// Takes over what the guide says of connections to the server; where it is, and who logs in, differ in a test.
    fn connects(&self, text: &str) {
        let path = self.workshop.client.first().join("ssh_config");
        let own = fs::read_to_string(&path).unwrap();
        let keyword = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let known: BTreeSet<_> = own.lines().filter_map(keyword).collect();
        let new = text
            .lines()
            .filter(|line| keyword(line).is_some_and(|keyword| !known.contains(&keyword)));
        // ssh knows its user's home from the system, and not from the environment.
        let home = self.workshop.laboratory.path("").display().to_string();
        let lines: Vec<String> = new.map(|line| line.replace("~/", &home)).collect();
        assert!(!lines.is_empty(), "nothing of {text} is new");
        fs::write(path, format!("{own}{}\n", lines.join("\n"))).unwrap();
    }

    /// The plan ends as the guide shows it, but for the store's place.
    #[track_caller]
    fn is_told(&self, text: &str) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let plan = self.tries(&format!("lrops plan --tag {REGISTRY}/team/app:1.2.3 ."));
        let shown = words(text)
            .replace(REGISTRY, &self.registry.name())
            .replace(BUILDER, OWN_BUILDER)
            .replace(
                "/home/you/.cache/lrops",
                &self.workshop.laboratory.store().display().to_string(),
            );
        assert!(
            words(&plan).ends_with(&shown),
            "{shown}\nis not the end of\n{plan}"
        );
    }

    /// Writes `lrops.toml`.
    fn configures(&self, text: &str) {
        let text = text.replace(
            &format!("builder = \"{BUILDER}\""),
            &format!("builder = \"{OWN_BUILDER}\""),
        );
        let text = text.replace(REGISTRY, &self.registry.name());
        self.workshop.laboratory.file("lrops.toml", text);
    }

    /// The guide's Dockerfile emulates nothing. Its images are not looked at.
    #[track_caller]
    fn plans(&self, text: &str) {
        self.workshop.laboratory.file("guide.Dockerfile", text);
        let plan =
            self.tries("lrops plan -f guide.Dockerfile --platform linux/amd64,linux/arm64,linux/arm/v7 .");
        assert!(plan.contains("nothing is emulated"), "{plan}");
    }
}

#[test]
fn every_known_failure_has_a_section_with_a_text_that_it_is_recognised_by() {
    for failure in KnownFailure::ALL {
        let name = failure.name();
        let section = section(name);
        let symptoms: Vec<Block<'_>> = blocks(section)
            .into_iter()
            .filter(|block| block.language == "text")
            .collect();
        assert!(!symptoms.is_empty(), "{name} has no symptom");
        for symptom in symptoms {
            // That a program is missing is told by the kernel, not by a text.
            let recognised = KnownFailure::recognise(&symptom.text).or(Some(KnownFailure::DockerMissing));
            assert_eq!(recognised, Some(failure), "{}", symptom.text);
        }
        for part in ["**Cause.**", "**Cure.**"] {
            assert!(section.contains(part), "{name} has no {part}");
        }
    }
}

#[test]
fn every_heading_that_doctor_refers_to_is_there() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands/doctor");
    let mut headings = BTreeSet::new();
    for source in fs::read_dir(sources).unwrap() {
        let path = source.unwrap().path();
        if path.is_file() {
            let text = fs::read_to_string(path).unwrap();
            for after in text.split("Remedy::new(").skip(1) {
                let heading = after
                    .trim_start()
                    .strip_prefix('"')
                    .and_then(|rest| rest.split('"').next());
                headings.extend(heading.map(str::to_owned));
            }
        }
    }
    for known in [
        "kernel",
        "overlay",
        "request",
        "store",
        "subordinate-ids",
        "user-namespaces",
    ] {
        assert!(
            headings.contains(known),
            "{known} is not found in doctor's sources"
        );
    }
    for heading in headings {
        section(&heading);
    }
}

/// Returns the guide's section of a heading.
#[track_caller]
fn section(heading: &str) -> &'static str {
    let title = format!("\n### {heading}\n");
    let Some((_, after)) = GUIDE.split_once(&title) else {
        panic!("docs/guide.md has no heading {heading:?}");
    };
    after
        .split("\n## ")
        .next()
        .unwrap()
        .split("\n### ")
        .next()
        .unwrap()
}

/// A block of code.
struct Block<'a> {
    language: &'a str,
    text: String,
}

/// Returns the blocks of code, in their order. Those in lists are indented.
fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        let lines: Vec<&str> = inside
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        let text = lines.join("\n");
        blocks.push(Block { language, text });
    }
    blocks
}

/// Returns the commands of a block: without comments, and with continued lines as one.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let without_comments = joined
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default());
    let words = without_comments.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}
