//! What is done again, and what is not.

use std::fs;

use crate::laboratory::Laboratory;

const TWO_STAGES: &str = "FROM busybox AS tools\nCOPY source /source\nRUN tr a-z A-Z </source >/made\n\
                          FROM busybox\nCOPY --from=tools /made /made\nRUN cat /made >/copy\n";

#[test]
fn a_second_build_runs_nothing_and_gives_the_same_image() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(TWO_STAGES).file("source", "text");
    let first = laboratory.digest(&[]);
    let second = laboratory.build(&[]).succeeded();
    assert_eq!(second.ran(), [""; 0]);
    assert_eq!(second.stdout.trim(), first);
}

#[test]
fn a_changed_file_runs_only_what_depends_on_it() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(
        "FROM busybox AS one\nCOPY a /a\nRUN cat /a\nFROM busybox\nCOPY b /b\nCOPY --from=one /a /a\n",
    );
    laboratory.file("a", "1").file("b", "1").build(&[]).succeeded();
    laboratory.file("b", "2");
    assert_eq!(
        laboratory.build(&[]).succeeded().ran(),
        ["COPY --from=one /a /a", "COPY b /b"]
    );
}

#[test]
fn a_source_that_was_built_again_with_the_same_result_stops_there() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile(TWO_STAGES)
        .file("source", "text")
        .build(&[])
        .succeeded();
    laboratory.file("source", "TEXT");
    let again = laboratory.build(&[]).succeeded();
    assert_eq!(
        again.ran(),
        ["COPY source /source", "RUN tr a-z A-Z </source >/made"]
    );
}

#[test]
fn times_and_files_that_no_line_reads_change_nothing() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile(TWO_STAGES)
        .file("source", "text")
        .build(&[])
        .succeeded();
    laboratory.file("unused", "new");
    let source = fs::File::options()
        .write(true)
        .open(laboratory.context().join("source"))
        .unwrap();
    source
        .set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(1000))
        .unwrap();
    assert_eq!(laboratory.build(&[]).succeeded().ran(), [""; 0]);
}

#[test]
fn a_stage_that_reads_nothing_of_the_platform_runs_once_for_all() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(
        "FROM --platform=linux/amd64 busybox AS page\nRUN echo page >/page\n\
         FROM --platform=linux/amd64 busybox AS program\nARG TARGETARCH\nRUN echo $TARGETARCH >/program\n\
         FROM scratch\nCOPY --from=page /page /page\nCOPY --from=program /program /program\n",
    );
    let built = laboratory
        .build(&["--platform", "linux/amd64,linux/arm64,linux/arm/v7"])
        .succeeded();
    let ran = built.ran();
    let times = |what: &str| ran.iter().filter(|step| step.starts_with(what)).count();
    assert_eq!(times("RUN echo page"), 1, "{ran:?}");
    assert_eq!(times("COPY --from=page"), 1, "{ran:?}");
    assert_eq!(
        times("RUN echo amd64") + times("RUN echo arm64") + times("RUN echo arm "),
        3,
        "{ran:?}"
    );
}

#[test]
fn without_cache_everything_runs_and_what_comes_after_sees_the_new_result() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(
        "FROM busybox AS one\nRUN cat /proc/uptime >/now\nFROM busybox\nCOPY --from=one /now /now\n",
    );
    let first = laboratory.digest(&[]);
    let again = laboratory.build(&["--no-cache"]).succeeded();
    assert_eq!(
        again.ran(),
        ["COPY --from=one /now /now", "RUN cat /proc/uptime >/now"]
    );
    assert_ne!(again.stdout.trim(), first);
    assert_eq!(
        laboratory.digest(&[]),
        again.stdout.trim(),
        "the last result is the one that is used again"
    );
}

#[test]
fn a_new_argument_runs_only_what_sees_it() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN echo before\nARG VERSION\nRUN echo $VERSION >/version\n");
    laboratory.build(&["--build-arg", "VERSION=1"]).succeeded();
    let again = laboratory.build(&["--build-arg", "VERSION=2"]).succeeded();
    assert_eq!(again.ran(), ["RUN echo 2 >/version"]);
}

#[test]
fn two_builds_at_the_same_time_do_the_same_step_once() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN --mount=type=cache,target=/c echo once >>/c/log; sleep 1\n");
    let start = || laboratory.command(Laboratory::build_arguments(&[])).output();
    std::thread::scope(|scope| {
        let builds = [scope.spawn(start), scope.spawn(start)];
        for build in builds {
            crate::laboratory::Ended::of(build.join().unwrap().unwrap()).succeeded();
        }
    });
    laboratory.dockerfile("FROM busybox\nRUN --mount=type=cache,target=/c cp /c/log /log\n");
    let files = laboratory.files(&[]);
    assert_eq!(fs::read_to_string(files.join("log")).unwrap(), "once\n");
}

#[test]
fn the_context_is_seen_through_its_ignore_file() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM scratch\nCOPY . /all\n")
        .file("kept", "")
        .file("left/out", "")
        .file("left/in", "");
    laboratory.file(".dockerignore", "left\n!left/in\nDockerfile\n.dockerignore\n");
    let files = laboratory.files(&[]).join("all");
    let mut names: Vec<_> = fs::read_dir(&files)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["kept", "left"]);
    assert!(files.join("left/in").exists() && !files.join("left/out").exists());
    // What is left out can change without anything being done again.
    laboratory.file("left/out", "changed");
    assert_eq!(laboratory.build(&[]).succeeded().ran(), [""; 0]);
}
