//! What becomes of every flag of `lrops build` where buildx carries it out.

use std::fs;

use clap::{CommandFactory, Parser};
use lrops_buildx::NodeFacts;

use super::*;
use crate::arguments::{Command, CommandLine as Typed};
use crate::environment::Environment;
use crate::report;
use crate::request::resolve;

/// What becomes of a flag.
enum Fate {
    /// buildx gets it, in these words.
    Handed(&'static str),
    /// buildx is not told: lrops does it, before or afterwards.
    ByLrops,
    /// It means nothing, and this is said.
    Said(&'static str),
    /// It is refused, with these words.
    Refused(&'static str),
}

use Fate::{ByLrops, Handed, Refused, Said};

const NO_CGROUP: &str = "lrops puts commands into no cgroup";

/// Every flag, in a form that asks for something.
const FATES: &[(&str, Fate)] = &[
    ("--file=other/Dockerfile", Handed("-f other/Dockerfile")),
    ("--tag=registry.example/a:1", Handed("--tag registry.example/a:1")),
    ("--platform=linux/arm64", Handed("--platform linux/arm64")),
    ("--target=second", Handed("--target second")),
    ("--build-arg=A=b", Handed("--build-arg A=b")),
    ("--build-arg=TOKEN", Handed("--build-arg TOKEN ")),
    ("--build-context=x=other", Handed("--build-context x=other")),
    (
        "--build-context=x=docker-image://registry.example/x:1",
        Handed("--build-context x=docker-image://registry.example/x:1"),
    ),
    ("--build-context=x=oci-layout://layout:1", Handed("/layout:1")),
    ("--label=a=b", Handed("--label a=b")),
    ("--annotation=a=b", Handed("--annotation index,manifest:a=b")),
    ("--annotation=index:a=b", Handed("--annotation index:a=b")),
    (
        "--annotation=manifest[linux/arm64],manifest-descriptor:a=b",
        Handed("--annotation 'manifest[linux/arm64],manifest-descriptor:a=b'"),
    ),
    (
        "--annotation=index-descriptor:a=b",
        Refused("annotate the index itself, with index:NAME=VALUE"),
    ),
    (
        "--secret=id=token,env=TOKEN",
        Handed("--secret id=token,env=TOKEN"),
    ),
    ("--ssh=default", Handed("--ssh default")),
    ("--output=type=oci,dest=image.tar", ByLrops),
    ("--output=out", ByLrops),
    (
        "--output=type=registry,compression=zstd,compression-level=9,force-compression=true,name=r.example/a:1",
        Handed(",compression-level=9,force-compression=true,compression=zstd"),
    ),
    ("--output=type=docker,dest=image.tar", ByLrops),
    (
        "--output=type=docker,dest=-",
        Refused("--output=type=docker,dest=-"),
    ),
    // The desk is no git checkout: what git's version decides is tried with whole builds.
    ("--repository=r.example/a", Refused("is called by git's version")),
    ("--build-time=now", Said("--build-time means nothing here")),
    (
        "--latest",
        Refused("no name of the image comes from git's version"),
    ),
    ("--no-latest", ByLrops),
    ("--no-push", ByLrops),
    ("--allow-dirty", Said("--allow-dirty means nothing here")),
    ("--load", ByLrops),
    ("--push", ByLrops),
    ("--iidfile=id", ByLrops),
    ("--metadata-file=metadata.json", ByLrops),
    ("--quiet", ByLrops),
    ("--progress=plain", ByLrops),
    ("--check", ByLrops),
    ("--call=outline", ByLrops),
    ("--no-cache", Handed("--no-cache")),
    ("--no-cache-filter=second", Handed("--no-cache-filter second")),
    ("--pull", Handed("--pull")),
    (
        "--cache-from=type=local,src=x",
        Handed("--cache-from type=local,src=x"),
    ),
    (
        "--cache-to=type=local,dest=x",
        Handed("--cache-to type=local,dest=x"),
    ),
    ("--network=none", Handed("--network none")),
    ("--network=host", Handed("--network host")),
    ("--add-host=h:1.2.3.4", Handed("--add-host h:1.2.3.4")),
    ("--allow=network.host", Handed("--allow network.host")),
    ("--allow=security.insecure", Handed("--allow security.insecure")),
    ("--allow=device=x", Handed("--allow device=x")),
    ("--shm-size=64m", Handed("--shm-size 67108864")),
    ("--host-ca=off", ByLrops),
    ("--emulation=allow", ByLrops),
    ("--qemu=/usr/bin", Said("--qemu means nothing here")),
    ("--jobs=3", Said("--jobs means nothing here")),
    ("--engine=buildx", ByLrops),
    (
        "--timestamps=1700000000",
        Handed("--build-arg SOURCE_DATE_EPOCH=1700000000"),
    ),
    ("--timestamps=1700000000", Handed(",rewrite-timestamp=true")),
    ("--timestamps=keep", ByLrops),
    ("--compression=none", Handed(",compression=uncompressed")),
    ("--attest=type=sbom", Handed("--attest type=sbom")),
    ("--sbom=true", Handed("--sbom true")),
    ("--provenance=true", Handed("--provenance true")),
    ("--deliver=store", ByLrops),
    ("--builder=other", Handed("buildx build --builder other")),
    (
        "--docker-context=other",
        Handed("docker --context other buildx build"),
    ),
    ("--force", ByLrops),
    ("--chunk-size=1m", ByLrops),
    ("--parallel=2", ByLrops),
    ("--registry-ca=ca.pem", ByLrops),
    ("--insecure-registry=h.example", ByLrops),
    ("--retries=1", ByLrops),
    ("--retry-wait=1", ByLrops),
    ("--store=store", ByLrops),
    ("--config=lrops.toml", ByLrops),
    ("--debug", Said("--debug means nothing here")),
    ("--cgroup-parent=x", Handed("--cgroup-parent x")),
    ("--ulimit=nofile=1", Handed("--ulimit nofile=1")),
    ("--resource=memory=2g", Handed("--resource memory=2g")),
    ("--policy=filename=x", Handed("--policy filename=x")),
    ("--memory=1g", Said(NO_CGROUP)),
    ("--memory-swap=-1", Said(NO_CGROUP)),
    ("--cpu-shares=1", Said(NO_CGROUP)),
    ("--cpu-period=1", Said(NO_CGROUP)),
    ("--cpu-quota=1", Said(NO_CGROUP)),
    ("--cpuset-cpus=0", Said(NO_CGROUP)),
    ("--cpuset-mems=0", Said(NO_CGROUP)),
    ("--compress", Said("--compress means nothing here")),
    ("--isolation=hyperv", Said("--isolation means nothing here")),
    ("--security-opt=x", Said("--security-opt means nothing here")),
    ("--squash", Said("--squash means nothing here")),
    ("--rm", Said("--rm means nothing here")),
    ("--force-rm", Said("--force-rm means nothing here")),
    (
        "--disable-content-trust",
        Said("--disable-content-trust means nothing here"),
    ),
    ("--server-config=x", Refused("--server-config")),
    ("--detach", Refused("--detach")),
    (
        "--architectures=amd64,arm64",
        Handed("--platform linux/amd64,linux/arm64 "),
    ),
    ("--multiarch", Handed("--platform linux/amd64,linux/arm64 ")),
    ("--dry-run", ByLrops),
];

/// A project, and what its builds come to.
struct Desk(tempfile::TempDir);

/// What a build comes to: the command, the notices, or why it is refused.
type Outcome = Result<(String, Vec<String>), String>;

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let text = "FROM scratch AS first\nFROM first AS second\nFROM scratch\n";
        for directory in ["", "other"] {
            let directory = desk.0.path().join(directory);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("Dockerfile"), text).unwrap();
        }
        fs::write(desk.0.path().join("lrops.toml"), "").unwrap();
        lrops_store::layout::Layout::open_or_create(desk.0.path().join("layout")).unwrap();
        desk
    }

