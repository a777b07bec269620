//! lrops' own rules: the examples of `docs/rules.md`, what must not be found, and what is mended.

mod cures;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lrops_dockerfile::check::{OWN_RULES, Stages, check, cross_platform, cure};
use lrops_dockerfile::instruction::Dockerfile;
use lrops_dockerfile::lower::{ImageRef, LowerInputs, Resolved};
use lrops_model::finding::Severity;
use lrops_model::graph::{Graph, RunNetwork};
use lrops_model::oci::ImageConfig;
use lrops_model::platform::Platform;

/// The platforms that a rule is asked for.
const USUAL: [&str; 2] = ["linux/amd64", "linux/arm64"];
const WITH_ARM: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/arm/v7"];

/// The digest of `docs/rules.md` that is a single platform's.
const SINGLE: &str = "sha256:1111";

fn parsed(platforms: &[&str]) -> Vec<Platform> {
    platforms.iter().map(|name| name.parse().unwrap()).collect()
}

/// Returns the rules that speak for a Dockerfile, each once.
fn found_for(text: &str, platforms: &[&str]) -> Vec<String> {
    let (dockerfile, mistakes) = Dockerfile::parse(text);
    let errors: Vec<_> = mistakes
        .iter()
        .filter(|mistake| mistake.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    let findings = cross_platform(text, &dockerfile, &parsed(platforms), &BTreeMap::new());
    let mut rules: Vec<String> = findings.iter().map(|finding| finding.rule.to_string()).collect();
    rules.dedup();
    rules
}

fn found(text: &str) -> Vec<String> {
    found_for(text, &USUAL)
}

/// Returns the findings of all stages whose rule is lrops' own, or which are errors, each as its rule and line. Images are
/// those of the platform that asks, except for one digest.
fn found_with_images(text: &str, platforms: &[&str]) -> Vec<(String, u32)> {
    let (dockerfile, _) = Dockerfile::parse(text);
    let mut inputs = LowerInputs {
        file: "Dockerfile".to_owned(),
        text: text.to_owned(),
        target: None,
        platforms: parsed(platforms),
        build_platform: "linux/amd64".parse().unwrap(),
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        network: RunNetwork::Host,
        main_context: "context".to_owned(),
        named_contexts: BTreeSet::new(),
        images: BTreeMap::new(),
    };
    loop {
        let checked = check(&dockerfile, &inputs, &[], Stages::All);
        if checked.needs.is_empty() {
            let findings = checked.findings.into_iter();
            let is_shown = |rule: &str| OWN_RULES.contains(&rule);
            return findings
                .filter(|finding| is_shown(&finding.rule) || finding.severity == Severity::Error)
                .map(|finding| {
                    (
                        finding.rule.to_string(),
                        finding.place.map_or(0, |place| place.line),
                    )
                })
                .collect();
        }
        for (image, _) in checked.needs {
            let resolved = resolved(&image);
            inputs.images.insert(image, resolved);
        }
    }
}

fn resolved(image: &ImageRef) -> Resolved {
    let platform = if image.name.contains(SINGLE) {
        "linux/amd64".parse().unwrap()
    } else {
        image.platform.clone()
    };
    Resolved::Image {
        config: Box::new(ImageConfig {
            os: platform.os,
            architecture: platform.architecture,
            variant: platform.variant,
            ..ImageConfig::default()
        }),
        graph: Graph::default(),
        root: None,
    }
}

fn cured_for(text: &str, platforms: &[&str]) -> String {
    cure(text, &parsed(platforms), &BTreeMap::new()).text
}

fn cured(text: &str) -> String {
    cured_for(text, &USUAL)
}

/// Returns the examples of a section: the bad one and the good one.
fn examples(section: &str) -> Vec<&str> {
    let blocks = section.split("```dockerfile\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

/// Returns the sections of `docs/rules.md` that are a rule's.
fn sections() -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sections = page.split("\n## ").skip(1);
    let named = sections.map(|section| section.split_once('\n').unwrap());
    let rules = named.filter(|(name, _)| !name.contains(' '));
    rules
        .map(|(name, section)| (name.to_owned(), section.to_owned()))
        .collect()
}

fn platforms_of(rule: &str) -> &'static [&'static str] {
    if rule == "GoarmMissing" { &WITH_ARM } else { &USUAL }
}

#[test]
fn every_rule_has_a_page_whose_bad_example_is_found_and_whose_good_one_is_not() {
    let sections: BTreeMap<String, String> = sections().into_iter().collect();
    assert_eq!(sections.keys().map(String::as_str).collect::<Vec<_>>(), OWN_RULES);
    for (rule, section) in sections {
        let [bad, good] = examples(&section)[..] else {
            panic!("{rule} has a bad and a good example")
        };
        let found = |text| {
            let mut rules: Vec<String> = found_with_images(text, platforms_of(&rule))
                .into_iter()
                .map(|(rule, _)| rule)
                .collect();
            rules.dedup();
            rules
        };
        assert_eq!(found(bad), [rule.as_str()], "{bad}");
        assert_eq!(found(good), [""; 0], "{good}");
    }
}

#[test]
fn what_the_pages_say_of_fix_is_what_it_does() {
    for (rule, section) in sections() {
        let [bad, good] = examples(&section)[..] else {
            panic!("{rule} has a bad and a good example")
        };
        let cured = cured_for(bad, platforms_of(&rule));
        if section.contains("`--fix` turns the bad example into the good one") {
            assert_eq!(cured, good, "{rule}");
        } else {
            assert!(section.contains("`--fix` leaves it: "), "{rule}");
            assert_eq!(cured, bad, "{rule}");
        }
    }
}

#[test]
fn what_is_right_is_left_alone() {
    for text in [
        // The argument comes from the stage that this one starts from.
        "FROM --platform=$BUILDPLATFORM golang AS base\nARG TARGETARCH\nFROM base AS build\nRUN GOARCH=$TARGETARCH go build .\nFROM scratch\nCOPY --from=build /a /a\n",
        // A build argument may make it another image, whose platform is then not ignored.
        "ARG BASE=a\nFROM debian AS a\nFROM --platform=$BUILDPLATFORM $BASE\nFROM --platform=$BUILDPLATFORM ${BASE}\n",
        // The command finds it out by itself.
        "FROM debian\nRUN TARGETARCH=$(dpkg --print-architecture) && curl -O https://h.example/a-$TARGETARCH\n",
        "FROM debian\nRUN curl -O https://h.example/a-$(uname -m)\n",
        // A name that only begins so.
        "FROM debian\nRUN echo $TARGETARCHIVE ${TARGETARCH_SUFFIX}\n",
        // The image itself compiles, when it is used.
        "FROM golang\nCOPY . .\nRUN go build .\n",
        // Nobody takes what it makes; it is built when it is asked for.
        "FROM golang AS lint\nRUN go build ./...\nFROM debian\nCOPY . .\n",
        // The image that is built starts from it, too.
        "FROM node AS base\nRUN npm install -g x\nFROM base AS run\nCOPY --from=base /x /y\n",
        // It is so on all platforms.
        "FROM debian\nARG TARGETOS=linux\n",
        // Not replaced by any shell, or set by the command itself.
        "FROM debian\nRUN echo 'set $TARGETARCH'\nRUN for TARGETARCH in a b; do echo $TARGETARCH; done\n",
        "FROM debian\nRUN cat <<'end' >f\n$TARGETARCH\nend\n",
        // The text is data, or in another language.
        "FROM debian AS a\nRUN cat <<end >f\ngo build .\nend\nFROM scratch\nCOPY --from=a /f /f\n",
        "FROM debian AS a\nRUN <<end\n#!/usr/bin/env python3\nmake\nend\nFROM scratch\nCOPY --from=a /f /f\n",
        "FROM windows AS a\nSHELL [\"powershell\"]\nRUN make\nFROM scratch\nCOPY --from=a /f /f\n",
        // Downloads modules: that is no program for one architecture.
        "FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nENV GOARCH=$TARGETARCH CGO_ENABLED=1\nRUN go mod download\nFROM scratch\nCOPY --from=build /a /a\n",
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
            "FROM debian\nRUN echo ${TARGETPLATFORM%/*}\n",
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
        (
            "FROM --platform=$TARGETPLATFORM golang AS build\nRUN go build .\nFROM scratch\nCOPY --from=build /a /a\n",
            "ToolsOnTargetPlatform",
        ),
        (
            "FROM node AS base\nFROM base AS build\nRUN npm --prefix ui ci\nFROM base\nCOPY --from=build /a /a\n",
            "ToolsOnTargetPlatform",
        ),
        (
            "FROM rust AS build\nRUN [\"cargo\", \"build\"]\nFROM scratch\nCOPY --from=build /a /a\n",
            "ToolsOnTargetPlatform",
        ),
        (
            "FROM --platform=$BUILDPLATFORM golang AS build\nARG TARGETARCH\nRUN if GOARCH=$TARGETARCH go install ./a; then :; fi\nFROM scratch\nCOPY --from=build /a /a\n",
            "CrossGoInstall",
        ),
        (
            "FROM debian\nRUN sh -c 'echo $TARGETARCH'\n",
            "PlatformArgUndeclared",
        ),
    ] {
        assert_eq!(found(text), [rule], "{text}");
    }
}

#[test]
fn a_file_of_any_length_is_looked_at_in_time_or_left_alone() {
    let long = |count| {
        format!(
            "FROM debian AS a\n{}RUN echo $TARGETARCH\n",
            "FROM a AS a\nRUN x\n".repeat(count)
        )
    };
    assert_eq!(found(&long(2000)), ["PlatformArgUndeclared"]);
    assert_eq!(found(&long(2048)), [""; 0]);
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

#[test]
fn an_image_pinned_for_one_platform_is_found_where_others_take_it() {
    let digest = |digit: &str| format!("base@sha256:{}", digit.repeat(64));
    let (single, index) = (digest("1"), digest("2"));
    let rule = |line| vec![("SinglePlatformDigest".to_owned(), line)];
    for (text, platforms, expected) in [
        (format!("FROM {single}\n"), &WITH_ARM[..], rule(1)),
        (format!("FROM {single}\n"), &["linux/amd64"], vec![]),
        (format!("FROM {single}\n"), &["linux/arm64"], rule(1)),
        (format!("FROM {index}\n"), &WITH_ARM, vec![]),
        (
            format!("FROM --platform=$BUILDPLATFORM {single}\n"),
            &WITH_ARM,
            vec![],
        ),
        (
            format!("FROM scratch\nCOPY --from={single} /a /a\n"),
            &WITH_ARM,
            rule(2),
        ),
        (
            format!("FROM scratch AS a\n# check=skip=SinglePlatformDigest\nFROM {single}\n"),
            &WITH_ARM,
            vec![],
        ),
    ] {
        assert_eq!(found_with_images(&text, platforms), expected, "{text}");
    }
}
