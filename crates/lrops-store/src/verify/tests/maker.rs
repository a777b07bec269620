//! Makes images.

use std::io::Write;

use lrops_model::blob::{BlobStore, MemoryStore};
use lrops_model::digest::{DiffId, Digest};
use lrops_model::oci::{
    Compression, Descriptor, DescriptorPlatform, History, ImageConfig, Index, Manifest, MediaType, encode,
};
use lrops_model::platform::Platform;
use tar::{EntryType, Header};

/// A finished image.
pub(super) struct Image {
    pub(super) store: MemoryStore,
    pub(super) root: Descriptor,
}

/// A layer's tar in the making.
pub(super) struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    pub(super) fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn entry(mut self, kind: EntryType, path: &str, link: Option<&str>, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        match link {
            Some(link) => self.0.append_link(&mut header, path, link).unwrap(),
            None => self.0.append_data(&mut header, path, content).unwrap(),
        }
        self
    }

    pub(super) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, path, None, content.as_ref())
    }

    pub(super) fn directory(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, None, b"")
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, Some(target), b"")
    }

    pub(super) fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, Some(target), b"")
    }

    pub(super) fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// An image in the making.
pub(super) struct Maker {
    pub(super) store: MemoryStore,
    pub(super) index: Index,
}

/// The documents of one platform, to be changed before they are written.
pub(super) struct Documents {
    pub(super) promised: Option<DescriptorPlatform>,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
}

impl Maker {
    pub(super) fn new() -> Self {
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX),
            manifests: Vec::new(),
            annotations: std::collections::BTreeMap::new(),
        };
        Self {
            store: MemoryStore::new(),
            index,
        }
    }

    pub(super) fn put(&self, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.store.put(&descriptor, &mut &bytes[..]).unwrap();
        descriptor
    }

    /// Adds a platform whose image has these tars as layers.
    pub(super) fn platform(self, platform: &str, tars: &[&[u8]]) -> Self {
        self.platform_with(platform, Compression::None, tars, |_| {})
    }

    /// Adds a platform, changed before it is written.
    pub(super) fn platform_with(
        mut self,
        platform: &str,
        compression: Compression,
        tars: &[&[u8]],
        change: impl FnOnce(&mut Documents),
    ) -> Self {
        let entry = self.manifest(platform, compression, tars, change);
        self.index.manifests.push(entry);
        self
    }

    fn manifest(
        &self,
        platform: &str,
        compression: Compression,
        tars: &[&[u8]],
        change: impl FnOnce(&mut Documents),
    ) -> Descriptor {
        let platform: Platform = platform.parse().unwrap();
        let layers = tars
            .iter()
            .map(|tar| self.put(compression.layer_media_type(), &compress(compression, tar)));
        let mut config = ImageConfig {
            architecture: platform.architecture.clone(),
            variant: platform.variant.clone(),
            os: platform.os.clone(),
            ..ImageConfig::default()
        };
        config.rootfs.diff_ids = tars.iter().map(|tar| DiffId(Digest::of(tar))).collect();
        config.history = vec![History::default(); tars.len()];
        config.history.push(History {
            empty_layer: true,
            ..History::default()
        });
        let mut documents = Documents {
            promised: Some((&platform).into()),
            manifest: Manifest {
                schema_version: 2,
                media_type: Some(MediaType::OCI_MANIFEST),
                config: Descriptor::of(MediaType::OCI_CONFIG, b""),
                layers: layers.collect(),
                annotations: std::collections::BTreeMap::new(),
            },
            config,
        };
        change(&mut documents);
        let media_type = documents.manifest.config.media_type;
        documents.manifest.config = self.put(media_type, &encode(&documents.config));
        let mut entry = self.put(MediaType::OCI_MANIFEST, &encode(&documents.manifest));
        entry.platform = documents.promised;
        entry
    }

    pub(super) fn finish(self) -> Image {
        let root = self.put(MediaType::OCI_INDEX, &encode(&self.index));
        Image {
            store: self.store,
            root,
        }
    }
}

/// Returns an image without an index.
pub(super) fn plain(platform: &str, tars: &[&[u8]]) -> Image {
    let maker = Maker::new();
    let root = Descriptor {
        platform: None,
        ..maker.manifest(platform, Compression::None, tars, |_| {})
    };
    Image {
        store: maker.store,
        root,
    }
}

/// Returns an image of one platform with one layer.
pub(super) fn single(platform: &str, layer: Layer) -> Image {
    Maker::new().platform(platform, &[&layer.tar()]).finish()
}

pub(super) fn compress(compression: Compression, tar: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => tar.to_vec(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(tar).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(tar, 1).unwrap(),
    }
}
