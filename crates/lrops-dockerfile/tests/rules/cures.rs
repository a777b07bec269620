//! What the cures of lrops' own rules make of a Dockerfile.

use lrops_dockerfile::check::OWN_RULES;
use lrops_dockerfile::instruction::Dockerfile;
use lrops_model::finding::Severity;
use proptest::prelude::*;

use crate::{WITH_ARM, cured, cured_for, examples, found, found_for, found_with_images, sections};

#[test]
fn a_cure_keeps_the_form_of_the_file() {
    for (text, expected) in [
        // Line endings, and an end without one.
        (
            "FROM debian\r\nRUN echo $TARGETARCH",
            "FROM debian\r\nARG TARGETARCH\r\nRUN echo $TARGETARCH",
        ),
        // A comment belongs to its instruction; letters and indentation are as they are.
        (
            "from debian\n\n  # why\n  # check=skip=none\n  run echo $TARGETARCH \\\n    # more\n\n    && x\n",
            "from debian\n\n  arg TARGETARCH\n  # why\n  # check=skip=none\n  run echo $TARGETARCH \\\n    # more\n\n    && x\n",
        ),
        // Beside others of the kind.
        (
            "FROM debian\nARG TARGETOS\nCOPY . .\nRUN echo $TARGETARCH\n",
            "FROM debian\nARG TARGETOS\nARG TARGETARCH\nCOPY . .\nRUN echo $TARGETARCH\n",
        ),
        (
            "FROM debian\nARG TARGETOS BUILDARCH A=1\nRUN echo $TARGETARCH$TARGETVARIANT\n",
            "FROM debian\nARG TARGETOS BUILDARCH TARGETARCH TARGETVARIANT A=1\nRUN echo $TARGETARCH$TARGETVARIANT\n",
        ),
        // Another escape, a heredoc, a file that begins with a mark.
        (
            "# escape=`\nFROM debian\nRUN echo `\n  $TARGETARCH\n",
            "# escape=`\nFROM debian\nARG TARGETARCH\nRUN echo `\n  $TARGETARCH\n",
        ),
        (
            "\u{feff}FROM debian\nRUN <<-end\n\techo \"$TARGETARCH\"\n\tend\nARG BUILDARCH=x\n",
            "\u{feff}FROM debian\nARG TARGETARCH\nRUN <<-end\n\techo \"$TARGETARCH\"\n\tend\nARG BUILDARCH\n",
        ),
        // Where a flag stands alone.
        (
            "FROM debian AS a\nFROM   --platform=linux/amd64   a\n",
            "FROM debian AS a\nFROM a\n",
        ),
        (
            "FROM debian AS a\nFROM \\\n --platform=linux/amd64 a\n",
            "FROM debian AS a\nFROM \\\n --platform=linux/amd64 a\n",
        ),
        ("FROM a as b\nrun x\nCOPY a b\n", "FROM a AS b\nRUN x\nCOPY a b\n"),
    ] {
        assert_eq!(cured(text), expected, "{text}");
    }
}

#[test]
fn goarm_is_set_where_the_call_takes_it() {
    let from = "FROM --platform=$BUILDPLATFORM golang AS b\n";
    let last = "FROM scratch\nCOPY --from=b /a /a";
    let arm = |run: &str| format!("{from}ARG TARGETARCH TARGETVARIANT\n{run}\n{last}");
    for (run, expected) in [
        (
            "RUN GOARCH=$TARGETARCH go build a && GOARCH=${TARGETARCH} go build b",
            "RUN GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} go build a && GOARCH=${TARGETARCH} GOARM=${TARGETVARIANT#v} go build b",
        ),
        (
            "ENV GOARCH=$TARGETARCH\nRUN --mount=type=cache,target=/c \\\n  cd x && \\\n  # now\n  go build",
            "ENV GOARCH=$TARGETARCH\nRUN --mount=type=cache,target=/c \\\n  cd x && \\\n  # now\n  GOARM=${TARGETVARIANT#v} go build",
        ),
        (
            "RUN <<end\nexport GOARCH=$TARGETARCH\nif ! go build; then go build x; fi\nend",
            "RUN <<end\nexport GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v}\nif ! go build; then go build x; fi\nend",
        ),
        (
            "RUN GOARCH=$TARGETARCH; if ! go build; then exit 1; fi",
            "RUN GOARCH=$TARGETARCH; if ! GOARM=${TARGETVARIANT#v} go build; then exit 1; fi",
        ),
        // Nothing can be set right before it.
        (
            "ENV GOARCH=$TARGETARCH\nRUN exec go build",
            "ENV GOARCH=$TARGETARCH\nRUN exec go build",
        ),
        (
            "ENV GOARCH=$TARGETARCH\nRUN time go build",
            "ENV GOARCH=$TARGETARCH\nRUN time go build",
        ),
        (
            "ENV GOARCH=$TARGETARCH\nRUN [\"go\", \"build\"]",
            "ENV GOARCH=$TARGETARCH\nRUN [\"go\", \"build\"]",
        ),
    ] {
        assert_eq!(cured_for(&arm(run), &WITH_ARM), arm(expected));
    }
}

