//! What to do about findings.

use std::path::Path;

pub(super) const DAMAGED_BLOB: &str = "the place that holds the image lost or changed it: build the image again, or \
     fetch it again, and look after the disk or the transfer that it came through";

pub(super) const BUILDER: &str = "the tool that wrote the image has a fault: build the image again with lrops, and tell \
     that tool's makers";

pub(super) const PLATFORM_MISMATCH: &str = "the image would be taken for another platform than it says: build it for \
     this platform (--platform), or mend the index; a base image that was pulled for another platform brings its own \
     platform with it";

/// What to do about an ELF file of another architecture.
pub(super) fn foreign(path: &Path) -> String {
    format!(
        "the stage that makes it builds for the machine that it runs on: with FROM --platform=$BUILDPLATFORM, declare \
         ARG TARGETOS TARGETARCH TARGETVARIANT in that very stage and hand them to the compiler (GOARCH=$TARGETARCH \
         for Go); or COPY takes it from the wrong stage or context; {}",
        allow(path)
    )
}

/// What to do about a program for a higher version of the architecture.
pub(super) fn arm_version(path: &Path) -> String {
    format!(
        "build it for the lower version: declare ARG TARGETVARIANT in the stage and pass GOARM=${{TARGETVARIANT#v}} to \
         Go, or -march to the C compiler, and take a base image whose libraries are built for that version; {}",
        allow(path)
    )
}

/// What to do about a program whose interpreter is missing.
pub(super) fn interpreter(path: &Path) -> String {
    format!(
        "the program was linked against another C library than the image has, or the image has none: link it \
         statically (CGO_ENABLED=0 for Go), or build it on the distribution that it runs on; {}",
        allow(path)
    )
}

/// How to tell lrops that a file is meant to be as it is.
pub(super) fn allow(path: &Path) -> String {
    format!(
        "if it is meant so, write into lrops.toml: [verify] allow = [\"/{}\"]",
        path.display()
    )
}
