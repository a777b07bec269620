//! Debian's names of platforms.

use lrops_model::platform::Platform;

/// Returns Debian's name of the platform's architecture, if Debian has it.
///
/// A variant above the baseline is served by the baseline's packages, except on 32-bit ARM, where `armhf` means v7 and
/// `armel` v5.
pub(crate) fn of(platform: &Platform) -> Option<&'static str> {
    if platform.os != "linux" {
        return None;
    }
    Some(
        match (platform.architecture.as_str(), platform.variant.as_deref()) {
            ("amd64", _) => "amd64",
            ("arm64", _) => "arm64",
            ("arm", Some("v7" | "v8")) => "armhf",
            ("arm", Some("v5" | "v6")) => "armel",
            ("386", _) => "i386",
            ("ppc64le", _) => "ppc64el",
            ("s390x", _) => "s390x",
            ("riscv64", _) => "riscv64",
            ("loong64", _) => "loong64",
            ("mips64le", _) => "mips64el",
            _ => return None,
        },
    )
}