#[test]
fn goarm_is_set_only_where_go_takes_it_on_every_platform() {
    let go = |run: &str| {
        format!(
            "FROM --platform=$BUILDPLATFORM golang AS b\nARG TARGETARCH TARGETVARIANT\n\
             RUN GOARCH=$TARGETARCH {run}\nFROM scratch\nCOPY --from=b /a /a\n"
        )
    };
    let (bad, good) = (go("go build"), go("GOARM=${TARGETVARIANT#v} go build"));
    for (other, expected) in [
        ("linux/amd64", &good),
        ("linux/arm64/v8", &good),
        ("linux/arm/v5", &good),
        ("linux/amd64/v2", &bad),
        ("linux/arm64/v9", &bad),
        ("linux/arm/v8", &bad),
    ] {
        let platforms = ["linux/arm/v7", other];
        assert_eq!(found_for(&bad, &platforms), ["GoarmMissing"], "{other}");
        assert_eq!(cured_for(&bad, &platforms), *expected, "{other}");
    }
}

#[test]
fn a_script_that_is_read_twice_is_mended_once() {
    let text = |declared: &str, run: &str| {
        format!(
            "FROM --platform=$BUILDPLATFORM golang AS b\n{declared}\nRUN sh -c \"echo $(GOARCH=$TARGETARCH {run} ./cmd/tool)\"\n\
             FROM scratch\nCOPY --from=b /go/bin/tool /tool\n"
        )
    };
    let bad = text("ARG TARGETARCH", "go install");
    assert_eq!(cured(&bad), text("ARG TARGETARCH", "go build -o /go/bin/tool"));
    assert_eq!(
        cured_for(&bad, &WITH_ARM),
        text(
            "ARG TARGETARCH\nARG TARGETVARIANT",
            "GOARM=${TARGETVARIANT#v} go build -o /go/bin/tool"
        )
    );
}

#[test]
fn what_has_a_default_does_not_lose_it() {
    for default in [":-$(uname -m)", "-x", ":=x", "=x"] {
        let with = format!("FROM debian\nRUN wget https://example.com/tool-${{TARGETARCH{default}}}\n");
        assert_eq!(found(&with), [""; 0], "{with}");
        assert_eq!(cured(&with), with);
        let more = format!("{with}RUN echo $TARGETARCH\n");
        assert_eq!(found(&more), ["PlatformArgUndeclared"], "{more}");
        assert_eq!(cured(&more), more);
    }
}

#[test]
fn cures_go_on_in_rounds() {
    let text = "FROM --platform=$BUILDPLATFORM golang AS b\nRUN GOARCH=$TARGETARCH go build -o /x\nFROM scratch\nCOPY --from=b /x /x\n";
    let expected = "FROM --platform=$BUILDPLATFORM golang AS b\nARG TARGETARCH\nARG TARGETVARIANT\n\
                    RUN GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} go build -o /x\n\
                    FROM scratch\nCOPY --from=b /x /x\n";
    assert_eq!(cured_for(text, &WITH_ARM), expected);
}

