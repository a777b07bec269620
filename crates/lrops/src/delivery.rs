//! Brings a proved image to where it was asked for.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use lrops_model::blob::{BlobSource, open_verified};
use lrops_model::cancel::CancelToken;
use lrops_model::change::{Change, ChangeKind};
use lrops_model::oci::{Compression, Descriptor};
use lrops_model::reference::Reference;
use lrops_store::archive;
use lrops_store::layer::{
    ApplyRequest, CompressionSettings, ExtractLimits, LayerTimes, Whiteouts, WriteLayerRequest, apply, write,
};
use lrops_store::layout::{Layout, LayoutName};
use lrops_store::transfer::copy_image;
use lrops_store::tree::{CopyRequest, Follow, Keep, Kind, OwnerStyle, Owners, RootDir, UnstoredOwner, copy};

use crate::failure::{Cause, Failure};
use crate::image::{self, Row};
use crate::request::{Destination, Output};

/// An image that is to be delivered.
pub(crate) struct Delivery<'a> {
    /// Where its blobs are.
    pub(crate) source: &'a dyn BlobSource,
    /// Its index.
    pub(crate) root: &'a Descriptor,
    /// Its names.
    pub(crate) names: &'a [Reference],
    /// A directory for unfinished files.
    pub(crate) temporary: &'a Path,
    /// Stops the work.
    pub(crate) cancel: &'a CancelToken,
}

impl Delivery<'_> {
    /// Brings the image to a place. Returns what a person is told about it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn deliver(&self, output: &Output) -> Result<Option<String>, Failure> {
        match output {
            // What goes to registries is published by itself, when all else is done; docker's form comes from its builder.
            Output::Store | Output::CacheOnly | Output::Registry { .. } | Output::Docker(_) => Ok(None),
            Output::Layout(path) => self.to_layout(path).map(Some),
            Output::Archive(destination) => self.to_archive(destination).map(Some),
            Output::Files { directory, split } => self.to_directory(directory, *split).map(Some),
            Output::FilesArchive { destination, split } => self.to_tar(destination, *split).map(Some),
        }
    }

    fn layout_names(&self) -> Vec<LayoutName> {
        self.names.iter().map(LayoutName::exported).collect()
    }

    fn to_layout(&self, path: &Path) -> Result<String, Failure> {
        let failed = |source: Cause| failed_at(path, source);
        let layout = Layout::open_or_create(path).map_err(|error| failed(Box::new(error)))?;
        copy_image(self.source, self.root, &layout, self.cancel).map_err(|error| failed(Box::new(error)))?;
        let names = self.layout_names();
        if names.is_empty() {
            layout.add(self.root).map_err(|error| failed(Box::new(error)))?;
        }
        for name in names {
            layout
                .tag(name, self.root)
                .map_err(|error| failed(Box::new(error)))?;
        }
        Ok(format!("{} (OCI layout)", path.display()))
    }

    fn to_archive(&self, destination: &Destination) -> Result<String, Failure> {
        let names = self.layout_names();
        match destination {
            Destination::File(path) => {
                make_parent(path)?;
                archive::write_file(self.source, self.root, &names, path, self.cancel)
                    .map_err(|error| failed_at(path, error))?;
                Ok(format!("{} (OCI archive)", path.display()))
            }
            Destination::Stdout => {
                let output = BufWriter::with_capacity(128 * 1024, io::stdout().lock());
                archive::write(self.source, self.root, &names, output, self.cancel)
                    .map_err(|error| Failure::work("failed to write the image to standard output", error))?;
                Ok("standard output (OCI archive)".to_owned())
            }
        }
    }

    fn to_directory(&self, directory: &Path, split: Option<bool>) -> Result<String, Failure> {
        fs::create_dir_all(directory).map_err(|source| Failure::write(directory, source))?;
        let tree = self.unpacked(split)?;
        let failed = |source: Cause| failed_at(directory, source);
        let target = RootDir::open(directory, tree.owner_style).map_err(|error| failed(Box::new(error)))?;
        let request = CopyRequest {
            source_root: &tree.root()?,
            source: Path::new("."),
            target_root: &target,
            target: Path::new("./"),
            // Whoever builds owns what is built, as with other builders.
            owners: Owners::Root,
            chmod: None,
            filter: &|_: &Path, kind: Kind| if kind.is_device() { Keep::Prune } else { Keep::Take },
            cancel: self.cancel,
        };
        copy(&request).map_err(|error| failed(Box::new(error)))?;
        Ok(format!("{} (files)", directory.display()))
    }

    fn to_tar(&self, destination: &Destination, split: Option<bool>) -> Result<String, Failure> {
        let tree = self.unpacked(split)?;
        match destination {
            Destination::Stdout => {
                tree.write(BufWriter::new(io::stdout().lock()), self.cancel)?;
                Ok("standard output (tar of the files)".to_owned())
            }
            Destination::File(path) => {
                make_parent(path)?;
                let file = File::create(path).map_err(|source| Failure::write(path, source))?;
                tree.write(BufWriter::new(file), self.cancel)?;
                Ok(format!("{} (tar of the files)", path.display()))
            }
        }
    }

    /// Unpacks every platform's files below a temporary directory: several of them, or one that is asked to be split,
    /// in subdirectories such as `linux_arm64`.
    fn unpacked(&self, split: Option<bool>) -> Result<Unpacked, Failure> {
        let rows = image::rows(self.source, self.root, self.cancel)?;
        let split = split.unwrap_or(rows.len() > 1);
        if !split && rows.len() > 1 {
            return Err(Failure::usage(
                "platform-split=false: files of several platforms cannot lie in one directory",
            ));
        }
        let mut tree = Unpacked::new(self.temporary)?;
        for row in &rows {
            self.unpack(
                row,
                &mut tree,
                if split { row.platform.slug() } else { String::new() },
            )?;
        }
        Ok(tree)
    }

    fn unpack(&self, row: &Row, tree: &mut Unpacked, below: String) -> Result<(), Failure> {
        let path = tree.path.join(&below);
        let failed =
            |source: Cause| Failure::work(format!("failed to unpack the image for {}", row.platform), source);
        fs::create_dir_all(&path).map_err(|error| failed(Box::new(error)))?;
        let root = RootDir::open(&path, tree.owner_style).map_err(|error| failed(Box::new(error)))?;
        let config = image::read_config(self.source, &row.manifest)?;
        for (index, layer) in row.manifest.layers.iter().enumerate() {
            let Some(compression) = layer.media_type.layer_compression() else {
                return Err(Failure::because(format!(
                    "the layer {} is of an unknown type",
                    layer.digest
                )));
            };
            let blob = open_verified(self.source, layer).map_err(|error| failed(Box::new(error)))?;
            let request = ApplyRequest {
                compression,
                diff_id: config.rootfs.diff_ids.get(index).copied(),
                whiteouts: Whiteouts::Remove,
                lower: None,
                limits: ExtractLimits::USUAL,
                cancel: self.cancel,
            };
            let applied = apply(&root, blob, &request).map_err(|error| failed(Box::new(error)))?;
            let owners = applied.unstored_owners.into_iter();
            tree.owners.extend(owners.map(|owner| UnstoredOwner {
                path: Path::new(&below).join(owner.path),
                ..owner
            }));
        }
        Ok(())
    }
}

