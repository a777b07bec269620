//! Bases: root file systems assembled from signed distribution packages, for any platform, without running any of
//! them.
//!
//! A `[bases.NAME]` section ([`BaseSpec`]) names a suite and packages. For a platform it becomes a [`Resolution`]
//! (which package files, by digest) and then an image of one layer in a blob store ([`BuiltBase`]).
//!
//! Invariants: nothing is believed before a signature of the suite's keyring vouches for it (index) or its digest
//! fits (package) · the same package files and the same specification give the same bytes on any machine · no package
//! script runs: what scripts would do, fix-ups do · packages pass through disk, not through memory · time
//! arrives with the request.
//!
//! Reading order: what is asked (spec, sources), what the archive says (debian, alpine), what is taken (resolver,
//! resolution), how it is put together (tree, fixups, image), and the door (bases).

mod accounts;
mod alpine;
mod applets;
mod assembly;
mod bases;
mod cache;
mod debian;
mod error;
mod fixups;
mod image;
mod keys;
mod limited;
mod parallel;
mod progress;
mod resolution;
mod resolver;
mod sources;
mod spec;
mod suites;
mod tree;
mod unpacked;

pub use bases::{Bases, BasesSettings, BuildBase, BuiltBase, Freshness};
pub use cache::CachedBase;
pub use debian::release::ReleaseFault;
pub use debian::signature::SignatureFault;
pub use error::BaseError;
pub use fixups::FixupFault;
pub use progress::BaseProgress;
pub use resolution::{Lock, LockError, LockedPackage, Resolution};
pub use resolver::ResolveError;
pub use sources::{MachineSources, PackageSource, ReadSourcesError, read_machine_sources};
pub use spec::{
    BaseSpec, DirectorySpec, Distribution, ExtraSuite, ExtraSuiteTable, FileContent, FileMode, FileSpec,
    GroupSpec, ImagePath, UserSpec,
};
pub use tree::MergeFault;
pub use unpacked::PackageFault;