#[test]
fn what_several_commands_need_is_declared_once() {
    let stage = |runs: &str| {
        format!(
            "FROM --platform=$BUILDPLATFORM golang AS a\nARG TARGETARCH\nFROM a AS b\n{runs}FROM scratch\nCOPY --from=b /x /x\n"
        )
    };
    let run = "RUN GOARCH=$TARGETARCH go build x\n";
    let mended = "RUN GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} go build x\n";
    assert_eq!(
        cured_for(&stage(&run.repeat(2)), &WITH_ARM),
        stage(&format!("ARG TARGETVARIANT\n{mended}{mended}"))
    );
    let run = "FROM debian\nRUN echo $TARGETOS\nRUN echo $TARGETOS $TARGETARCH\n";
    let mended =
        "FROM debian\nARG TARGETOS\nRUN echo $TARGETOS\nARG TARGETARCH\nRUN echo $TARGETOS $TARGETARCH\n";
    assert_eq!(cured(run), mended);
}

#[test]
fn what_is_skipped_is_not_mended() {
    for text in [
        "# check=skip=all\nFROM debian\nARG TARGETARCH=amd64\n",
        "FROM debian\n# check=skip=PlatformArgDefault\nARG TARGETARCH=amd64\n",
        "# check=nonsense\nFROM debian\nARG TARGETARCH=amd64\n",
    ] {
        assert_eq!(cured(text), text);
    }
    // Nor does an earlier line get the cure of one that is skipped.
    for (text, expected) in [
        (
            "FROM scratch as one\n# check=skip=FromAsCasing\nFROM scratch as two\n",
            "FROM scratch AS one\n# check=skip=FromAsCasing\nFROM scratch as two\n",
        ),
        (
            "FROM scratch\nADD a b\ncopy a b\n# check=skip=ConsistentInstructionCasing\ncopy a b\n",
            "FROM scratch\nADD a b\nCOPY a b\n# check=skip=ConsistentInstructionCasing\ncopy a b\n",
        ),
    ] {
        assert_eq!(cured(text), expected);
    }
}

/// Pieces of Dockerfiles, put together at random.
fn piece() -> impl Strategy<Value = String> {
    let own: Vec<String> = sections()
        .iter()
        .flat_map(|(_, section)| {
            examples(section)
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    let lines: Vec<String> = own
        .iter()
        .flat_map(|text| text.lines().map(|line| format!("{line}\n")))
        .collect();
    let other = [
        "FROM debian AS a\n",
        "from a as B\n",
        "FROM --platform=$TARGETPLATFORM a\n",
        "# note\n",
        "\n",
        "RUN <<end\ngo build -o /x $TARGETARCH\nend\n",
        "RUN a \\\n  # b\n\n  && GOARCH=$TARGETARCH \\\n  go build\n",
        "ENV GOARCH=$TARGETARCH CGO_ENABLED=0\n",
        "COPY --from=0 /x /out/app /\n",
        "RUN \"$(echo '\n",
        "\r\n",
    ];
    prop_oneof![
        proptest::sample::select(lines),
        proptest::sample::select(other.map(str::to_owned).to_vec()),
    ]
}

/// Returns the mistakes of a Dockerfile that stop every build of it.
fn mistakes(text: &str) -> usize {
    let (_, findings) = Dockerfile::parse(text);
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count()
}

proptest! {
    #[test]
    fn a_cured_file_is_as_readable_and_cannot_be_cured_again(pieces in proptest::collection::vec(piece(), 1..12)) {
        let text = format!("FROM x\n{}", pieces.concat());
        let once = cured_for(&text, &WITH_ARM);
        prop_assert_eq!(cured_for(&once, &WITH_ARM), once.clone());
        prop_assert_eq!(mistakes(&once), mistakes(&text), "{}", once);
        let found = found_with_images(&once, &WITH_ARM);
        let before = found_with_images(&text, &WITH_ARM);
        // Another rule may speak once a line is mended; a mistake may not appear.
        let errors = |found: &[(String, u32)]| found.iter().filter(|(rule, _)| !OWN_RULES.contains(&rule.as_str())).count();
        prop_assert!(errors(&found) <= errors(&before), "{}", once);
    }
}
