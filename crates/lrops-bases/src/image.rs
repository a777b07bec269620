//! From a tree to an image of one layer: config and manifest as the OCI image spec has them.
//!
//! The layer's bytes follow from the tree alone: entries by path, numeric owners, GNU headers, one compressor setting.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;

use lrops_model::blob::BlobStore;
use lrops_model::cancel::{CancelToken, Cancelled};
use lrops_model::digest::{DiffId, DigestWriter};
use lrops_model::oci::{
    self, Compression, Descriptor, History, ImageConfig, Manifest, MediaType, RootFs, RunConfig,
};
use lrops_model::platform::Platform;
use lrops_model::timestamp::Timestamp;
use lrops_store::layer::{CompressionSettings, Compressor};

use crate::bases::BuildBase;
use crate::error::BaseError;
use crate::spec::BaseSpec;
use crate::tree::{Content, Entry, EntryKind, Tree};

/// The blobs of a base's image.
pub(crate) struct ImageBlobs {
    pub(crate) manifest: Descriptor,
    pub(crate) config: Descriptor,
    pub(crate) layer: Descriptor,
    pub(crate) diff_id: DiffId,
}

/// What every Debian image has.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where an image is written to, and with how many threads.
pub(crate) struct Place<'a> {
    pub(crate) temporary: &'a Path,
    pub(crate) store: &'a dyn BlobStore,
    pub(crate) workers: usize,
}

/// Writes the image of a tree into a store.
pub(crate) fn write(
    tree: &Tree,
    request: BuildBase<'_>,
    place: Place<'_>,
    cancel: &CancelToken,
) -> Result<ImageBlobs, BaseError> {
    let Place {
        temporary,
        store,
        workers,
    } = place;
    let temporary_error = |source| BaseError::Cache {
        path: temporary.to_owned(),
        source,
    };
    let spool = tempfile::tempfile_in(temporary).map_err(temporary_error)?;
    let (mut spool, layer, diff_id) = write_layer(tree, spool, workers, cancel).map_err(|cause| {
        if cancel.is_cancelled() {
            BaseError::Cancelled(Cancelled)
        } else {
            temporary_error(cause)
        }
    })?;
    spool.rewind().map_err(temporary_error)?;
    store.put(&layer, &mut spool)?;
    let created = Timestamp(i64::try_from(tree.newest()).unwrap_or_default());
    let config = oci::encode(&config(request.spec, request.platform, diff_id, created));
    let config_descriptor = Descriptor::of(MediaType::OCI_CONFIG, &config);
    store.put(&config_descriptor, &mut &config[..])?;
    let manifest = oci::encode(&Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        config: config_descriptor.clone(),
        layers: vec![layer.clone()],
        annotations: std::collections::BTreeMap::new(),
    });
    let mut descriptor = Descriptor::of(MediaType::OCI_MANIFEST, &manifest);
    store.put(&descriptor, &mut &manifest[..])?;
    descriptor.platform = Some(request.platform.into());
    Ok(ImageBlobs {
        manifest: descriptor,
        config: config_descriptor,
        layer,
        diff_id,
    })
}

fn config(spec: &BaseSpec, platform: &Platform, diff_id: DiffId, created: Timestamp) -> ImageConfig {
    let mut env: Vec<String> = spec
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !spec.env.contains_key("PATH") {
        env.insert(0, format!("PATH={PATH}"));
    }
    ImageConfig {
        created: Some(created.to_string()),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone(),
        os: platform.os.clone(),
        config: RunConfig {
            env,
            cmd: spec.command.clone(),
            working_dir: spec.working_dir.clone().unwrap_or_default(),
            user: spec.user.clone().unwrap_or_default(),
            ..RunConfig::default()
        },
        rootfs: RootFs {
            diff_ids: vec![diff_id],
            ..RootFs::default()
        },
        history: vec![History {
            created: Some(created.to_string()),
            created_by: format!(
                "lrops base: {} {} {}",
                spec.distribution,
                spec.suite,
                spec.packages.join(" ")
            ),
            ..History::default()
        }],
        ..ImageConfig::default()
    }
}

fn write_layer(
    tree: &Tree,
    spool: File,
    workers: usize,
    cancel: &CancelToken,
) -> io::Result<(File, Descriptor, DiffId)> {
    let compressed = DigestWriter::new(BufWriter::with_capacity(256 * 1024, spool));
    let gzip = Compressor::new(compressed, CompressionSettings::usual(Compression::Gzip, workers))?;
    let mut builder = tar::Builder::new(DigestWriter::new(gzip));
    let mut first_paths = HashMap::new();
    for (path, entry) in tree.iter() {
        if cancel.is_cancelled() {
            return Err(io::Error::other(Cancelled));
        }
        append(&mut builder, tree, path, entry, &mut first_paths)?;
    }
    let (gzip, diff_id, _) = builder.into_inner()?.finish();
    let (buffered, digest, size) = gzip.finish()?.finish();
    let spool = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok((
        spool,
        Descriptor::new(Compression::Gzip.layer_media_type(), digest, size),
        DiffId(diff_id),
    ))
}

fn append<'a>(
    builder: &mut tar::Builder<impl Write>,
    tree: &'a Tree,
    path: &'a str,
    entry: &'a Entry,
    first_paths: &mut HashMap<(usize, u64), &'a str>,
) -> io::Result<()> {
    if !entry.xattrs.is_empty() {
        let names = entry.xattrs.keys().map(|name| format!("SCHILY.xattr.{name}"));
        let records: Vec<_> = names.zip(entry.xattrs.values()).collect();
        builder.append_pax_extensions(
            records
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        )?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.mode);
    header.set_uid(u64::from(entry.owner.uid));
    header.set_gid(u64::from(entry.owner.gid));
    header.set_mtime(if entry.mtime == 0 {
        tree.newest()
    } else {
        entry.mtime
    });
    header.set_size(0);
    match &entry.kind {
        EntryKind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            builder.append_data(&mut header, format!("{path}/"), io::empty())
        }
        EntryKind::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, path, target)
        }
        EntryKind::File(content) => {
            if let Content::Spooled { spool, offset, len } = content
                && *len > 0
            {
                match first_paths.entry((*spool, *offset)) {
                    std::collections::hash_map::Entry::Occupied(first) => {
                        header.set_entry_type(tar::EntryType::Link);
                        return builder.append_link(&mut header, path, first.get());
                    }
                    std::collections::hash_map::Entry::Vacant(slot) => {
                        slot.insert(path);
                    }
                }
            }
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.len());
            builder.append_data(&mut header, path, tree.open(content))
        }
    }
}
