use expect_test::{Expect, expect};
use lrops_model::cancel::Cancelled;
use lrops_model::engine::StepFailure;
use lrops_model::finding::Place;

use super::*;

const DOCKERFILE: &str = "FROM alpine AS build\nWORKDIR /src\nRUN go build \\\n    ./cmd/server\nCOPPY a b\n";

fn place(text: &str) -> Place {
    let start = DOCKERFILE.find(text).unwrap();
    let line = u32::try_from(DOCKERFILE[..start].matches('\n').count() + 1).unwrap();
    Place {
        span: start..start + text.len(),
        line,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
#[track_caller]
fn check(shown: Failure, expected: Expect) {
    expected.assert_eq(&anstream::adapter::strip_str(&failure(&shown)).to_string());
}

fn dockerfile_error(findings: Vec<Finding>) -> Failure {
    Failure::Build(BuildError::Dockerfile {
        name: "Dockerfile".into(),
        text: DOCKERFILE.into(),
        findings,
    })
}

#[test]
fn mistakes_in_a_dockerfile_are_marked_with_advice() {
    let (_, mut found) = Dockerfile::parse(DOCKERFILE);
    let other = Finding::error("NoTarget", "there is no stage \"x\"");
    found.push(other);
    check(
        dockerfile_error(found),
        expect![[r#"
            error[UnknownInstruction]: dockerfile parse error on line 5: unknown instruction: COPPY (did you mean COPY?)
             --> Dockerfile:5:1
              |
            5 | COPPY a b
              | ^^^^^

            error[NoTarget]: there is no stage "x""#]],
    );
}

#[test]
fn a_place_outside_the_text_is_no_reason_to_fail() {
    let finding = Finding::error("Odd", "odd").at(Place {
        span: 5000..6000,
        line: 1,
    });
    assert!(failure(&dockerfile_error(vec![finding])).contains("odd"));
}

#[test]
fn a_failed_command_shows_its_line_the_end_of_its_output_and_its_log() {
    let label = StepLabel {
        stage: "build".into(),
        position: 3,
        total: 3,
        instruction: "RUN go build ./cmd/server".into(),
        place: Some(place("RUN go build \\\n    ./cmd/server")),
        platforms: vec!["linux/arm64".parse().unwrap()],
        ..StepLabel::default()
    };
    let step = StepError {
        label,
        dockerfile: Some(("Dockerfile".into(), DOCKERFILE.into())),
        cause: StepFailure::Exit {
            command: "/bin/sh -c go build ./cmd/server".into(),
            code: 127,
        },
        output_tail: vec!["/bin/sh: go: not found".into()],
        log: Some("/store/builds/1/5.log".into()),
    };
    check(
        Failure::Build(BuildError::Step(Box::new(step))),
        expect![[r#"
        error: process "/bin/sh -c go build ./cmd/server" did not complete successfully: exit code: 127
         --> Dockerfile:3:1
          |
        3 | / RUN go build \
        4 | |     ./cmd/server
          | |________________^

        The end of the output of [linux/arm64 build 3/3] RUN go build ./cmd/server:
          | /bin/sh: go: not found

        The whole output is in /store/builds/1/5.log"#]],
    );
}

#[test]
fn causes_are_shown_one_by_one_and_once() {
    let inner = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "permission denied");
    check(
        Failure::work("failed to write the image to /x", inner),
        expect![[r"
            error: failed to write the image to /x
             |
             = cause: permission denied"]],
    );
    check(Failure::Build(Cancelled.into()), expect!["error: interrupted"]);
    let build = BuildError::Environment {
        message: "failed to mount the overlay".into(),
        source: "EPERM".into(),
    };
    check(
        Failure::Build(build),
        expect![[r"
        error: failed to mount the overlay
         |
         = cause: EPERM
         = help: this is about the machine, not about the Dockerfile"]],
    );
}

#[test]
fn a_mistake_in_the_configuration_has_its_line() {
    let text = "[build]\nplatform = ['linux/amd64']\n";
    let error = ConfigurationError::Mistake {
        path: "lrops.toml".into(),
        text: text.into(),
        message: "unknown key \"platform\"".into(),
        span: Some(8..16),
        advice: Some("did you mean platforms?".into()),
    };
    check(
        error.into(),
        expect![[r#"
        error: unknown key "platform"
         --> lrops.toml:2:1
          |
        2 | platform = ['linux/amd64']
          | ^^^^^^^^
          |
          = help: did you mean platforms?"#]],
    );
}