    fn outcome(&self, flags: &[&str]) -> Outcome {
        let place = self.0.path();
        let usual = ["lrops", "build", "--engine=buildx", "--tag=r.example/a:1"];
        // A flag that cannot be given twice is given as the test has it.
        let line = usual
            .iter()
            .filter(|usual| **usual != "--engine=buildx" || !flags.contains(usual));
        let line = Typed::try_parse_from(line.chain(flags).chain(&["."])).unwrap();
        let Command::Build(mut arguments) = line.command else {
            panic!("{flags:?}")
        };
        if arguments.platform.is_empty()
            && arguments.older.architectures.is_empty()
            && !arguments.older.multiarch
        {
            arguments.platform = ["linux/amd64", "linux/arm64", "linux/arm/v7"]
                .map(str::to_owned)
                .to_vec();
        }
        let home = place.display().to_string();
        let environment = Environment::for_test(place, &[("HOME", &home), ("TOKEN", "s3cret")]);
        let failed = |failure: Failure| report::failure(&failure);
        let intent = resolve(&arguments, &environment).map_err(failed)?;
        let builder = BuilderFacts {
            driver: "docker-container".into(),
            nodes: vec![NodeFacts::default()],
            ..BuilderFacts::default()
        };
        let delivery = delivery(&intent, &builder);
        let exchange = |_: &ExchangeName| Ok(PathBuf::from("/exchange"));
        let farm = Farm {
            directory: &environment.directory,
            docker: Docker::new(intent.builder.clone(), intent.request.cancel.clone()),
            version: BuildxVersion::CALL,
            shares: Share::all(&intent.request, &builder, &delivery, &exchange).map_err(failed)?,
            bases: BTreeMap::new(),
            passed_on: intent
                .farm
                .passed_on(&intent.request, false, |note| panic!("{note}")),
            delivery,
            exchange: "/exchange".into(),
            numbers: AtomicU32::new(0),
            retry_waits: Vec::new(),
            intent: &intent,
        };
        let [command] = &farm.commands().unwrap()[..] else {
            panic!("{flags:?}")
        };
        Ok((command.to_string(), intent.notices.clone()))
    }
}

