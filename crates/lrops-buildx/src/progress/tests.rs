use std::fmt::Write;
use std::sync::Mutex;

use expect_test::{Expect, expect};
use lrops_model::event::{BuildEvent, StepName};

use super::*;

/// Reads a text in pieces of every size that matters, and compares the events.
fn check(form: ProgressForm, text: &str, expected: Expect) {
    let mut first: Option<String> = None;
    for size in [1, 7, 1000, text.len()] {
        let told = told(form, text, size);
        match &first {
            None => first = Some(told),
            Some(first) => assert_eq!(*first, told, "in pieces of {size}"),
        }
    }
    expected.assert_eq(&first.unwrap());
}

fn told(form: ProgressForm, text: &str, size: usize) -> String {
    let shown = Mutex::new(String::new());
    let on_event = |event: BuildEvent| {
        let mut shown = shown.lock().unwrap();
        let line = match event {
            BuildEvent::Started { step, name } => match name {
                StepName::Activity(text) => format!("{} begins: {text}", step.0),
                StepName::Step(label) => format!(
                    "{} begins: {:?} {}/{} {:?} {:?} {}",
                    step.0,
                    label.stage,
                    label.position,
                    label.total,
                    label.stage_platform.map(|platform| platform.to_string()),
                    label
                        .platforms
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>(),
                    label.instruction
                ),
            },
            BuildEvent::Finished {
                step,
                outcome,
                seconds,
            } => format!("{} {outcome:?} {seconds:.1}", step.0),
            BuildEvent::Output { step, stream, text } => format!("{} {stream:?} {text:?}", step.0),
            BuildEvent::Progress {
                step,
                what,
                current,
                total,
            } => {
                format!("{} {what} {current} of {total:?}", step.0)
            }
            BuildEvent::Found { finding } => format!(
                "{:?} {}: {} {:?}\n  {:?}",
                finding.severity, finding.rule, finding.message, finding.place, finding.advice
            ),
            other => format!("{other:?}"),
        };
        writeln!(shown, "{line}").unwrap();
    };
    let numbers = AtomicU32::new(1);
    let mut reader = Reader::new(form, &numbers, &on_event);
    for piece in text.as_bytes().chunks(size) {
        reader.take(piece);
    }
    let told = reader.finish();
    let failed = told.failed.map(|failed| (failed.error, failed.tail));
    let mut shown = shown.into_inner().unwrap();
    write!(shown, "failed: {failed:?}\ntext: {:?}\n", told.text).unwrap();
    shown
}

