//! lrops' own rules: the examples of `docs/rules.md`, and what must not be found.

use std::collections::BTreeMap;
use std::path::Path;

use lrops_dockerfile::check::{OWN_RULES, cross_platform};
use lrops_dockerfile::instruction::Dockerfile;
use lrops_model::platform::Platform;

/// Returns the rules that speak for a Dockerfile, each once.
fn found_for(text: &str, platforms: &[&str]) -> Vec<String> {
    let (dockerfile, mistakes) = Dockerfile::parse(text);
    let errors: Vec<_> = mistakes
        .iter()
        .filter(|mistake| mistake.severity == lrops_model::finding::Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    let platforms: Vec<Platform> = platforms.iter().map(|name| name.parse().unwrap()).collect();
    let findings = cross_platform(&dockerfile, &platforms, &BTreeMap::new());
    let mut rules: Vec<String> = findings.iter().map(|finding| finding.rule.to_string()).collect();
    rules.dedup();
    rules
}

fn found(text: &str) -> Vec<String> {
    found_for(text, &["linux/amd64", "linux/arm64"])
}

/// Returns the examples of a section: the bad one and the good one.
fn examples(section: &str) -> Vec<&str> {
    let blocks = section.split("```dockerfile\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn every_rule_has_a_page_whose_bad_example_is_found_and_whose_good_one_is_not() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sections: BTreeMap<&str, &str> = page
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap())
        .collect();
    assert_eq!(sections.keys().copied().collect::<Vec<_>>(), OWN_RULES);
    for (rule, section) in sections {
        let platforms: &[&str] = if rule == "GoarmMissing" {
            &["linux/amd64", "linux/arm/v7"]
        } else {
            &["linux/amd64", "linux/arm64"]
        };
        let [bad, good] = examples(section)[..] else {
            panic!("{rule} has a bad and a good example")
        };
        assert_eq!(found_for(bad, platforms), [rule], "{bad}");
        assert_eq!(found_for(good, platforms), [""; 0], "{good}");
    }
}

#[test]
fn what_is_right_is_left_alone() {
    for text in [
        // The argument comes from the stage that this one starts from.
        "FROM --platform=$BUILDPLATFORM golang AS base\nARG TARGETARCH\nFROM base AS build\nRUN GOARCH=$TARGETARCH go build .\nFROM scratch\nCOPY --from=build /a /a\n",
        // The command finds it out by itself.
        "FROM debian\nRUN TARGETARCH=$(dpkg --print-architecture) && curl -O https://h.example/a-$TARGETARCH\n",
        "FROM debian\nRUN curl -O https://h.example/a-$(uname -m)\n",
        // A name that only begins so.
        "FROM debian\nRUN echo $TARGETARCHIVE ${TARGETARCH_SUFFIX}\n",
        // The image itself compiles, when it is used.
        "FROM golang\nCOPY . .\nRUN go build .\n",
        // Neither tools nor architectures: words that look like them.
        "FROM debian AS build\nRUN echo go build; touch make\nFROM scratch\nCOPY --from=build /a /a\n",
        "FROM debian\nADD https://h.example/x64dbg-notes.txt /\n",
        // A tool of the build platform.
        "FROM --platform=$BUILDPLATFORM debian AS tools\nRUN curl -O https://h.example/protoc-linux-x86_64.zip\nFROM scratch\nCOPY --from=tools /a /a\n",
        // C is compiled by a cross-compiler.
        "FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nRUN CGO_ENABLED=1 CC=aarch64-linux-gnu-gcc GOARCH=$TARGETARCH go build .\nFROM scratch\nCOPY --from=build /a /a\n",
        // The stage that it starts from is named by an argument, with a default and without.
        "ARG BASE=debian\nFROM --platform=$BUILDPLATFORM golang AS build-debian\nFROM build-${BASE} AS build\nRUN go build .\nFROM scratch\nCOPY --from=build /a /a\n",
        "FROM --platform=$BUILDPLATFORM golang AS linux\nFROM ${TARGETOS} AS build\nRUN make\nFROM scratch\nCOPY --from=build /a /a\n",
        // Only another command is for the target.
        "FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nRUN GOARCH=$TARGETARCH scripts/build && GOBIN=/bin go install example.com/x@latest\nFROM scratch\nCOPY --from=build /a /a\n",
        // Not across: the stage is the target's own.
        "FROM golang\nARG TARGETARCH\nRUN GOARCH=$TARGETARCH go install ./cmd/a\n",
        // What is set afterwards, what chooses by a variable, and what chooses among several.
        "FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nRUN go install example.com/x@v1\nENV GOARCH=$TARGETARCH GOARM=7 CGO_ENABLED=0\nRUN go build .\nFROM scratch\nCOPY --from=build /a /a\n",
        "FROM debian\nARG TARGETARCH\nENV A=$TARGETARCH\nRUN if [ $A = arm64 ]; then :; else curl -O https://h.example/a-amd64; fi\n",
        "FROM debian\nRUN curl -O https://h.example/a-amd64 && curl -O https://h.example/a-arm64\n",
        // Installed for the build itself.
        "FROM --platform=$BUILDPLATFORM golang AS build\nRUN go install example.com/generator@latest\nFROM scratch\nCOPY --from=build /a /a\n",
        // The default is refused, or is no architecture.
        "FROM debian\nARG TARGETARCH\nRUN case $TARGETARCH in amd64) a=1;; *) echo no; exit 1;; esac\n",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}

#[test]
fn one_platform_needs_no_rule_about_several() {
    let text = "FROM golang AS build\nRUN go build .\nFROM debian\nRUN curl -O https://h.example/a-amd64\nCOPY --from=build /a /a\n";
    assert_eq!(found_for(text, &["linux/amd64"]), [""; 0]);
    assert_eq!(found(text), ["ToolsOnTargetPlatform", "FixedArchitecture"]);
}

#[test]
fn commands_in_heredocs_and_after_settings_are_seen() {
    for (text, rule) in [
        (
            "FROM golang AS build\nRUN <<end\nset -e\ncd /src && CGO_ENABLED=0 go build .\nend\nFROM scratch\nCOPY --from=build /a /a\n",
            "ToolsOnTargetPlatform",
        ),
        (
            "FROM node AS ui\nRUN --mount=type=cache,target=/c npm ci\nFROM scratch\nCOPY --from=ui /a /a\n",
            "ToolsOnTargetPlatform",
        ),
        (
            "FROM debian\nRUN echo ${TARGETPLATFORM:-none}\n",
            "PlatformArgUndeclared",
        ),
        (
            "FROM debian\nADD https://h.example/tool_linux_arm64.tar.gz /\n",
            "FixedArchitecture",
        ),
        (
            "FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nRUN export GOARCH=$TARGETARCH CGO_ENABLED=1 && go build .\nFROM scratch\nCOPY --from=build /a /a\n",
            "CgoWithoutCrossCompiler",
        ),
        (
            "FROM debian AS base\nFROM base\nRUN wget https://h.example/tool-x86_64.tar.gz\n",
            "FixedArchitecture",
        ),
        (
            "FROM --platform=$BUILDPLATFORM debian AS fetch\nARG TARGETARCH\nRUN case $TARGETARCH in arm64) a=aarch64;; *) a=amd64;; esac; echo $a\nFROM scratch\nCOPY --from=fetch /a /a\n",
            "ArchitectureFallback",
        ),
        (
            "ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM debian\n",
            "PlatformArgDefault",
        ),
    ] {
        assert_eq!(found(text), [rule], "{text}");
    }
}

#[test]
fn a_comment_silences_a_rule() {
    let line = "ARG TARGETARCH=amd64\n";
    let file = format!("# check=skip=PlatformArgDefault\nFROM scratch\n{line}");
    let instruction = format!("FROM scratch\n# check=skip=PlatformArgDefault\n{line}");
    for text in [&file, &instruction] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
    assert_eq!(found(&format!("FROM scratch\n{line}")), ["PlatformArgDefault"]);
}

#[test]
fn findings_are_errors_where_that_is_asked_for() {
    let text = "# check=error=true\nFROM scratch\nARG TARGETARCH=amd64\n";
    assert_eq!(found(text), ["PlatformArgDefault", "CheckFailed"]);
}