fn failed_at(path: &Path, source: impl Into<Cause>) -> Failure {
    Failure::work(format!("failed to write the image to {}", path.display()), source)
}

fn make_parent(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        let advice = "name a file, or write tar=false for a layout in a directory";
        return Err(Failure::usage_advised(
            format!("--output: {} is a directory", path.display()),
            advice,
        ));
    }
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|source| Failure::write(parent, source)),
        None => Ok(()),
    }
}

/// Files of images, in a temporary directory that goes with this value.
struct Unpacked {
    path: PathBuf,
    owner_style: OwnerStyle,
    owners: Vec<UnstoredOwner>,
}

impl Unpacked {
    fn new(temporary: &Path) -> Result<Self, Failure> {
        let path = temporary.join(format!("files-{}", std::process::id()));
        let failed = |source| Failure::write(&path, source);
        // Left by a killed process of the same number.
        if path.exists() {
            fs::remove_dir_all(&path).map_err(failed)?;
        }
        fs::create_dir_all(&path).map_err(failed)?;
        let owner_style = OwnerStyle::probe(&path).map_err(failed)?;
        Ok(Self {
            path,
            owner_style,
            owners: Vec::new(),
        })
    }

    fn root(&self) -> Result<RootDir, Failure> {
        let root = RootDir::open(&self.path, self.owner_style);
        let root = root.map_err(|source| Failure::work("failed to open the unpacked files", source))?;
        Ok(root.with_unstored_owners(self.owners.iter().cloned()))
    }

    fn write(&self, mut output: impl Write, cancel: &CancelToken) -> Result<(), Failure> {
        let root = self.root()?;
        let failed = |source: Cause| Failure::work("failed to write the files", source);
        let mut changes = Vec::new();
        list(&root, Path::new("."), &mut changes).map_err(|error| failed(Box::new(error)))?;
        let request = WriteLayerRequest {
            tree: &root,
            changes: &changes,
            times: LayerTimes::Keep,
            compression: CompressionSettings::usual(Compression::None, 1),
            cancel,
        };
        write(&request, &mut output).map_err(|error| failed(Box::new(error)))?;
        output.flush().map_err(|error| failed(Box::new(error)))
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What cannot be removed now is removed with the next collection of the store.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Lists all that is below a directory.
fn list(
    root: &RootDir,
    directory: &Path,
    changes: &mut Vec<Change>,
) -> Result<(), lrops_store::tree::TreeError> {
    for name in root.list(directory)? {
        let path = directory.strip_prefix(".").unwrap_or(directory).join(name);
        let Some(metadata) = root.metadata(&path, Follow::No)? else {
            continue;
        };
        changes.push(Change {
            path: path.clone(),
            kind: ChangeKind::Present { owner: None },
        });
        if matches!(metadata.kind, Kind::Directory) {
            list(root, &path, changes)?;
        }
    }
    Ok(())
}