#[test]
fn documents_over_several_lines_are_read() {
    check(
        ProgressForm::RawJson,
        r#"WARNING: something first
{
  "vertexes": [
    {"digest": "sha256:a", "name": "[linux/amd64-\u003earm/v7 build 4/5] RUN go build"},
    {"digest": "sha256:b", "name": "[internal] load .dockerignore", "cached": true,
     "started": "2026-01-02T03:04:05.5Z", "completed": "2026-01-02T03:04:05.6Z"}
  ]
}
{"vertexes": [{"digest": "sha256:a", "name": "[linux/amd64-\u003earm/v7 build 4/5] RUN go build",
   "started": "2026-01-02T03:04:05Z"}]}
{"statuses": [{"id": "transferring", "vertex": "sha256:a", "current": 10, "total": 20}]}
{"logs": [{"vertex": "sha256:a", "stream": 2, "data": "aGFsbG8K"}]}
{"vertexes": [{"digest": "sha256:a", "name": "[linux/amd64-\u003earm/v7 build 4/5] RUN go build",
   "started": "2026-01-02T03:04:05Z", "completed": "2026-01-02T03:04:07.25Z",
   "error": "process \"/bin/sh -c go build\" did not complete successfully: exit code: 2"}]}
------
 > [linux/amd64->arm/v7 build 4/5] RUN go build:
ERROR: failed to solve: process "/bin/sh -c go build" did not complete successfully: exit code: 2
"#,
        expect![[r#"
            1 begins: [internal] load .dockerignore
            1 Cached 0.1
            2 begins: "build" 4/5 Some("linux/amd64") ["linux/arm/v7"] RUN go build
            2 transferring 10 of Some(20)
            2 Stderr "hallo\n"
            2 Failed { reason: "process \"/bin/sh -c go build\" did not complete successfully: exit code: 2" } 2.2
            failed: Some(("process \"/bin/sh -c go build\" did not complete successfully: exit code: 2", ["hallo"]))
            text: "WARNING: something first\n\n------\n > [linux/amd64->arm/v7 build 4/5] RUN go build:\nERROR: failed to solve: process \"/bin/sh -c go build\" did not complete successfully: exit code: 2\n"
        "#]],
    );
}

#[test]
fn lines_for_people_are_read() {
    check(
        ProgressForm::Plain,
        "#0 building with \"x\" instance using docker-container driver\n\n\
         #1 [internal] load build definition from Dockerfile\n#1 transferring dockerfile: 31B done\n#1 DONE 0.0s\n\n\
         #5 [linux/arm64 build 2/4] RUN make\n#5 0.312 compiling\n#5 ...\n\n#6 [base 1/2] FROM alpine\n#6 CACHED\n\n\
         #5 [linux/arm64 build 2/4] RUN make\n#5 1.5 \n#5 ERROR: process \"/bin/sh -c make\" did not complete successfully: exit code: 2\n\
         ------\n > [linux/arm64 build 2/4] RUN make:\n------\nERROR: failed to solve: x\n",
        expect![[r#"
            1 begins: [internal] load build definition from Dockerfile
            1 Done 0.0
            2 begins: "build" 2/4 Some("linux/arm64") ["linux/arm64"] RUN make
            2 Stdout "compiling\n"
            3 begins: "base" 1/2 None [] FROM alpine
            3 Cached 0.0
            2 Stdout "\n"
            2 Failed { reason: "process \"/bin/sh -c make\" did not complete successfully: exit code: 2" } 0.0
            failed: Some(("process \"/bin/sh -c make\" did not complete successfully: exit code: 2", ["compiling", ""]))
            text: "------\n > [linux/arm64 build 2/4] RUN make:\n------\nERROR: failed to solve: x\n\n"
        "#]],
    );
}

#[test]
fn what_was_cut_off_was_cancelled() {
    check(
        ProgressForm::RawJson,
        r#"{"vertexes":[{"digest":"a","name":"exporting to image","started":"2026-01-02T03:04:05Z"}]}{"vert"#,
        expect![[r#"
            1 begins: exporting to image
            1 Cancelled 0.0
            failed: None
            text: "{\"vert"
        "#]],
    );
}

#[test]
fn warnings_are_findings_and_each_is_told_once() {
    check(
        ProgressForm::RawJson,
        r#"{"warnings": [{"vertex": "sha256:a", "level": 1, "short": "RnJvbUFzQ2FzaW5nOiAnYXMnIGFuZCAnRlJPTScga2V5d29yZHMnIGNhc2luZyBkbyBub3QgbWF0Y2ggKGxpbmUgMSk=", "detail": ["VGhlICdhcycga2V5d29yZCBzaG91bGQgbWF0Y2ggdGhlIGNhc2Ugb2YgdGhlICdmcm9tJyBrZXl3b3Jk"], "url": "https://docs.docker.com/go/dockerfile/rule/from-as-casing/", "sourceInfo": {"filename": "Dockerfile", "data": "RlJPTSBzY3JhdGNoIGFzIGJ1aWxkCkNPUFkgYSBcCgogIGIK", "definition": {"def": ["Cg=="]}, "language": "Dockerfile"}, "range": [{"start": {"line": 1}, "end": {"line": 1}}]}]}
{"warnings": [{"vertex": "sha256:b", "level": 1, "short": "RnJvbUFzQ2FzaW5nOiAnYXMnIGFuZCAnRlJPTScga2V5d29yZHMnIGNhc2luZyBkbyBub3QgbWF0Y2ggKGxpbmUgMSk=", "detail": ["VGhlICdhcycga2V5d29yZCBzaG91bGQgbWF0Y2ggdGhlIGNhc2Ugb2YgdGhlICdmcm9tJyBrZXl3b3Jk"], "url": "https://docs.docker.com/go/dockerfile/rule/from-as-casing/", "sourceInfo": {"filename": "Dockerfile", "data": "RlJPTSBzY3JhdGNoIGFzIGJ1aWxkCkNPUFkgYSBcCgogIGIK", "definition": {"def": ["Cg=="]}, "language": "Dockerfile"}, "range": [{"start": {"line": 1}, "end": {"line": 1}}]}]}
{"warnings": [{"vertex": "sha256:a", "level": 1, "short": "RW1wdHkgY29udGludWF0aW9uIGxpbmUgZm91bmQgaW46IENPUFkgYSAgIGI=", "detail": ["RW1wdHkgY29udGludWF0aW9uIGxpbmVzIHdpbGwgYmVjb21lIGVycm9ycyBpbiBhIGZ1dHVyZSByZWxlYXNl"], "url": "https://github.com/moby/moby/pull/33719", "sourceInfo": {"filename": "Dockerfile", "data": "RlJPTSBzY3JhdGNoIGFzIGJ1aWxkCkNPUFkgYSBcCgogIGIK", "definition": {"def": ["Cg=="]}, "language": "Dockerfile"}, "range": [{"start": {"line": 2}, "end": {"line": 4}}]}]}
{"warnings": [{"vertex": "sha256:a", "short": "U2VjcmV0c1VzZWRJbkFyZ09yRW52OiBEbyBub3QgdXNlIEFSRyBvciBFTlYgaW5zdHJ1Y3Rpb25zIGZvciBzZW5zaXRpdmUgZGF0YSAoRU5WICJUT0tFTiIpIChsaW5lIDkp", "range": [{"start": {"line": 9}, "end": {"line": 9}}]}, {"vertex": "sha256:a"}, {"short": "?"}]}
"#,
        expect![[r#"
            Warning FromAsCasing: 'as' and 'FROM' keywords' casing do not match Some(Place { span: 0..21, line: 1 })
              Some("The 'as' keyword should match the case of the 'from' keyword; https://docs.docker.com/go/dockerfile/rule/from-as-casing/")
            Warning BuildKit: Empty continuation line found in: COPY a   b Some(Place { span: 22..35, line: 2 })
              Some("Empty continuation lines will become errors in a future release; https://github.com/moby/moby/pull/33719")
            Warning SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "TOKEN") (line 9) None
              None
            failed: None
            text: "\n"
        "#]],
    );
}
