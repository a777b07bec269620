//! Sample images for tests.

use lrops_model::blob::{BlobStore, MemoryStore};
use lrops_model::digest::{DiffId, Digest};
use lrops_model::oci::{
    Descriptor, DescriptorPlatform, History, ImageConfig, Index, Manifest, MediaType, RootFs, encode,
};
use lrops_model::platform::Platform;
use lrops_model::timestamp::Timestamp;

/// An image in memory.
pub(crate) struct SampleImage {
    pub(crate) store: MemoryStore,
    pub(crate) root: Descriptor,
    /// What names every blob, children first.
    pub(crate) descriptors: Vec<Descriptor>,
}

/// One platform of a sample image, with a single layer.
#[derive(Clone)]
pub(crate) struct SamplePlatform {
    platform: Platform,
    files: Vec<(String, Vec<u8>)>,
}

impl SamplePlatform {
    pub(crate) fn new(platform: &str) -> Self {
        Self {
            platform: platform.parse().unwrap(),
            files: Vec::new(),
        }
    }

    /// Adds an executable file.
    pub(crate) fn file(mut self, path: &str, bytes: &[u8]) -> Self {
        self.files.push((path.to_owned(), bytes.to_owned()));
        self
    }
}

impl SampleImage {
    /// Makes an index of these platforms.
    pub(crate) fn new(platforms: &[SamplePlatform]) -> Self {
        let root = Descriptor::of(MediaType::OCI_INDEX, b"");
        let mut image = Self {
            store: MemoryStore::new(),
            root,
            descriptors: Vec::new(),
        };
        let manifests = platforms
            .iter()
            .map(|platform| image.add_platform(platform))
            .collect();
        let index = Index {
            schema_version: 2,
            media_type: Some(MediaType::OCI_INDEX),
            manifests,
            annotations: std::collections::BTreeMap::new(),
        };
        image.root = image.put(MediaType::OCI_INDEX, &encode(&index));
        image
    }

    pub(crate) fn blob_count(&self) -> usize {
        let digests: std::collections::BTreeSet<_> =
            self.descriptors.iter().map(|found| found.digest).collect();
        digests.len()
    }

    pub(crate) fn layers(&self) -> Vec<&Descriptor> {
        self.descriptors
            .iter()
            .filter(|found| found.media_type.layer_compression().is_some())
            .collect()
    }

    /// Puts a blob into the image's store.
    pub(crate) fn put(&mut self, media_type: MediaType, bytes: &[u8]) -> Descriptor {
        let descriptor = Descriptor::of(media_type, bytes);
        self.store.put(&descriptor, &mut &bytes[..]).unwrap();
        self.descriptors.push(descriptor.clone());
        descriptor
    }

    fn add_platform(&mut self, platform: &SamplePlatform) -> Descriptor {
        let tar = tar_of(&platform.files);
        let layer = self.put(MediaType::OCI_LAYER_GZIP, &compress(&tar));
        let config = ImageConfig {
            architecture: platform.platform.architecture.clone(),
            variant: platform.platform.variant.clone(),
            os: platform.platform.os.clone(),
            rootfs: RootFs {
                diff_ids: vec![DiffId(Digest::of(&tar))],
                ..RootFs::default()
            },
            history: vec![History {
                created: Some(Timestamp::EPOCH.to_string()),
                ..History::default()
            }],
            ..ImageConfig::default()
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            config: self.put(MediaType::OCI_CONFIG, &encode(&config)),
            layers: vec![layer],
            annotations: std::collections::BTreeMap::new(),
        };
        let mut descriptor = self.put(MediaType::OCI_MANIFEST, &encode(&manifest));
        descriptor.platform = Some(DescriptorPlatform::from(&platform.platform));
        descriptor
    }
}

fn tar_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, &bytes[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

fn compress(tar: &[u8]) -> Vec<u8> {
    let mut output = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut output, tar).unwrap();
    output.finish().unwrap()
}
