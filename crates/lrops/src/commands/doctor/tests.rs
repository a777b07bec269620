//! Facts in, table out.

use expect_test::{Expect, expect};
use lrops_buildx::{BuilderFacts, BuilderPlace, BuildxVersion, DaemonFacts, KnownFailure, NodeFacts};
use lrops_model::platform::Platform;
use lrops_model::request::EmulationPolicy;
use lrops_remote::registry::Reception;
use lrops_sandbox::trial::{Attempt, Entry, Trial};
use lrops_sandbox::{Mapping, NamespaceCause, SingleReason};

use super::buildx::{self, FarmFacts, FarmWanted, Problem};
use super::disk::{self, Room, Sight, StoreFacts};
use super::embedded::{self, MachineFacts};
use super::emulation::Emulated;
use super::finding::Check;
use super::registries::{self, Greeting, Purpose};
use super::shown;
use crate::arguments::EngineName;
use crate::request::EngineChoice;

fn choice() -> EngineChoice {
    EngineChoice {
        engine: EngineName::Embedded,
        reason: "a test says so".to_owned(),
    }
}

/// Compares what a person sees, without colours.
#[track_caller]
fn check(checks: &[Check], expected: Expect) {
    let text = anstream::adapter::strip_str(&shown::text(&choice(), checks)).to_string();
    let (_, table) = text.split_once("found\n").unwrap();
    expected.assert_eq(table);
}

fn platforms(names: &[&str]) -> Vec<Platform> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn machine(entry: Entry) -> MachineFacts {
    MachineFacts {
        kernel: "6.12.1-amd64".to_owned(),
        trial: Ok(Trial {
            entry,
            overlay: Attempt::Works,
            emulation: Attempt::Works,
        }),
        switches: vec![("user.max_user_namespaces", "0".to_owned())],
        store: "/store".into(),
        emulated: Emulated {
            programs: Some(Vec::new()),
            policy: EmulationPolicy::Warn,
        },
    }
}

fn works() -> Attempt {
    Attempt::Works
}

