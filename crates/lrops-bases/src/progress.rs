//! What a caller can show while a base is made.

/// A step of making a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseProgress {
    /// The signed index of a suite is fetched and checked.
    Suite {
        /// The suite's name.
        suite: String,
    },
    /// It is known which packages make up the base.
    Resolved {
        /// How many packages.
        packages: usize,
        /// Their size in bytes, as downloads.
        bytes: u64,
    },
    /// A package file is there, downloaded or found in the cache.
    Fetched {
        /// The package.
        package: String,
        /// Packages that are there.
        done: usize,
        /// Packages in all.
        total: usize,
    },
    /// All packages are unpacked, and the layer is being written.
    Writing {
        /// Files, directories and links in the layer.
        entries: usize,
    },
}
