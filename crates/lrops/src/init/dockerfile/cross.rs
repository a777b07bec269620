//! C compilers for foreign platforms, from Debian. Rust needs them as linkers.

/// A platform that Debian has a C cross-compiler for.
pub(in crate::init) struct Compiler {
    /// `TARGETARCH` and `TARGETVARIANT` in one word.
    pub(in crate::init) target: &'static str,
    /// What Rust calls the platform.
    pub(in crate::init) rust: &'static str,
    /// The compiler.
    pub(in crate::init) program: &'static str,
    /// Its package. On the platform itself the package of that name holds the native compiler.
    pub(in crate::init) package: &'static str,
    /// The C library to link with.
    pub(in crate::init) library: &'static str,
}

/// The compilers.
pub(in crate::init) const COMPILERS: [Compiler; 3] = [
    Compiler {
        target: "amd64",
        rust: "x86_64-unknown-linux-gnu",
        program: "x86_64-linux-gnu-gcc",
        package: "gcc-x86-64-linux-gnu",
        library: "libc6-dev-amd64-cross",
    },
    Compiler {
        target: "arm64",
        rust: "aarch64-unknown-linux-gnu",
        program: "aarch64-linux-gnu-gcc",
        package: "gcc-aarch64-linux-gnu",
        library: "libc6-dev-arm64-cross",
    },
    Compiler {
        target: "armv7",
        rust: "armv7-unknown-linux-gnueabihf",
        program: "arm-linux-gnueabihf-gcc",
        package: "gcc-arm-linux-gnueabihf",
        library: "libc6-dev-armhf-cross",
    },
];

/// The step that makes sure of the compilers.
pub(super) fn install() -> String {
    let programs = COMPILERS.map(|compiler| compiler.program).join(" ");
    let packages = COMPILERS
        .map(|compiler| format!("{} {}", compiler.package, compiler.library))
        .join(" \\\n            ");
    format!(
        "\
# The base of lrops.toml has these compilers; Docker Hub's image gets them here, natively.
RUN for compiler in {programs}; do \\
        command -v \"$compiler\" >/dev/null && continue; \\
        apt-get update && apt-get install --yes --no-install-recommends libc6-dev \\
            {packages} && break || exit 1; \\
    done
"
    )
}

/// The lines of a `case` over the platforms.
pub(super) fn cases(action: impl Fn(&Compiler) -> String) -> String {
    let width = COMPILERS
        .iter()
        .map(|compiler| compiler.target.len())
        .max()
        .unwrap_or(0)
        + 1;
    let line = |compiler: &Compiler| {
        let target = format!("{})", compiler.target);
        format!("        {target:width$} {} ;; \\\n", action(compiler))
    };
    let cases: String = COMPILERS.iter().map(line).collect();
    format!(
        "    case \"${{TARGETARCH}}${{TARGETVARIANT}}\" in \\\n{cases}        \
         *) echo \"add a compiler for ${{TARGETARCH}} ${{TARGETVARIANT}} to this Dockerfile\" >&2; exit 1 ;; \\\n    esac"
    )
}
