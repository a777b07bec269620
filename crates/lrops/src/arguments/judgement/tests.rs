use clap::{CommandFactory, Parser};

use super::*;
use crate::arguments::{Command, CommandLine};

fn arguments(flags: &[&str]) -> BuildArguments {
    let line = ["lrops", "build"].iter().chain(flags).chain(&["."]);
    match CommandLine::try_parse_from(line).map(|line| line.command) {
        Ok(Command::Build(arguments)) => *arguments,
        Ok(other) => panic!("{other:?}"),
        Err(error) => panic!("{flags:?}: {error}"),
    }
}

/// Every flag of `docker buildx build`, hidden ones included, in a form that asks for something.
const BUILDX_FLAGS: &[&str] = &[
    "--add-host=a:1.2.3.4",
    "--allow=network.host",
    "--annotation=a=b",
    "--attest=type=sbom",
    "--build-arg=A=b",
    "--build-context=a=.",
    "--builder=x",
    "--cache-from=type=local,src=x",
    "--cache-to=type=local,dest=x",
    "--call=build",
    "--cgroup-parent=x",
    "--check",
    "--debug",
    "-D",
    "--file=Dockerfile",
    "-fDockerfile",
    "--iidfile=x",
    "--label=a=b",
    "--load",
    "--metadata-file=x",
    "--network=none",
    "--no-cache",
    "--no-cache-filter=a",
    "--output=out",
    "-oout",
    "--platform=linux/amd64",
    "--policy=filename=x",
    "--print=build",
    "--progress=plain",
    "--provenance=true",
    "--pull",
    "--push",
    "--quiet",
    "-q",
    "--resource=memory=2g",
    "--sbom=true",
    "--secret=id=a",
    "--shm-size=64m",
    "--ssh=default",
    "--tag=a",
    "-ta",
    "--target=a",
    "--ulimit=nofile=1",
    "--memory=1g",
    "-m1g",
    "--memory-swap=-1",
    "--cpu-shares=1",
    "-c1",
    "--cpu-period=1",
    "--cpu-quota=1",
    "--cpuset-cpus=0",
    "--cpuset-mems=0",
    "--compress",
    "--isolation=hyperv",
    "--security-opt=x",
    "--squash",
    "--rm",
    "--force-rm",
];

#[test]
fn every_flag_of_buildx_is_taken() {
    for flag in BUILDX_FLAGS {
        arguments(&[flag]);
    }
}

/// Flags that no row of the table judges must be read by the code that makes the request: these are the names there.
const WORKING: &[&str] = &[
    "--add-host",
    "--allow",
    "--annotation",
    "--build-arg",
    "--build-context",
    "--call",
    "--check",
    "--file",
    "-f",
    "--iidfile",
    "--label",
    "--metadata-file",
    "--network",
    "--no-cache",
    "--no-cache-filter",
    "--output",
    "-o",
    "--platform",
    "--print",
    "--progress",
    "--pull",
    "--push",
    "--quiet",
    "-q",
    "--secret",
    "--shm-size",
    "--tag",
    "-t",
    "--target",
];

#[test]
fn every_flag_of_buildx_works_or_says_why_not() {
    for flag in BUILDX_FLAGS {
        let name = if flag.starts_with("--") {
            flag.split('=').next().unwrap()
        } else {
            &flag[..2]
        };
        let judged = !judge(&arguments(&[flag]), EngineName::Embedded).is_empty();
        assert_ne!(judged, WORKING.contains(&name), "{flag}");
    }
}

#[test]
fn flags_that_ask_for_nothing_are_silent() {
    let silent = [
        "--provenance=false",
        "--sbom=false",
        "--attest=type=provenance,disabled=true",
        "--push=false",
        "--load=false",
        "--isolation=default",
        "--engine=embedded",
        "--compress=false",
    ];
    for flag in silent {
        assert_eq!(judge(&arguments(&[flag]), EngineName::Embedded), [], "{flag}");
    }
}

#[test]
fn what_lrops_cannot_do_yet_is_an_error() {
    let flags = [
        "--load",
        "--cache-to=type=inline",
        "--ssh=default",
        "--sbom",
        "--provenance=mode=max",
        "--attest=type=sbom",
        "--policy=filename=x",
        "--allow=device",
        "--detach",
    ];
    for flag in flags {
        let judgements = judge(&arguments(&[flag]), EngineName::Embedded);
        assert!(
            matches!(judgements[..], [Judgement::NotYet { .. }]),
            "{flag}: {judgements:?}"
        );
    }
}

#[test]
fn buildx_gets_what_the_embedded_engine_cannot_do() {
    let flags = [
        "--cache-to=type=inline",
        "--cache-from=type=inline",
        "--ssh=default",
        "--sbom",
        "--provenance=mode=max",
        "--attest=type=sbom",
        "--ulimit=nofile=1",
        "--cgroup-parent=x",
        "--allow=device",
        "--load",
        "--builder=x",
    ];
    for flag in flags {
        assert_eq!(judge(&arguments(&[flag]), EngineName::Buildx), [], "{flag}");
    }
}

#[test]
fn the_command_line_contradicts_itself_nowhere() {
    CommandLine::command().debug_assert();
}
