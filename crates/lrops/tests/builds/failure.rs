//! Builds that fail: what a person is told, and what stays.

use std::fs;
use std::path::Path;

use crate::laboratory::Laboratory;

#[test]
fn a_failing_command_shows_its_line_its_code_its_output_and_the_log() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile(
        "FROM busybox\n# why\nRUN echo some output; echo last words >&2; exit 42\nRUN echo never\n",
    );
    let mut arguments = Laboratory::build_arguments(&[]);
    arguments.retain(|argument| argument != "--progress=rawjson");
    let ended = laboratory.run(arguments).failed(1);
    let text = &ended.stderr;
    assert!(text.contains("exit code: 42"), "{text}");
    assert!(
        text.contains("RUN echo some output; echo last words >&2; exit 42"),
        "{text}"
    );
    assert!(text.contains("Dockerfile:3"), "{text}");
    assert!(text.contains("last words"), "{text}");
    assert!(!text.contains("#4 ") || !text.contains("never\n#"), "{text}");
    let log = text
        .split_whitespace()
        .find(|word| {
            Path::new(word)
                .extension()
                .is_some_and(|extension| extension == "log")
        })
        .expect("the log is named");
    assert_eq!(fs::read_to_string(log).unwrap(), "some output\nlast words\n");
    assert_eq!(ended.stdout, "", "there is no digest of a build that failed");
}

#[test]
fn a_failed_step_leaves_nothing_and_what_was_done_before_stays() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nRUN echo good >/good\nRUN echo half >/half; test -e /fixed\n");
    laboratory.build(&[]).failed(1);
    laboratory.dockerfile("FROM busybox\nRUN echo good >/good\nRUN test ! -e /half && echo whole >/whole\n");
    let again = laboratory.build(&[]).succeeded();
    assert_eq!(again.ran(), ["RUN test ! -e /half && echo whole >/whole"]);
}

#[test]
fn what_other_platforms_finished_stays_cached() {
    let laboratory = Laboratory::new();
    let text = |condition: &str| {
        format!(
            "FROM --platform=linux/amd64 busybox AS program\nARG TARGETARCH\nRUN test $TARGETARCH {condition} && echo $TARGETARCH >/program\n\
             FROM scratch\nCOPY --from=program /program /\n"
        )
    };
    laboratory.dockerfile(&text("= amd64"));
    let failed = laboratory
        .build(&["--platform", "linux/amd64,linux/arm64", "--jobs", "1"])
        .failed(1);
    assert!(
        failed
            .steps()
            .contains(&"RUN test amd64 = amd64 && echo amd64 >/program: done".to_owned()),
        "{:?}",
        failed.steps()
    );
    let amd64 = laboratory.build(&["--platform", "linux/amd64"]).succeeded();
    assert!(
        !amd64.ran().iter().any(|step| step.starts_with("RUN")),
        "{:?}",
        amd64.ran()
    );
}

#[test]
fn several_mistakes_of_a_dockerfile_are_told_at_once_each_with_its_place() {
    let laboratory = Laboratory::new();
    laboratory
        .dockerfile("FROM busybox\nCOPPY a b\nRUN --mount=type=cahce,target=/x true\nSTOPSIGNAL nope\n");
    let mut arguments = Laboratory::build_arguments(&[]);
    arguments.retain(|argument| argument != "--progress=rawjson");
    let text = laboratory.run(arguments).failed(1).stderr;
    assert!(text.contains("unknown instruction: COPPY"), "{text}");
    assert!(text.contains("did you mean COPY?"), "{text}");
    assert!(text.contains("Dockerfile:2"), "{text}");
}

#[test]
fn a_missing_source_is_named() {
    let laboratory = Laboratory::new();
    laboratory.dockerfile("FROM busybox\nCOPY nowhere /\n");
    let text = laboratory.build(&[]).failed(1).stderr;
    assert!(
        text.contains("\\\"/nowhere\\\": not found") || text.contains("\"/nowhere\": not found"),
        "{text}"
    );
}

#[test]
fn what_comes_later_is_refused_at_its_place() {
    for (line, what) in [
        ("ADD https://example.com/x /", "ADD of a URL"),
        ("RUN --mount=type=ssh true", "type=ssh"),
        ("COPY --parents a /", "--parents"),
        ("ADD https://example.com/x.git /", "git"),
    ] {
        let laboratory = Laboratory::new();
        laboratory.dockerfile(&format!("FROM busybox\n{line}\n"));
        let text = laboratory.build(&[]).failed(1).stderr;
        assert!(
            text.contains(what) && text.contains("not supported yet"),
            "{line}: {text}"
        );
    }
}