#[test]
fn a_healthy_machine_needs_nothing() {
    let entry = Entry::Entered(Mapping::Subordinate {
        uids: 65537,
        gids: 65537,
    });
    check(
        &embedded::judge(&machine(entry)),
        expect![[r"
        "]],
    );
}

#[test]
fn forbidden_namespaces_are_broken_and_what_follows_is_not_tried() {
    let mut facts = machine(Entry::Refused {
        message: "this machine lets no ordinary user make a user namespace".to_owned(),
        cause: Some(NamespaceCause::Limit),
    });
    let trial = facts.trial.as_mut().unwrap();
    (trial.overlay, trial.emulation) = (Attempt::Untried, Attempt::Untried);
    facts.kernel = "5.4.0-generic".to_owned();
    check(&embedded::judge(&facts), expect![[r""]]);
}

#[test]
fn what_is_slower_or_less_is_a_warning() {
    let mut facts = machine(Entry::Entered(Mapping::Single {
        reason: SingleReason::NoTools,
    }));
    facts.trial.as_mut().unwrap().overlay = Attempt::Fails {
        message: "the disk is NFS, which no overlay can write to".to_owned(),
    };
    facts.emulated.programs = Some(vec![(
        Some("/usr/bin/qemu-aarch64-static".into()),
        "linux/arm64".parse().unwrap(),
    )]);
    check(&embedded::judge(&facts), expect![[r""]]);
}

#[test]
fn emulation_is_broken_only_where_it_is_needed_and_cannot_be() {
    let judge = |policy, program: Option<&str>, table: Attempt, kernel: &str| {
        let emulated = Emulated {
            programs: Some(vec![(program.map(Into::into), "linux/arm64".parse().unwrap())]),
            policy,
        };
        super::emulation::foreign_programs(&emulated, &table, kernel)
    };
    let fails = || Attempt::Fails {
        message: "No such device".to_owned(),
    };
    let program = Some("/usr/bin/qemu-aarch64-static");
    check(
        &[
            judge(EmulationPolicy::Deny, program, works(), "6.12"),
            judge(EmulationPolicy::Warn, None, works(), "6.12"),
            judge(EmulationPolicy::Allow, program, fails(), "6.1.0"),
            judge(EmulationPolicy::Allow, program, fails(), "6.12.0"),
            judge(EmulationPolicy::Allow, program, works(), "6.12.0"),
        ],
        expect![[r""]],
    );
}

#[test]
fn a_disk_is_judged_by_what_is_free() {
    let judge = |bytes_free: u64, files_free: u64, sight| {
        disk::judge(&StoreFacts {
            root: "/store".into(),
            sight,
            room: Ok(Room {
                bytes_free,
                bytes: 100 << 30,
                files_free,
                files: 1_000_000,
            }),
        })
    };
    let mut checks = judge(50 << 30, 900_000, Ok(Sight::There));
    checks.extend(judge(3 << 30, 100_000, Ok(Sight::WouldBeMade)));
    let file = "the store cannot be at /store: that is no directory".to_owned();
    checks.extend(judge(1 << 20, 12, Err(file)));
    check(&checks, expect![[r""]]);
}

#[test]
fn a_registry_that_refuses_is_broken_for_who_pushes() {
    let refused = Greeting::Refused {
        said: "unauthorized".to_owned(),
        advice: None,
    };
    let unreachable = Greeting::Unreachable {
        said: "the connection failed".to_owned(),
        advice: None,
    };
    let judge = |purpose, greeting: &Greeting| registries::judge("r.example", purpose, greeting);
    check(
        &[
            judge(Purpose::Publish, &Greeting::Received(Reception::Open)),
            judge(Purpose::Publish, &Greeting::Received(Reception::Accepted)),
            judge(Purpose::Publish, &Greeting::Received(Reception::Anonymous)),
            judge(Purpose::Name, &Greeting::Received(Reception::Anonymous)),
            judge(Purpose::Publish, &refused),
            judge(Purpose::Name, &refused),
            judge(Purpose::Mirror, &unreachable),
        ],
        expect![[r""]],
    );
}

/// A builder on another machine, which is as it should be.
fn farm() -> (FarmWanted, FarmFacts) {
    let wanted = FarmWanted {
        place: BuilderPlace {
            context: Some("gitlab".to_owned()),
            builder: Some("gitlab-multiarch".to_owned()),
        },
        host: Some("ssh://gitlab".to_owned()),
        platforms: platforms(&["linux/amd64", "linux/arm64"]),
        pushes: false,
        request: None,
    };
    let facts = FarmFacts {
        version: Ok(BuildxVersion { major: 0, minor: 13 }),
        endpoint: Ok("ssh://gitlab".to_owned()),
        daemon: Ok(DaemonFacts {
            version: "26.1.5".to_owned(),
            platform: Some("linux/amd64".parse().unwrap()),
            holds_platforms: false,
        }),
        builder: Ok(BuilderFacts {
            name: "gitlab-multiarch".to_owned(),
            driver: "docker-container".to_owned(),
            nodes: vec![NodeFacts {
                name: "gitlab-multiarch0".to_owned(),
                endpoint: "gitlab".to_owned(),
                status: "running".to_owned(),
                platforms: platforms(&["linux/amd64"]),
                ..NodeFacts::default()
            }],
        }),
        usage: Some("1.5GB".to_owned()),
        emulated: None,
    };
    (wanted, facts)
}

#[test]
fn a_healthy_builder_needs_nothing() {
    let (wanted, facts) = farm();
    check(&buildx::judge(&wanted, &facts), expect![[r""]]);
}

#[test]
fn a_builder_on_another_endpoint_is_broken() {
    let (mut wanted, mut facts) = farm();
    facts.builder.as_mut().unwrap().nodes[0].endpoint = "tcp://docker.example.com:2376".to_owned();
    facts.endpoint = Ok("ssh://old-gitlab".to_owned());
    facts.version = Ok(BuildxVersion { major: 0, minor: 11 });
    wanted.platforms.truncate(1);
    check(&buildx::judge(&wanted, &facts), expect![[r""]]);
}

#[test]
fn a_node_that_does_not_answer_is_broken() {
    let (wanted, mut facts) = farm();
    let node = &mut facts.builder.as_mut().unwrap().nodes[0];
    node.status.clear();
    node.error = Some("error during connect: ssh: Could not resolve hostname gitlab".to_owned());
    check(&buildx::judge(&wanted, &facts), expect![[r""]]);
}

#[test]
fn the_classic_image_store_holds_one_platform() {
    let (mut wanted, mut facts) = farm();
    wanted.place = BuilderPlace::default();
    wanted.host = None;
    let builder = facts.builder.as_mut().unwrap();
    (builder.name, builder.driver) = ("default".to_owned(), "docker".to_owned());
    builder.nodes[0].endpoint = "default".to_owned();
    check(&buildx::judge(&wanted, &facts), expect![[r""]]);
    wanted.pushes = true;
    wanted.platforms.truncate(1);
    let checks = buildx::judge(&wanted, &facts);
    assert!(
        checks.iter().all(|check| check.name != "image store"),
        "{checks:?}"
    );
}

#[test]
fn what_is_missing_is_said_once() {
    let (wanted, mut facts) = farm();
    let problem = |known| Problem {
        known: Some(known),
        said: "words".to_owned(),
    };
    let mut checks = Vec::new();
    for known in [KnownFailure::BuildxMissing, KnownFailure::DockerMissing] {
        facts.version = Err(problem(known));
        facts.builder = Err(problem(known));
        checks.extend(buildx::judge(&wanted, &facts));
    }
    check(&checks, expect![[r""]]);
}

#[test]
fn programs_read_json() {
    let checks = [
        Check::ok("kernel", "Linux 6.12"),
        registries::judge(
            "r.example",
            Purpose::Publish,
            &Greeting::Refused {
                said: "unauthorized".to_owned(),
                advice: None,
            },
        ),
    ];
    let text = serde_json::to_string_pretty(&shown::Document::of(&choice(), &checks)).unwrap();
    expect![[r""]].assert_eq(&text);
}