#[test]
fn every_flag_is_handed_over_done_or_answered() {
    let desk = Desk::new();
    let (plain, notices) = desk.outcome(&[]).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    let mut wrong = Vec::new();
    for (flag, fate) in FATES {
        let outcome = desk.outcome(&[flag]);
        let is_so = match (fate, &outcome) {
            (Handed(words), Ok((command, _))) => command.contains(words) && !plain.contains(words),
            (ByLrops, Ok((command, notices))) => *command == plain && notices.is_empty(),
            (Said(words), Ok((command, notices))) => {
                *command == plain && notices.iter().any(|notice| notice.contains(words))
            }
            (Refused(words), Err(said)) => said.contains(words),
            _ => false,
        };
        if !is_so {
            wrong.push(format!("{flag}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nwithout: {plain}", wrong.join("\n"));
}

#[test]
fn the_table_has_every_flag() {
    let definitions = Typed::command();
    let build = definitions.find_subcommand("build").unwrap();
    for argument in build.get_arguments().filter_map(clap::Arg::get_long) {
        let has = |(flag, _): &&(&str, Fate)| {
            let name = flag.trim_start_matches("--").split('=').next();
            name == Some(argument)
        };
        // Flags of every command of lrops.
        let is_general = ["help", "version"].contains(&argument);
        assert!(is_general || FATES.iter().any(|row| has(&row)), "--{argument}");
    }
}

#[test]
fn what_the_builder_pushes_by_digest_goes_to_every_repository() {
    let desk = Desk::new();
    let flags = ["--deliver=builder", "--push", "--tag=r.example/b:2"];
    let (command, _) = desk.outcome(&flags).unwrap();
    let output = "--output 'type=image,\"name=r.example/a,r.example/b\",push-by-digest=true";
    assert!(command.contains(output), "{command}");
    assert!(!command.contains("--tag"), "no tag moves: {command}");
}

#[test]
fn the_builder_of_the_configuration_belongs_to_its_context() {
    let desk = Desk::new();
    let text = "[buildx]\ncontext = \"gitlab\"\nbuilder = \"gitlab-multiarch\"\n";
    fs::write(desk.0.path().join("lrops.toml"), text).unwrap();
    for (flags, expected) in [
        (
            &[][..],
            "docker --context gitlab buildx build --builder gitlab-multiarch ",
        ),
        (
            &["--docker-context=other"],
            "docker --context other buildx build --platform",
        ),
        (
            &["--docker-context=other", "--builder=mine"],
            "docker --context other buildx build --builder mine ",
        ),
        (
            &["--builder=mine"],
            "docker --context gitlab buildx build --builder mine ",
        ),
    ] {
        let (command, _) = desk.outcome(flags).unwrap();
        assert!(command.starts_with(expected), "{flags:?}: {command}");
    }
}
